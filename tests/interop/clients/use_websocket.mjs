// Node's own WebSocket with nothing but the environment. It can send no header: the credential is authsome's alone.
const socket = new WebSocket('wss://api.openai.com/ws');
socket.onopen = () => socket.send('interop-echo');
socket.onmessage = (message) => {
  console.log(message.data);
  socket.close();
};
socket.onerror = (event) => {
  console.error(event.error ?? event);
  process.exitCode = 1;
};
