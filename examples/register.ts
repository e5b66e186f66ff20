/** Registers a user in one line, with the platform that `npm start` runs. */
import { readFileSync } from 'node:fs';
import { CountersignClient } from '@countersign/sdk';

const local = new URL('../.countersign/local.json', import.meta.url);
const { entry: url, clients } = JSON.parse(readFileSync(local, 'utf8'));
await using client = new CountersignClient({ url, apiKey: clients[0].api_key });

console.log(
  await client.register({ user_id: 'grace', email: 'grace@example.com', display_name: 'Grace Hopper' }),
);
