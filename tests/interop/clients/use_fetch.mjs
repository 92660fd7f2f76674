// fetch: `native` with nothing but the environment, the same with undici's agent in it (`global`), undici's own as its documentation shows
// it (`undici`) or with nothing but the environment (`bare`). A GET and a POST, or a stream.
import { tellBody } from './events.mjs';

const [whose, what] = process.argv.slice(2);
let { fetch } = globalThis;
if (whose !== 'native') {
  const undici = await import('undici');
  if (whose !== 'bare') undici.setGlobalDispatcher(new undici.EnvHttpProxyAgent());
  if (whose !== 'global') ({ fetch } = undici);
}

const url = 'https://api.openai.com/v1';
const headers = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` };
const post = (asked) =>
  fetch(`${url}/chat/completions`, { method: 'POST', headers, body: JSON.stringify(asked) });

if (what === 'stream') {
  await tellBody((await post({ stream: true })).body);
} else {
  console.log(await (await fetch(`${url}/models`, { headers })).text());
  console.log(await (await post({ messages: [] })).text());
}
