import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vaultName } from '../../lambda/contract/vault.ts';
import { fingerprint } from '../../protocol/key-material.ts';
import { keyWindows } from '../../protocol/key-windows.ts';
import {
  FORMAT_VERSION,
  freshKid,
  type Keyset,
  keyState,
  parseKeyset,
  signingKey,
  verificationKeys,
} from '../../protocol/keyset.ts';
import {
  checkPending,
  isKnown,
  MAX_KEYS,
  MAX_KEYSET_BYTES,
  MAX_REVOKED,
  mayFinish,
  type NewKey,
  nextKeyset,
  recalled,
  revokedKeyset,
  rotationRefusal,
} from '../../protocol/rotation.ts';
import { LAGS } from '../support/key-lags.ts';

const EMPTY = parseKeyset('{"keys":[]}');
const PUBLISH = 120_011;
const REMOVE = 11_101;
const T0 = 1_795_430_000_000;

const key = (n: number): NewKey => ({
  kid: Buffer.from([n >> 24, n >> 16, n >> 8, n]).toString('base64url'),
  alg: 'HKDF-SHA-256',
  jwk: { kty: 'oct', k: createHash('sha256').update(`${n}`).digest('base64url') },
  vault: { key: 'nonce', version: n },
});
const octOf = (bytes: Buffer) => ({ kty: 'oct', k: bytes.toString('base64url') });
const kid = (n: number) => key(n).kid;
const kids = ({ keys }: Keyset) => keys.map((each) => each.kid);

/** Two ordinary rotations: 1 signs, 2 is published. */
const first = nextKeyset(EMPTY, 'v0', key(1), LAGS, T0);
const second = nextKeyset(first, 'v1', key(2), LAGS, T0 + 5);
const check = (current: Keyset, pending: Keyset, nowMs: number, version = 'v1') =>
  checkPending(current, version, pending, LAGS, nowMs);

describe('the next keyset', () => {
  it('of an empty one signs at once', () => {
    expect(first).toEqual({
      version: 1,
      seq: 1,
      based_on: 'v0',
      revoked: [],
      fingerprints: [],
      keys: [{ ...key(1), activates_at: T0, retires_at: null, max_life: 1_000 }],
    });
    expect(parseKeyset(JSON.stringify(first))).toEqual(first);
  });

  it('publishes a key before it signs, and keeps the old key for as long as its signatures live', () => {
    expect(second).toMatchObject({ seq: 2, based_on: 'v1' });
    expect(second.keys.map(({ activates_at, retires_at }) => [activates_at, retires_at])).toEqual([
      [T0, T0 + 5 + PUBLISH + REMOVE],
      [T0 + 5 + PUBLISH, null],
    ]);
  });

  it("waits for the old key's promised time to sign, whatever the config says now", () => {
    const shorter = nextKeyset(first, 'v1', key(2), { ...LAGS, maxLifeMs: 1 }, T0);
    expect(shorter.keys[0]!.retires_at).toBe(T0 + PUBLISH + REMOVE);
    expect(shorter.keys[1]!.max_life).toBe(1);
  });

  it('never lets a key sign before its predecessor, although the windows became shorter', () => {
    const hasty = { ...LAGS, rotationTimeMs: 0, clockErrorMs: 0 };
    const third = nextKeyset(second, 'v2', key(3), hasty, T0 + 6);
    expect(third.keys[2]!.activates_at).toBe(second.keys[1]!.activates_at + 1);
    expect(checkPending(second, 'v2', third, hasty, T0 + 6)).toEqual([]);
  });

  it('drops a key once it is retired by every clock, and not before', () => {
    const gone = second.keys[0]!.retires_at! + 2 * LAGS.clockErrorMs;
    expect(kids(nextKeyset(second, 'v2', key(3), LAGS, gone - 1))).toEqual([kid(1), kid(2), kid(3)]);
    expect(kids(nextKeyset(second, 'v2', key(3), LAGS, gone))).toEqual([kid(2), kid(3)]);
  });
});

describe('a pending keyset', () => {
  it('passes as it was made, until too little time is left for verifiers to learn of the key', () => {
    const left = keyWindows(LAGS).finishMarginMs;
    const last = second.keys[1]!.activates_at - left;
    expect(last - (T0 + 5)).toBe(LAGS.rotationTimeMs);
    expect([check(first, second, last), mayFinish(first, second, LAGS, last)]).toEqual([[], true]);
    expect(check(first, second, last + 1)).toEqual(['the new key would sign too early']);
    expect(mayFinish(first, second, LAGS, last + 1)).toBe(false);
    expect(mayFinish(EMPTY, first, LAGS, T0 + 1e12)).toBe(true);
    expect(mayFinish(first, EMPTY, LAGS, T0)).toBe(false);
  });

  const [one, two] = second.keys as [Keyset['keys'][0], Keyset['keys'][0]];
  it.each<[string, Partial<Keyset>]>([
    ['seq does not follow', { seq: 1 }],
    ['based on another version', { based_on: 'v0' }],
    ['a kid occurs twice', { keys: [one, { ...two, kid: one.kid }] }],
    ['holds a revoked key', { revoked: [two.kid] }],
    [`live key ${kid(1)} is missing`, { keys: [two] }],
    [`key ${kid(1)} was changed`, { keys: [{ ...one, jwk: two.jwk }, two] }],
    [`key ${kid(1)} was changed`, { keys: [{ ...one, activates_at: one.activates_at + 1 }, two] }],
    ['the newest key is not the one that was added', { keys: [one] }],
    [
      'the newest key is not the one that was added',
      { keys: [one, two, { ...two, ...key(3), activates_at: T0 }] },
    ],
    ['the newest key retires', { keys: [one, { ...two, retires_at: two.activates_at + 1e9 }] }],
    ['an older key never retires', { keys: [{ ...one, retires_at: null }, two] }],
    [`key ${kid(1)} retires at a wrong time`, { keys: [{ ...one, retires_at: one.retires_at! - 1 }, two] }],
    ['the new key would sign too early', { keys: [one, { ...two, activates_at: T0 + 5 }] }],
    ['another format version', { version: 2 }],
    [`the material of key ${kid(2)} was used before`, { keys: [one, { ...two, jwk: one.jwk }] }],
    [
      `the material of key ${kid(2)} is one byte repeated`,
      { keys: [one, { ...two, jwk: octOf(Buffer.alloc(32)) }] },
    ],
    [
      `the material of key ${kid(2)} has 64 bytes, not 32`,
      { keys: [one, { ...two, jwk: octOf(randomBytes(64)) }] },
    ],
    [`the material of key ${kid(2)} is no ES256 key`, { keys: [one, { ...two, alg: 'ES256' }] }],
    [
      `holds more than ${MAX_KEYS} keys`,
      { keys: [one, ...Array.from({ length: MAX_KEYS - 1 }, (_, n) => ({ ...one, ...key(n + 9) })), two] },
    ],
    [
      `remembers more than ${MAX_REVOKED} revoked keys: docs/key-life-cycle.md, A keyset that is full`,
      { revoked: Array.from({ length: MAX_REVOKED + 1 }, (_, n) => kid(n + 9)) },
    ],
    [
      `remembers more than ${MAX_REVOKED} revoked keys: docs/key-life-cycle.md, A keyset that is full`,
      { fingerprints: Array.from({ length: MAX_REVOKED + 1 }, (_, n) => `${n}`) },
    ],
    [`is larger than ${MAX_KEYSET_BYTES} bytes`, { based_on: 'v'.repeat(MAX_KEYSET_BYTES) }],
  ])('is refused: %s', (fault, change) => {
    const faults = check(first, { ...second, ...change }, T0 + 5);
    expect(faults).toContain(fault);
    expect(faults.join()).not.toContain(one.jwk.k);
  });

  it('may not forget a revoked key, neither its kid nor its material', () => {
    const revoked = { ...first, revoked: ['AAAAAA'], fingerprints: ['f'] };
    expect(check(revoked, second, T0 + 5)).toEqual([
      'revoked kids are not kept',
      'fingerprints are not kept',
    ]);
    const kept = { ...second, revoked: ['AAAAAA', 'BBBBBA'], fingerprints: ['f'] };
    expect(check(revoked, kept, T0 + 5)).toEqual([]);
    // The material also counts if the key is revoked now.
    expect(check(first, { ...second, revoked: [kid(1)], keys: [two] }, T0 + 5)).toContain(
      'fingerprints are not kept',
    );
  });

  it('may not restore the material of a revoked key, whatever its kid', () => {
    const revoked = revokedKeyset(first, 'v1', key(2), LAGS, T0 + 5);
    const again = { ...key(3), jwk: key(1).jwk };
    expect(revoked.fingerprints).toEqual([fingerprint(again.jwk)]);
    expect(isKnown(revoked, again.jwk)).toBe(true);
    const next = nextKeyset(revoked, 'v2', again, LAGS, T0 + 6);
    expect(check(revoked, next, T0 + 6, 'v2')).toEqual([`the material of key ${kid(3)} was used before`]);
    expect(next.fingerprints).toEqual(revoked.fingerprints);
  });

  it('may not restore it even if only the pending keyset remembers it, because the current one was emptied', () => {
    const { fingerprints } = revokedKeyset(first, 'v1', key(2), LAGS, T0 + 5);
    const base = recalled(EMPTY, { seq: 2, revoked: [kid(1)], fingerprints });
    const next = nextKeyset(base, 'e', { ...key(3), jwk: key(1).jwk }, LAGS, T0 + 6);
    expect(check(EMPTY, next, T0 + 6, 'e')).toEqual([`the material of key ${kid(3)} was used before`]);
  });
});

describe('a revocation', () => {
  const now = T0 + 50;
  const revoke = (current: Keyset, only?: string[]) => {
    const revoked = revokedKeyset(current, 'v2', key(9), LAGS, now, only);
    expect(check(current, revoked, now, 'v2')).toEqual([]);
    return revoked;
  };

  it('covers every key, and the new one signs at once', () => {
    const revoked = revoke(second);
    expect(revoked).toMatchObject({ seq: 3, based_on: 'v2', revoked: [kid(1), kid(2)] });
    expect(revoked.keys).toEqual([{ ...key(9), activates_at: now, retires_at: null, max_life: 1_000 }]);
  });

  it('of the published key only: the signing key continues until the new one is known everywhere', () => {
    const revoked = revoke(second, [kid(2)]);
    expect(kids(revoked)).toEqual([kid(1), kid(9)]);
    expect(revoked.keys[1]!.activates_at).toBe(now + PUBLISH);
    expect(revoked.keys[0]!.retires_at).toBe(now + PUBLISH + REMOVE);
  });

  it('of the signing key only: the published one signs at once', () => {
    const revoked = revoke(second, [kid(1)]);
    expect(signingKey(revoked, now)?.kid).toBe(kid(2));
    expect(revoked.keys[1]!.activates_at).toBe(now + PUBLISH);
  });

  it('of the signing key only, with an older one that ends soon: the new one signs at once, the old one ends as planned', () => {
    const later = second.keys[1]!.activates_at + 1;
    const revoked = revokedKeyset(second, 'v2', key(9), LAGS, later, [kid(2)]);
    expect(check(second, revoked, later, 'v2')).toEqual([]);
    expect(signingKey(revoked, later)?.kid).toBe(kid(9));
    expect(revoked.keys[0]).toEqual(second.keys[0]);
  });

  it('of three hundred keys, accumulated under an older release, succeeds', () => {
    let many = EMPTY;
    for (let n = 1; n <= 300; n++) many = nextKeyset(many, 'v2', key(n + 1_000), LAGS, T0);
    const revoked = revoke(many);
    expect(revoked.keys).toHaveLength(1);
    expect(revoked.revoked).toEqual(kids(many));
    expect(revoked.fingerprints).toHaveLength(300);
    expect(rotationRefusal(revoked, LAGS, now)).toBeUndefined();
  });

  it('of the signing key only, with an older one that ends soon and a newer one published: the old one stays while it signs again', () => {
    const lags = { ...LAGS, clockErrorMs: 0 };
    const two = nextKeyset(first, 'v1', key(2), lags, T0);
    const three = nextKeyset(two, 'v2', key(3), lags, two.keys[1]!.activates_at);
    const published = three.keys[2]!.activates_at;
    const now = two.keys[0]!.retires_at! - 1;
    expect(now).toBeLessThan(published);
    const revoked = revokedKeyset(three, 'v3', key(9), lags, now, [kid(2)]);
    expect(checkPending(three, 'v3', revoked, lags, now)).toEqual([]);
    expect(signingKey(revoked, now)?.kid).toBe(kid(1));
    expect(revoked.keys[0]!.retires_at).toBe(published + keyWindows(lags).signToRemoveMs);
    const short = { ...revoked, keys: [two.keys[0]!, ...revoked.keys.slice(1)] };
    expect(checkPending(three, 'v3', short, lags, now)).toEqual([`key ${kid(1)} retires at a wrong time`]);
  });

  it('of the next of two published keys: the signing key stays for as long as it signs longer', () => {
    const third = nextKeyset(second, 'v2', key(3), LAGS, T0 + 6);
    const revoked = revoke(third, [kid(2)]);
    expect(revoked.keys[0]!.retires_at).toBe(third.keys[2]!.activates_at + REMOVE);
  });

  it('extends neither a key that has stopped signing nor a retired one', () => {
    const later = second.keys[1]!.activates_at;
    const third = nextKeyset(second, 'v2', key(3), LAGS, later);
    const before = third.keys[0]!;
    expect(before).toEqual(second.keys[0]);
    const longer = {
      ...third,
      keys: [{ ...before, retires_at: before.retires_at! + 1e6 }, ...third.keys.slice(1)],
    };
    const after = later + LAGS.rotationTimeMs + 2 * LAGS.clockErrorMs;
    expect(check(second, longer, after, 'v2')).toContain(`key ${kid(1)} retires at a wrong time`);
    const retired = revokedKeyset(third, 'v3', key(9), LAGS, before.retires_at!, [kid(2)]);
    expect(retired.keys[0]).toEqual(before);
    expect(signingKey(retired, before.retires_at!)?.kid).toBe(kid(3));
  });
});

describe('a keyset that is full', () => {
  const filled = (times: number) => {
    let full = EMPTY;
    for (let n = 1; n <= times; n++) full = nextKeyset(full, 'v', key(n), LAGS, T0);
    return full;
  };

  it('of keys refuses the next rotation until a key is removed, and says when that is', () => {
    const full = filled(MAX_KEYS);
    const gone = full.keys[0]!.retires_at! + 2 * LAGS.clockErrorMs;
    expect(rotationRefusal(filled(MAX_KEYS - 1), LAGS, T0)).toBeUndefined();
    expect(rotationRefusal(full, LAGS, gone - 1)).toBe(
      `the keyset holds 32 keys, which is the most: the first of them goes at ${new Date(gone).toISOString()}`,
    );
    expect(rotationRefusal(full, LAGS, gone)).toBeUndefined();
    const revoked = revokedKeyset(full, 'v', key(99), LAGS, T0);
    expect([check(full, revoked, T0, 'v'), rotationRefusal(revoked, LAGS, T0)]).toEqual([[], undefined]);
    const [one] = kids(full);
    expect(check(full, revokedKeyset(full, 'v', key(99), LAGS, T0, [one!]), T0, 'v')).toEqual([]);
  });

  it('of revoked keys refuses rotations early enough that every held key can still be revoked', () => {
    const remembering = (count: number): Keyset => ({
      ...filled(3),
      revoked: Array.from({ length: count }, (_, n) => kid(n + 1_000)),
      fingerprints: Array.from({ length: count }, (_, n) => `${n}`),
    });
    expect(rotationRefusal(remembering(MAX_REVOKED - 4), LAGS, T0)).toBeUndefined();
    const full = remembering(MAX_REVOKED - 3);
    expect(rotationRefusal(full, LAGS, T0)).toMatch('remembers 1021 revoked keys of at most 1024');
    const revoked = revokedKeyset(full, 'v', key(99), LAGS, T0);
    expect(check(full, revoked, T0, 'v')).toEqual([]);
    expect(revoked.fingerprints).toHaveLength(MAX_REVOKED);
    // Kids revoked elsewhere are remembered only while there is room: neither a rotation nor a revocation
    // fails for lack of it.
    const elsewhere = Array.from({ length: MAX_REVOKED }, (_, n) => kid(n + 5_000));
    const beside = { seq: 0, revoked: elsewhere, fingerprints: elsewhere };
    expect(recalled(full, beside)).toEqual(full);
    const crowded = recalled(filled(32), beside);
    expect([crowded.revoked.length, crowded.fingerprints.length]).toEqual([991, 991]);
    const ended = revokedKeyset(crowded, 'v', key(99), LAGS, T0);
    expect(check(crowded, ended, T0, 'v')).toEqual([]);
    expect(rotationRefusal({ ...crowded, keys: crowded.keys.slice(0, 31) }, LAGS, T0)).toBeUndefined();
    const again = revokedKeyset(revoked, 'v', key(100), LAGS, T0);
    expect(check(revoked, again, T0, 'v')).toEqual([
      `remembers more than ${MAX_REVOKED} revoked keys: docs/key-life-cycle.md, A keyset that is full`,
    ]);
  });

  it('fits into 60 KB with keys of the longest kind, and so into a secret', () => {
    const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
    const half = 'A'.repeat(43);
    const longest: Keyset['keys'][0] = {
      kid: 'AAAAAA',
      alg: 'ES256',
      jwk: { kty: 'EC', crv: 'P-256', x: half, y: half, d: half, alg: 'ES256' },
      activates_at: 9_999_999_999_999.5,
      retires_at: 9_999_999_999_999.5,
      max_life: 9_999_999_999_999,
      vault: { key: vaultName('s'.repeat(16), 'client-root'), version: 999_999_999 },
    };
    const full: Keyset = {
      version: FORMAT_VERSION,
      seq: Number.MAX_SAFE_INTEGER,
      based_on: 'v'.repeat(64),
      revoked: Array(MAX_REVOKED).fill(longest.kid),
      fingerprints: Array(MAX_REVOKED).fill(fingerprint(longest.jwk)),
      keys: Array(MAX_KEYS).fill(longest),
    };
    // 32 keys of 391 bytes, 1,024 kids and fingerprints of 8 and 24, a comma after each, and the rest.
    expect([bytes(longest), bytes(longest.kid), bytes(fingerprint(longest.jwk))]).toEqual([391, 8, 24]);
    const parts = MAX_KEYS * (391 + 1) + MAX_REVOKED * (8 + 1 + 24 + 1);
    expect(bytes(full) - parts).toBeLessThan(200);
    expect(bytes(full)).toBeLessThan(MAX_KEYSET_BYTES);
    expect(MAX_KEYSET_BYTES).toBeLessThan(65_536);
  });
});

describe('any sequence of changes to a keyset', () => {
  const change = fc.record({
    waitMs: fc.integer({ min: 0, max: 2 * (PUBLISH + REMOVE) }),
    kind: fc.constantFrom('rotate', 'rotate', 'rotate', 'revoke', 'revoke one'),
    which: fc.nat(),
  });

  it('leaves a signing key, no revoked key, and a keyset that passes its own test', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        let [current, now] = [first, T0];
        const revoked = new Set<string>();
        for (const [i, { waitMs, kind, which }] of changes.entries()) {
          now += waitMs;
          const version = `v${i}`;
          const added = key(i + 2);
          const one = [current.keys[which % current.keys.length]!.kid];
          const next =
            kind === 'rotate'
              ? nextKeyset(current, version, added, LAGS, now)
              : revokedKeyset(current, version, added, LAGS, now, kind === 'revoke' ? undefined : one);
          expect(checkPending(current, version, next, LAGS, now)).toEqual([]);
          for (const gone of kind === 'rotate' ? [] : kind === 'revoke' ? kids(current) : one)
            revoked.add(gone);
          current = parseKeyset(JSON.stringify(next));
          expect(signingKey(current, now)).toBeDefined();
          for (const live of verificationKeys(current, now)) expect(revoked.has(live.kid)).toBe(false);
          const activations = current.keys.map(({ activates_at }) => activates_at);
          // The signing key is kept until its last signature has expired.
          const turns = [now, ...activations.filter((at) => at > now).sort((a, b) => a - b)];
          for (const [turn, at] of turns.entries()) {
            const { retires_at } = signingKey(current, at)!;
            const end = turns[turn + 1];
            if (end !== undefined) expect(retires_at ?? Infinity).toBeGreaterThanOrEqual(end + REMOVE);
          }
          expect(new Set(activations).size).toBe(activations.length);
        }
      }),
    );
  });
});

describe('a key', () => {
  it('is next, current, previous and retired in turn, or revoked', () => {
    const [old, young] = second.keys as [Keyset['keys'][0], Keyset['keys'][0]];
    const states = (now: number) => [keyState(second, old, now), keyState(second, young, now)];
    expect(states(T0)).toEqual(['current', 'next']);
    expect(states(young.activates_at)).toEqual(['previous', 'current']);
    expect(states(old.retires_at!)).toEqual(['retired', 'current']);
    expect(keyState({ ...second, revoked: [old.kid] }, old, T0)).toBe('revoked');
  });

  it('gets a kid that no key has or had', () => {
    const kid = freshKid(first);
    expect(Buffer.from(kid, 'base64url')).toHaveLength(4);
    expect([...kids(first), ...first.revoked]).not.toContain(kid);
  });
});
