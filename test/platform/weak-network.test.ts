/** A thousand registrations through a network that loses, delays and cuts, against the real handlers. */
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';

const USERS = 1_000;
let platform: Platform;

beforeAll(async () => {
  platform = await startPlatform({ port: 0 });
});
afterAll(() => platform?.stop());

test.each([
  [0.1, 990],
  [0.3, 951],
])(
  'with faults in %d of the exchanges, at least %i of 1000 are registered, and the others reported',
  async (share, least) => {
    const proxy = await startFaultProxy(share);
    const connect = buildConnector({});
    const dispatcher = new Agent({
      connect: (options, done) => connect({ ...options, port: String(proxy.port) }, done),
    });
    const { entry, clients } = platform.info;
    const client = new CountersignClient({
      url: entry,
      apiKey: clients[0]!.api_key,
      // Half-open connections end by this.
      timeoutMs: 1_000,
      fetch: ((url: string, init: object) =>
        undiciFetch(url, { ...init, dispatcher })) as unknown as typeof fetch,
    });
    const users = Array.from({ length: USERS }, (_, i) => ({ user_id: `weak-${share}-${i}` }));
    const seen = new Map<number, string>();
    try {
      const ids = new Set<string>();
      for await (const result of client.registerBatch(users, { concurrency: 16 })) {
        expect(seen.has(result.index)).toBe(false);
        seen.set(result.index, result.ok ? 'registered' : result.error.code);
        if (!result.ok) continue;
        expect(result.registration.user_id).toBe(result.user.user_id);
        ids.add(result.registration.id);
      }
      expect(seen.size).toBe(USERS);
      expect(ids.size).toBeGreaterThanOrEqual(least);
      // Every fault happened, and what failed says how.
      expect(Object.keys(proxy.counts).sort()).toEqual(
        ['drop', 'half-open', 'late', 'lose', 'none', 'truncate', 'unavailable'].sort(),
      );
      const codes = new Set([...seen.values()].filter((code) => code !== 'registered'));
      for (const code of codes) expect(['connection_failed', 'timeout', 'unexpected_answer']).toContain(code);
    } finally {
      await client.close();
      await dispatcher.destroy();
      await expect.poll(proxy.connections).toBe(0);
      await proxy.close();
    }
  },
);
