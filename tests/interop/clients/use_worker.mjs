// Node's https in a worker that was given options and an environment of its own.
import { Worker } from 'node:worker_threads';

new Worker(new URL('use_https.mjs', import.meta.url), { execArgv: [], env: { ...process.env } });
