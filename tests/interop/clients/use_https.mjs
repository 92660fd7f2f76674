// Node's https with nothing but the environment.
import https from 'node:https';

const headers = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` };
https.get('https://api.openai.com/v1/models', { headers }, (answer) => answer.pipe(process.stdout));
