/** Registers a user in one line, with the platform at COUNTERSIGN_URL, or else the one that `npm start` runs. */
import { readFileSync } from 'node:fs';
import { CountersignClient } from '@countersign/sdk';

await using client = new CountersignClient(fromEnvironment() ?? fromLocalPlatform());

console.log(
  await client.register({ user_id: 'grace', email: 'grace@example.com', display_name: 'Grace Hopper' }),
);

function fromEnvironment() {
  const { COUNTERSIGN_URL: url, COUNTERSIGN_API_KEY: apiKey } = process.env;
  if (url && apiKey) return { url, apiKey };
  // Never combine one of them with the local platform's value for the other.
  if (url || apiKey) throw new Error('set COUNTERSIGN_URL and COUNTERSIGN_API_KEY, or neither');
  return undefined;
}

function fromLocalPlatform() {
  const local = new URL('../.countersign/local.json', import.meta.url);
  const { entry: url, clients } = JSON.parse(readFileSync(local, 'utf8'));
  return { url, apiKey: clients[0].api_key };
}
