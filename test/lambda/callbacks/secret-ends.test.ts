/** An endpoint's secret ends with the key that it is derived from: that is said ahead. */
import { expect, it } from 'vitest';
import { reportSecretEnds } from '../../../lambda/callbacks/secret-ends.ts';
import type { LogEntry } from '../../../lambda/contract/log-entry.ts';
import type { Keyset } from '../../../protocol/keyset.ts';
import { HERE, memoryEndpoints, newEndpoint, T0 } from '../../support/delivery.ts';
import { initialKeyset } from '../../support/keyset.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ENDS_MS = T0 + 90 * DAY_MS;

async function parts() {
  let now = T0;
  const root = initialKeyset(
    {
      ...{ alg: 'HKDF-SHA-256', maxLifeMs: HOUR_MS },
      jwk: { kty: 'oct', k: Buffer.alloc(32, 7).toString('base64url') },
    },
    T0,
  );
  const [old] = root.keys;
  let keyset: Keyset = {
    ...root,
    keys: [
      { ...old!, kid: 'old', retires_at: ENDS_MS },
      { ...old!, kid: 'new' },
    ],
  };
  const endpoints = memoryEndpoints();
  for (const [id, changes] of Object.entries({
    ep_old: { rootKid: 'old' },
    ep_new: { rootKid: 'new' },
    ep_off: { rootKid: 'old', state: 'disabled' as const },
    ep_there: { rootKid: 'old', holder: 'eu-central-1' },
  }))
    await endpoints.create(newEndpoint(id, changes));
  const log: LogEntry[] = [];
  const report = reportSecretEnds({
    ...{ endpoints, region: HERE, nowMs: () => now, log: (entry: LogEntry) => log.push(entry) },
    roots: { current: async () => keyset },
  });
  return {
    /** @returns what is logged at that time */
    async at(ms: number) {
      now = ms;
      log.length = 0;
      await report();
      return log.map(({ target, reason }) => `${target} ${reason}`);
    },
    revoke: (kid: string) => {
      keyset = { ...keyset, revoked: [kid] };
    },
  };
}

it('in the last 14 days once an hour, and then that it has ended, where it delivers', async () => {
  const { at } = await parts();
  expect(await at(ENDS_MS - 14 * DAY_MS - 1)).toEqual([]);
  expect(await at(ENDS_MS - 14 * DAY_MS + HOUR_MS)).toEqual(['ep_old secret_ends']);
  expect(await at(ENDS_MS - 14 * DAY_MS + 2 * HOUR_MS - 1)).toEqual([]);
  expect(await at(ENDS_MS - 14 * DAY_MS + 2 * HOUR_MS)).toEqual(['ep_old secret_ends']);
  expect(await at(ENDS_MS)).toEqual(['ep_old secret_ended']);
});

it('a secret whose key was revoked has ended', async () => {
  const { at, revoke } = await parts();
  revoke('new');
  expect(await at(T0)).toEqual(['ep_new secret_ended']);
});
