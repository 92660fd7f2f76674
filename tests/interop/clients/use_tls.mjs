// tls.connect as a module imports it, with certificates of the program's own: HTTP by hand.
import { connect, rootCertificates } from 'node:tls';

const host = 'api.openai.com';
const socket = connect(443, host, { servername: host, ca: rootCertificates.slice(0, 1) }, () => {
  const fields = [`Host: ${host}`, `Authorization: Bearer ${process.env.OPENAI_API_KEY}`, 'Connection: close'];
  socket.write(`GET /v1/models HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`);
});
socket.pipe(process.stdout);
