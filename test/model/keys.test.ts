/**
 * The life of keys, searched exhaustively within small bounds. The search must also find each planted fault.
 */
import { describe, expect, it } from 'vitest';
import { type KeyLags, keyWindows } from '../../protocol/key-windows.ts';
import type { Keyset } from '../../protocol/keyset.ts';
import { checkPending, followingKeyset, nextKeyset, revokedKeyset } from '../../protocol/rotation.ts';
import { type Bounds, keysModel, RULES, type Rules } from './keys.ts';
import { search } from './search.ts';

/**
 * In ticks. L is never 0: a change published in one tick is visible elsewhere in the next one at the
 * earliest.
 */
const lags = (L: number, V: number, S: number, D: number, E: number, X: number): KeyLags => ({
  replicationMs: L,
  verifierAgeMs: V,
  signerAgeMs: S,
  maxLifeMs: D,
  clockErrorMs: E,
  rotationTimeMs: X,
});

/** Until every key but the newest is removed, if rotations begin in the first ticks. */
const whole = (each: KeyLags) => keyWindows(each).minRotationMs + 2;

const bounds = (each: KeyLags, rotations: number, revocations: number, horizon = whole(each)): Bounds => ({
  lags: each,
  rotations,
  revocations,
  horizon,
});

const ONE = lags(1, 1, 1, 1, 1, 1);
const ROTATION = bounds(ONE, 1, 0);
const TWO_ROTATIONS = bounds(lags(1, 0, 0, 1, 0, 1), 2, 0);
const WITH_REVOCATION = bounds(lags(1, 0, 0, 1, 0, 0), 1, 1);

/**
 * An operator edits the secret twice: then neither AWSCURRENT nor AWSPREVIOUS shows the keys that readers
 * hold.
 */
const BY_HAND = { ...bounds(lags(1, 0, 0, 0, 0, 0), 1, 1, 1), hands: 2 };

const STALE_BY_HAND = { ...BY_HAND, hands: 1, staleVault: true };

const STALE_VAULT = { ...WITH_REVOCATION, staleVault: true };

const violation = (of: Bounds, rules: Partial<Rules> = {}): string | undefined =>
  search(keysModel(of, { ...RULES, ...rules })).violation?.broken;

/** The largest searches. Each adds one thing to a smaller one, which always runs. */
const LARGE: [string, Bounds][] = [
  ['two rotations, clocks that err', bounds(lags(1, 0, 0, 0, 1, 0), 2, 0, 5)],
  ['a rotation and a revocation, with a Vault that may export its first key again', STALE_VAULT],
];

/** `npm test` leaves them to CI and to `npm run model`. */
const RUNS_LARGE = process.env.CI === 'true' || process.env.COUNTERSIGN_MODEL === 'deep';

describe('no key is refused, lost or restored wrongly', () => {
  it.each<[string, Bounds]>([
    ['one rotation, all lags alike', ROTATION],
    ['one rotation, old copies', bounds(lags(1, 2, 2, 1, 0, 1), 1, 0)],
    ['one rotation, clocks that err more than copies age', bounds(lags(1, 0, 0, 1, 1, 0), 1, 0)],
    ['one rotation, long lives', bounds(lags(1, 0, 1, 3, 1, 0), 1, 0)],
    ['two rotations', TWO_ROTATIONS],
    ['a rotation and a revocation', WITH_REVOCATION],
    ['two revocations', bounds(lags(1, 0, 0, 1, 0, 0), 0, 2)],
    ['a rotation and a revocation, and a secret that is emptied or rolled back twice', BY_HAND],
    ['the same once, with a Vault that may export its first key again', STALE_BY_HAND],
    ...(RUNS_LARGE ? LARGE : []),
  ])('%s', (_, each) => {
    const { violation, states } = search(keysModel(each));
    expect(violation).toBeUndefined();
    expect(states).toBeGreaterThan(500);
  });
});

const withLags = (change: (lags: KeyLags) => Partial<KeyLags>): Partial<Rules> => {
  const wrong = (right: KeyLags) => ({ ...right, ...change(right) });
  return {
    followingKeyset: (current, id, key, right, now, refused) =>
      followingKeyset(current, id, key, wrong(right), now, refused),
    checkPending: (current, id, pending, right, now) => checkPending(current, id, pending, wrong(right), now),
  };
};
const trusting: Partial<Rules> = { checkPending: () => [] };
const changed = (change: (next: Keyset, current: Keyset, now: number) => Keyset): Partial<Rules> => ({
  followingKeyset: (current, id, key, right, now, refused) =>
    change(followingKeyset(current, id, key, right, now, refused), current, now),
});

describe('the search finds', () => {
  it('a publish wait that is skipped', () => {
    const skipped = changed((next, _, now) => ({
      ...next,
      keys: next.keys.map((key) => (key.retires_at === null ? { ...key, activates_at: now } : key)),
    }));
    expect(violation(ROTATION, { ...skipped, ...trusting })).toBe('what k1 signed was refused');
    expect(violation(ROTATION, skipped)).toMatch('the new key would sign too early');
  });

  it('one E instead of two', () => {
    const halved = withLags(({ clockErrorMs }) => ({ clockErrorMs: clockErrorMs / 2 }));
    expect(violation(ROTATION, halved)).toBe('what k1 signed was refused');
  });

  it('a rotator without X: the key signs too early, or no slow rotation ever completes', () => {
    const forgotten = withLags(() => ({ rotationTimeMs: 0 }));
    expect(violation(ROTATION, { ...forgotten, ...trusting })).toBe('what k1 signed was refused');
    expect(violation(ROTATION, forgotten)).toMatch('a rotation within X was refused');
  });

  it.each([['replicationMs'], ['verifierAgeMs']] as const)('a publish wait without %s', (lag) => {
    expect(
      violation(
        ROTATION,
        withLags(() => ({ [lag]: 0 })),
      ),
    ).toBe('what k1 signed was refused');
  });

  it('an old key that is removed when the new one begins to sign', () => {
    const early = changed((next) => {
      const newest = next.keys.at(-1)!;
      return {
        ...next,
        keys: next.keys.map((key) => (key === newest ? key : { ...key, retires_at: newest.activates_at })),
      };
    });
    expect(violation(ROTATION, { ...early, ...trusting })).toBe('what k0 signed was refused');
    expect(violation(ROTATION, early)).toMatch('retires at a wrong time');
  });

  it('a live key that is dropped', () => {
    const dropped = changed((next) => ({ ...next, keys: next.keys.slice(1) }));
    expect(violation(ROTATION, { ...dropped, ...trusting })).toBe('a live key was dropped');
    expect(violation(ROTATION, dropped)).toMatch('live key k0 is missing');
  });

  it('a finish without compare-and-swap', () => {
    expect(violation(WITH_REVOCATION, { compareAndSwap: false })).toMatch(/came back|dropped/);
  });

  it('the material of a revoked key under another kid', () => {
    expect(violation(STALE_VAULT, trusting)).toBe('the material of revoked key k0 came back');
  });

  it('keysets that forget the material of revoked keys', () => {
    const forgets: Partial<Rules> = {
      revokedKeyset: (...given) => ({ ...revokedKeyset(...given), fingerprints: [] }),
      followingKeyset: (...given) => ({ ...followingKeyset(...given), fingerprints: [] }),
    };
    expect(violation(STALE_VAULT, forgets)).toMatch('fingerprints are not kept');
    const unheld: Partial<Rules> = {
      checkPending: (...given) => checkPending(...given).filter((fault) => !fault.startsWith('fingerprints')),
    };
    expect(violation(STALE_VAULT, { ...forgets, ...unheld })).toBe(
      'the material of revoked key k0 came back',
    );
  });

  it('a revocation that changes only the keyset: readers accept a revoked key from a secret that is rolled back', () => {
    expect(violation(BY_HAND, { refusesFirst: false })).toBe('a reader accepts revoked key k0');
  });

  it("Regions that forget the published keys: after a secret was emptied, its new keyset is older than the readers' copies", () => {
    expect(violation(BY_HAND, { remembers: false })).toMatch(/^keyset \d is refused by who holds \d$/);
  });

  it('a rotation that ignores the kids that Regions refuse: a revocation that reached only them is not completed', () => {
    const unasked: Partial<Rules> = {
      followingKeyset: (current, id, key, right, now) => nextKeyset(current, id, key, right, now),
    };
    const kept = 'a keyset is made with k0, which the Regions refuse';
    expect(violation(WITH_REVOCATION, unasked)).toBe(kept);
  });

  it('the known gap: a secret that is emptied twice forgets fingerprints, and then Vault must repeat a key', () => {
    expect(violation({ ...STALE_BY_HAND, hands: 2 })).toBe('the material of revoked key k0 came back');
  });

  it('a leftover AWSPENDING that nobody removes', () => {
    expect(violation(ROTATION, { watch: false })).toBe('a leftover AWSPENDING blocks rotation');
  });

  it('a copy that is used beyond its hard limit', () => {
    expect(violation(ROTATION, { hardLimit: false })).toBe('what k1 signed was refused');
  });
});
