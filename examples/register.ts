/**
 * Registers a user in one line, at the platform that COUNTERSIGN_URL names, or at the one that `npm start`
 * runs.
 */
import { existsSync, readFileSync } from 'node:fs';
import { CountersignClient } from '@countersign/sdk';

try {
  await using client = new CountersignClient(fromEnvironment() ?? fromLocalPlatform());

  console.log(
    await client.register({ user_id: 'grace', email: 'grace@example.com', display_name: 'Grace Hopper' }),
  );
} catch (error) {
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 1;
}

function fromEnvironment() {
  const { COUNTERSIGN_URL: url, COUNTERSIGN_API_KEY: apiKey } = process.env;
  if (url && apiKey) return { url, apiKey };
  // Never combine one of them with the local platform's value for the other.
  if (url || apiKey) throw new Error('set COUNTERSIGN_URL and COUNTERSIGN_API_KEY, or neither');
  return undefined;
}

function fromLocalPlatform() {
  const local = new URL('../.countersign/local.json', import.meta.url);
  if (!existsSync(local))
    throw new Error(
      'no platform runs here: start one with `npm start`, or set COUNTERSIGN_URL and COUNTERSIGN_API_KEY',
    );
  const { entry: url, clients } = JSON.parse(readFileSync(local, 'utf8'));
  return { url, apiKey: clients[0].api_key };
}
