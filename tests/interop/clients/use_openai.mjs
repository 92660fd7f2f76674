// The openai package: with undici for the way through a proxy, as its documentation shows it, or `plain` where Node does that.
import OpenAI from 'openai';
import { tellSent } from './events.mjs';

const [how, what] = process.argv.slice(2);
let options = {};
if (how === 'undici') {
  const { EnvHttpProxyAgent, fetch } = await import('undici');
  options = { fetch, fetchOptions: { dispatcher: new EnvHttpProxyAgent() } };
}
const client = new OpenAI(options);
const asked = { model: 'interop-model', messages: [{ role: 'user', content: 'hello' }] };

if (what === 'stream') {
  for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
    tellSent(chunk.choices[0].delta.content);
  }
} else {
  console.log((await client.chat.completions.create(asked)).choices[0].message.content);
}
