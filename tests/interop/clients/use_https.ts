// Node's https in TypeScript, for what runs that.
import https from 'node:https';

const headers: Record<string, string> = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` };
https.get('https://api.openai.com/v1/models', { headers }, (answer) => answer.pipe(process.stdout));
