// ws, `plain` or with https-proxy-agent (`agent`): small and large messages come back as they went.
import { HttpsProxyAgent } from 'https-proxy-agent';
import WebSocket from 'ws';

const socket = new WebSocket('wss://api.openai.com/ws', {
  agent: process.argv[2] === 'agent' ? new HttpsProxyAgent(process.env.HTTPS_PROXY) : undefined,
  headers: { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
  perMessageDeflate: false,
});
const messages = ['interop-echo', 'x'.repeat(1000), 'y'.repeat(200000)];
let next = 0;

socket.on('open', () => socket.send(messages[0]));
socket.on('message', (data) => {
  if (data.toString() !== messages[next]) throw new Error(`message ${next} came back changed`);
  next += 1;
  if (next < messages.length) socket.send(messages[next]);
  else socket.close();
});
socket.on('close', () => console.log(next === messages.length ? 'interop-echo' : 'closed early'));
socket.on('error', (error) => {
  throw error;
});
