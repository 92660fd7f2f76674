// Node's https with https-proxy-agent: two GETs, one after the other, over one agent.
import https from 'node:https';
import { HttpsProxyAgent } from 'https-proxy-agent';

const agent = new HttpsProxyAgent(process.env.HTTPS_PROXY, { keepAlive: true });
const headers = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` };

function get(url) {
  return new Promise((resolve, reject) => {
    const request = https.get(url, { agent, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (block) => (text += block));
      answer.on('end', () => resolve(text));
    });
    request.on('error', reject);
  });
}

console.log(await get('https://api.openai.com/v1/models'));
console.log(await get('https://api.openai.com/v1/models'));
agent.destroy();
