// axios, got and node-fetch, as they are or with https-proxy-agent: a GET and a POST, or a stream.
import { HttpsProxyAgent } from 'https-proxy-agent';
import { tellBody } from './events.mjs';

const [library, how, what] = process.argv.slice(2);
const agent = how === 'agent' ? new HttpsProxyAgent(process.env.HTTPS_PROXY) : undefined;
const headers = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` };

// Each gives a function that makes a request: of its answer the text, or the body as it comes.
const libraries = {
  async axios() {
    const { default: axios } = await import('axios');
    // Where there is an agent, axios's own way through a proxy has to be switched off.
    const options = agent ? { httpsAgent: agent, proxy: false } : {};
    return async (method, url, data, streams) => {
      const responseType = streams ? 'stream' : 'text';
      return (await axios({ ...options, method, url, data, headers, responseType, transformResponse: (text) => text })).data;
    };
  },
  async got() {
    const { got } = await import('got');
    const options = { headers, retry: { limit: 0 }, ...(agent && { agent: { https: agent } }) };
    return (method, url, json, streams) =>
      streams ? got.stream(url, { ...options, method, json }) : got(url, { ...options, method, json }).text();
  },
  async 'node-fetch'() {
    const { default: fetch } = await import('node-fetch');
    return async (method, url, json, streams) => {
      const answer = await fetch(url, { agent, headers, method, body: json && JSON.stringify(json) });
      return streams ? answer.body : answer.text();
    };
  },
};

const url = 'https://api.openai.com/v1';
const ask = await libraries[library]();
if (what === 'stream') {
  await tellBody(await ask('POST', `${url}/chat/completions`, { stream: true }, true));
} else {
  console.log(await ask('GET', `${url}/models`));
  console.log(await ask('POST', `${url}/chat/completions`, { messages: [] }));
}
