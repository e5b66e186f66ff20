/** A reader's copy of a keyset: its age, its refresh, and revocations in the meantime. */
import { generateKeyPairSync } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { LogEntry } from '../../../lambda/contract/log-entry.ts';
import { jwksHandler } from '../../../lambda/handlers/jwks.ts';
import { KeysetCache } from '../../../lambda/request/keyset-cache.ts';
import { type Keyset, verificationKey } from '../../../protocol/keyset.ts';
import { initialKeyset } from '../../support/keyset.ts';
import { toEvent } from '../../support/regions.ts';
import { DAY, MINUTE, T0 } from '../rotate/parts.ts';

const oct = { alg: 'HKDF-SHA-256' as const, jwk: { kty: 'oct', k: 'A'.repeat(43) }, maxLifeMs: 1 };
const FIRST = initialKeyset(oct, T0);
const KID = FIRST.keys[0]!.kid;

function reader(maxAgeMs = DAY) {
  const clock = { nowMs: T0 };
  const log: LogEntry[] = [];
  const secret = { text: JSON.stringify(FIRST), reads: 0, fails: false, hangs: false };
  const limits = { kids: [] as string[], reads: 0, fails: false, takesMs: 0 };
  const cache = new KeysetCache({
    purpose: 'nonce',
    read: async () => {
      secret.reads += 1;
      if (secret.hangs) await new Promise(() => {});
      if (secret.fails) throw new Error('throttled');
      return secret.text;
    },
    readRevoked: async () => {
      limits.reads += 1;
      const { kids } = limits;
      clock.nowMs += limits.takesMs;
      if (limits.fails) throw new Error('throttled');
      return kids;
    },
    nowMs: () => clock.nowMs,
    maxAgeMs,
    log: (entry) => log.push(entry),
  });
  const store = (keyset: Keyset) => {
    secret.text = JSON.stringify(keyset);
  };
  const verifies = async () => verificationKey(await cache.current(), KID, clock.nowMs) !== undefined;
  return { clock, log, secret, limits, cache, store, verifies };
}

describe('a copy', () => {
  it('is refreshed in the background after a minute; no request waits for that below the hard limit', async () => {
    const { clock, secret, cache, store } = reader();
    const held = await cache.current();
    clock.nowMs += MINUTE;
    expect([await cache.current(), secret.reads]).toEqual([held, 1]);
    secret.hangs = true;
    clock.nowMs += 1;
    expect([await cache.current(), secret.reads]).toEqual([held, 2]);

    const other = reader();
    await other.cache.current();
    other.store({ ...FIRST, seq: 2 });
    other.clock.nowMs += MINUTE + 1;
    expect((await other.cache.current()).seq).toBe(1);
    await turn();
    expect((await other.cache.current()).seq).toBe(2);
    store(FIRST);
  });

  it('with a lower seq never replaces one with a higher seq', async () => {
    const { cache, clock, store } = reader();
    store({ ...FIRST, seq: 5 });
    await cache.current();
    store({ ...FIRST, seq: 4 });
    clock.nowMs += MINUTE;
    expect((await cache.refreshed()).seq).toBe(5);
  });

  it('does not become younger from a read with a lower seq: it reaches the hard limit, and each such read is logged', async () => {
    for (const rolledBack of [JSON.stringify({ ...FIRST, seq: 4 }), '{"keys":[]}']) {
      const { cache, clock, log, secret, store } = reader();
      store({ ...FIRST, seq: 5 });
      await cache.current();
      secret.text = rolledBack;
      for (let ms = 0; ms < DAY; ms += DAY / 24) {
        clock.nowMs = T0 + ms + MINUTE;
        await cache.refreshed();
      }
      expect(log).toHaveLength(24);
      for (const line of log)
        expect(line).toMatchObject({ level: 'ERROR', message: 'keyset', reason: 'older_keyset' });
      clock.nowMs = T0 + DAY + 1;
      await expect(cache.current()).rejects.toThrow('keyset nonce unavailable');
      store({ ...FIRST, seq: 5 });
      expect((await cache.current()).seq).toBe(5);
    }
  });

  const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const otherType = { ...FIRST, seq: 2, keys: [{ ...FIRST.keys[0], alg: 'Ed25519', jwk: ed25519 }] };
  it.each([['corrupt'], ['{"keys":[]}'], [''], [JSON.stringify(otherType)]])(
    'is kept when the secret is %j',
    async (text) => {
      const { cache, clock, secret, verifies } = reader();
      await cache.current();
      secret.text = text;
      clock.nowMs += MINUTE;
      await cache.refreshed();
      expect(await verifies()).toBe(true);
    },
  );

  it('is read once in 10 s, however many forged kids ask for a fresh one', async () => {
    const { cache, clock, secret } = reader();
    await cache.current();
    clock.nowMs += 10_000;
    await Promise.all(Array.from({ length: 1_000 }, () => cache.refreshed()));
    expect(secret.reads).toBe(2);
    clock.nowMs += 9_999;
    await cache.refreshed();
    expect(secret.reads).toBe(2);
    clock.nowMs += 1;
    await cache.refreshed();
    expect(secret.reads).toBe(3);
  });

  it('is read again on request, although the clock was set back since the last try', async () => {
    const { cache, clock, secret } = reader();
    await cache.current();
    clock.nowMs -= MINUTE;
    await cache.refreshed();
    expect(secret.reads).toBe(2);
  });

  it('is not used beyond the hard limit, nor from a clock that was set back that far', async () => {
    for (const way of [1, -1]) {
      const { cache, clock, secret, log } = reader();
      await cache.current();
      secret.fails = true;
      clock.nowMs += way * DAY;
      await expect(cache.current()).resolves.toBeDefined();
      clock.nowMs += way;
      await expect(cache.current()).rejects.toThrow('keyset nonce unavailable');
      expect(log.at(-1)).toMatchObject({ level: 'ERROR', message: 'keyset', purpose: 'nonce' });
      secret.fails = false;
      await expect(cache.current()).resolves.toBeDefined();
    }
  });
});

describe('when no signing key is left', () => {
  it('the next one is used within a second of being published, whatever was read before', async () => {
    const { cache, clock, limits, secret, store } = reader();
    const kid = async () => (await cache.signingKey(clock.nowMs))?.kid;
    expect(await kid()).toBe(KID);
    // Read again just before the keyset is replaced: the copy of the keyset is fresh, the copy of the kids is
    // not.
    clock.nowMs += 60_001;
    await cache.current();
    await turn();
    limits.kids = [KID];
    clock.nowMs += 5_001;
    await cache.current();
    await turn();
    expect(await kid()).toBeUndefined();
    const next = initialKeyset(oct, clock.nowMs);
    store({ ...next, seq: 2, revoked: [KID] });
    const reads = secret.reads;
    clock.nowMs += 999;
    for (let i = 0; i < 100; i++) expect(await kid()).toBeUndefined();
    expect(secret.reads).toBe(reads);
    clock.nowMs += 1;
    expect(await kid()).toBe(next.keys[0]!.kid);
    expect(secret.reads).toBe(reads + 1);
  });
});

describe('when the signing key was revoked', () => {
  it('a newer keyset is read, although another key of the old one could sign', async () => {
    const { cache, clock, limits, store } = reader();
    const key = FIRST.keys[0]!;
    const [previous, current] = [key, { ...key, kid: 'EEEEEA', activates_at: T0 + 1 }];
    store({ ...FIRST, keys: [{ ...previous, retires_at: T0 + DAY }, current] });
    clock.nowMs += 1;
    expect((await cache.signingKey(clock.nowMs))?.kid).toBe('EEEEEA');
    const next = initialKeyset(oct, clock.nowMs);
    store({ ...next, seq: 2, revoked: [KID, 'EEEEEA'] });
    limits.kids = ['EEEEEA'];
    clock.nowMs += 10_001;
    expect((await cache.signingKey(clock.nowMs))?.kid).toBe(next.keys[0]!.kid);
  });
});

describe('the age of a copy counts from the start of its read', () => {
  it('so that a change during a slow read is noticed in time', async () => {
    const { cache, clock, secret, limits, verifies } = reader();
    limits.takesMs = 4_000;
    await cache.current();
    limits.takesMs = 0;
    limits.kids = [KID];
    clock.nowMs = T0 + 10_001;
    expect(await verifies()).toBe(false);
    expect(secret.reads).toBe(1);
  });

  it('and one read serves all who wait for it', async () => {
    const { cache, secret, limits } = reader();
    const copies = await Promise.all(Array.from({ length: 100 }, () => cache.current()));
    expect(new Set(copies).size).toBe(1);
    expect([secret.reads, limits.reads]).toEqual([1, 1]);
  });
});

describe('a revoked kid', () => {
  it('is refused after 10 s at the latest, although the copy of the keyset is old', async () => {
    const { clock, limits, secret, verifies } = reader();
    expect(await verifies()).toBe(true);
    limits.kids = [KID];
    secret.fails = true;
    clock.nowMs += 10_000;
    expect(await verifies()).toBe(true);
    clock.nowMs += 1;
    expect(await verifies()).toBe(false);
  });

  it('is refused earlier when requests are frequent: one read in 5 s', async () => {
    const { clock, limits, verifies } = reader();
    await verifies();
    limits.kids = [KID];
    for (let ms = 0; ms <= 5_000; ms += 100) {
      clock.nowMs = T0 + ms;
      expect(await verifies()).toBe(true);
    }
    clock.nowMs += 1;
    await verifies();
    await turn();
    expect([await verifies(), limits.reads]).toEqual([false, 2]);
  });

  it('list that cannot be read refuses every request', async () => {
    const { clock, limits, cache, verifies } = reader();
    await verifies();
    limits.fails = true;
    clock.nowMs += 10_001;
    await expect(cache.current()).rejects.toThrow('revoked kids nonce unavailable');
    limits.fails = false;
    expect(await verifies()).toBe(true);
  });
});

describe('the published keys', () => {
  const ask = async (maxAgeMs: number, laterMs: number) => {
    const { cache, clock } = reader(maxAgeMs);
    await cache.current();
    clock.nowMs += laterMs;
    const http = { region: 'r', errorDocsUrl: 'https://x', nowMs: () => clock.nowMs, log: () => {} };
    const event = toEvent({ method: 'GET', path: '/.well-known/jwks.json' });
    return (await jwksHandler(http, [cache])(event)).headers!['Cache-Control'];
  };

  it('may be cached for five minutes, and never beyond the hard limit of the copy they come from', async () => {
    expect(await ask(DAY, 0)).toBe('public, max-age=300');
    expect(await ask(2 * MINUTE, 30_000)).toBe('public, max-age=90');
    expect(await ask(50, 20)).toBe('public, max-age=0');
  });
});
