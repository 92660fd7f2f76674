// The packages of model services and of MCP as their documentation shows them, nothing of a proxy in it: an answer in
// whole, and one as a stream.
import { tellSent } from './events.mjs';

const [name] = process.argv.slice(2);
const prompt = 'hello';

const packages = {
  async *anthropic(streams) {
    const { default: Anthropic } = await import('@anthropic-ai/sdk');
    const asked = { model: 'interop-model', max_tokens: 99, messages: [{ role: 'user', content: prompt }] };
    const client = new Anthropic();
    if (streams) {
      for await (const event of await client.messages.create({ ...asked, stream: true })) {
        if (event.type === 'content_block_delta') yield event.delta.text;
      }
    } else {
      yield (await client.messages.create(asked)).content[0].text;
    }
  },
  async *genai(streams) {
    const { GoogleGenAI } = await import('@google/genai');
    const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY });
    const asked = { model: 'interop-model', contents: prompt };
    if (streams) {
      for await (const chunk of await client.models.generateContentStream(asked)) yield chunk.text;
    } else {
      yield (await client.models.generateContent(asked)).text;
    }
  },
  async *mcp(streams) {
    const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
    yield* callTool(StreamableHTTPClientTransport, 'https://mcp.interop.example/mcp', streams);
  },
  async *'mcp-sse'(streams) {
    const { SSEClientTransport } = await import('@modelcontextprotocol/sdk/client/sse.js');
    yield* callTool(SSEClientTransport, 'https://mcp.interop.example/sse', streams);
  },
};

async function* callTool(Transport, url, streams) {
  const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
  const client = new Client({ name: 'interop', version: '1.0.0' });
  const headers = { Authorization: `Bearer ${process.env.INTEROP_MCP_TOKEN}` };
  await client.connect(new Transport(new URL(url), { requestInit: { headers } }));
  const options = streams ? { onprogress: (progress) => tellSent(progress.message) } : {};
  const result = await client.callTool({ name: 'tell', arguments: {} }, undefined, options);
  if (!streams) yield result.content[0].text;
  await client.close();
}

for (const streams of [false, true]) {
  for await (const text of packages[name](streams)) {
    // Some have more events than there are texts.
    if (text) streams ? tellSent(text) : console.log(text);
  }
}
