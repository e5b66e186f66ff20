/** The real rotation function: its four steps, the operators' actions, and failures in between. */
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { Unavailable } from '../../../lambda/adapters/call.ts';
import type { SecretVersions } from '../../../lambda/adapters/secret-versions.ts';
import { KeysetCache } from '../../../lambda/request/keyset-cache.ts';
import { TIMES } from '../../../lambda/rotate/deadline.ts';
import type { RotateHandler } from '../../../lambda/rotate/handler.ts';
import { keysWatchHandler } from '../../../lambda/rotate/watch/handler.ts';
import { VaultError } from '../../../lambda/vault/keys.ts';
import { fingerprint } from '../../../protocol/key-material.ts';
import { parseKeyset, signingKey, verificationKey, verificationKeys } from '../../../protocol/keyset.ts';
import { NOTHING_PUBLISHED } from '../../../protocol/published.ts';
import { MAX_REVOKED } from '../../../protocol/rotation.ts';
import {
  AWAY,
  askDirectly,
  DAY,
  fakeVault,
  gated,
  HOME,
  HOUR,
  LAGS,
  MINUTE,
  NAME,
  newToken,
  operate,
  type Parts,
  rotate,
  rotationParts,
  STEPS,
  step,
  T0,
} from './parts.ts';

/** From making a key to its first signature, and from there to the removal of the previous key. */
const PUBLISH = HOUR + HOUR + DAY + 2 * 2_000;
const REMOVE = HOUR + DAY + 5 * MINUTE + 2_000;

const kids = (parts: Parts) => parts.keyset().keys.map(({ kid }) => kid);
const live = (parts: Parts) => verificationKeys(parts.keyset(), parts.clock.nowMs).map(({ kid }) => kid);

async function rotated(times = 1, parts = rotationParts()): Promise<Parts> {
  for (let i = 0; i < times; i++) {
    await rotate(parts, newToken());
    if (i < times - 1) parts.clock.nowMs += 30 * DAY;
  }
  return parts;
}

describe('a rotation', () => {
  it('of an empty keyset makes a key that signs at once', async () => {
    const parts = await rotated();
    expect(parts.keyset()).toMatchObject({ version: 1, seq: 1, revoked: [], based_on: '0'.repeat(32) });
    expect(signingKey(parts.keyset(), T0)).toEqual({
      kid: expect.stringMatching(/^[\w-]{6}$/),
      alg: 'HKDF-SHA-256',
      jwk: parts.vault.made[0],
      activates_at: T0,
      retires_at: null,
      max_life: 5 * MINUTE,
      vault: { key: 'countersign-nonce', version: 1 },
    });
  });

  it('publishes first, signs later, removes last', async () => {
    const parts = await rotated(2);
    const made = parts.clock.nowMs;
    const [old, young] = parts.keyset().keys;
    expect([young!.activates_at, young!.retires_at]).toEqual([made + PUBLISH, null]);
    expect([old!.activates_at, old!.retires_at]).toEqual([T0, made + PUBLISH + REMOVE]);
    const keyset = parts.keyset();
    const signs = (at: number) => signingKey(keyset, at)?.kid;
    const verifies = ({ kid }: { kid: string }, at: number) => verificationKey(keyset, kid, at) !== undefined;
    expect([verifies(old!, made), verifies(young!, made)]).toEqual([true, true]);
    expect([signs(made + PUBLISH - 1), signs(made + PUBLISH)]).toEqual([old!.kid, young!.kid]);
    const end = made + PUBLISH + REMOVE;
    expect([verifies(old!, end - 1), verifies(old!, end)]).toEqual([true, false]);
  });

  it('drops keys that are retired by every clock, and then lets Vault delete them', async () => {
    const parts = await rotated(2);
    const [first] = kids(parts);
    parts.clock.nowMs += PUBLISH + REMOVE + 2 * 2_000 - 1;
    await rotate(parts, newToken());
    expect(kids(parts)).toContain(first);
    expect(parts.vault.min).toBe(1);
    parts.clock.nowMs += 1;
    await rotate(parts, newToken());
    expect(kids(parts)).not.toContain(first);
    expect(parts.vault.min).toBe(2);
  });

  it.each(['ecdsa-p256', 'ed25519'] as const)('makes keys of type %s', async (kind) => {
    const parts = await rotated(1, rotationParts({ vault: fakeVault(kind) }));
    expect(parts.keyset().keys[0]!.alg).toBe(kind === 'ed25519' ? 'Ed25519' : 'ES256');
  });

  it('changes nothing when a step is repeated', async () => {
    const parts = await rotated();
    parts.clock.nowMs += 30 * DAY;
    const token = newToken();
    parts.store.stagePending(NAME, token);
    for (const [i] of STEPS.entries()) {
      const before = parts.keyset();
      for (const each of STEPS.slice(0, i)) await step(parts.rotator(), each, token);
      expect(parts.keyset()).toEqual(before);
      await step(parts.rotator(), STEPS[i]!, token);
    }
    const after = parts.keyset();
    parts.clock.nowMs += 30 * DAY;
    for (const each of STEPS) await step(parts.rotator(), each, token);
    expect(parts.keyset()).toEqual(after);
    expect([parts.holder('AWSCURRENT'), parts.vault.made.length]).toEqual([token, 2]);
  });

  it('refuses a step for another secret, and an unknown step', async () => {
    const { rotator } = rotationParts();
    const event = { Step: 'createSecret', SecretId: `${NAME}-2`, ClientRequestToken: 't' };
    for (const wrong of [{}, { Step: 'dropSecret', SecretId: NAME }, { SecretId: undefined }])
      await expect(rotator()({ ...event, ...wrong }, { awsRequestId: 'r' })).rejects.toThrow('not a step');
    const arn = `arn:aws:secretsmanager:${HOME}:000000000000:secret:${NAME}-a1b2c3`;
    await expect(
      rotator()({ ...event, Step: 'setSecret', SecretId: arn }, { awsRequestId: 'r' }),
    ).resolves.toBeUndefined();
  });

  it('passes its test without a version, and for a version without a value: AWS calls it so when a schedule is set', async () => {
    const parts = await rotated();
    await step(parts.rotator(), 'testSecret', newToken());
    const token = newToken();
    parts.store.stagePending(NAME, token);
    await step(parts.rotator(), 'testSecret', token);
  });

  it('does not finish later than X, and leaves no AWSPENDING behind', async () => {
    const parts = await rotated();
    parts.clock.nowMs += 30 * DAY;
    const before = parts.keyset();
    const token = newToken();
    parts.store.stagePending(NAME, token);
    await step(parts.rotator(), 'createSecret', token);
    parts.clock.nowMs += HOUR;
    await step(parts.rotator(), 'testSecret', token);
    parts.clock.nowMs += 1;
    await expect(step(parts.rotator(), 'finishSecret', token)).rejects.toThrow('would sign too early');
    expect([parts.keyset(), parts.holder('AWSPENDING')]).toEqual([before, undefined]);
    await rotate(parts, newToken());
    expect(parts.keyset().seq).toBe(2);
  });

  it('does not finish if its version has no value', async () => {
    const parts = await rotated();
    const before = parts.keyset();
    const token = newToken();
    parts.store.stagePending(NAME, token);
    await expect(step(parts.rotator(), 'finishSecret', token)).rejects.toThrow(
      `version ${token} has no value`,
    );
    expect([parts.keyset(), parts.holder('AWSPENDING')]).toEqual([before, token]);
  });

  it('considers only its own versions when Vault deletes: a keyset may hold those of another Vault key', async () => {
    const parts = await rotated(2);
    const current = parts.keyset();
    const [old, ...others] = current.keys;
    const foreign = { ...old!, vault: { key: 'another', version: 1 } };
    parts.store.put(NAME, newToken(), JSON.stringify({ ...current, keys: [foreign, ...others] }), [
      'AWSCURRENT',
    ]);
    parts.vault.min = 1;
    await rotate(parts, newToken());
    expect(kids(parts)).toContain(old!.kid);
    expect(parts.vault.min).toBe(2);
  });

  it('is complete once its version is current; it does not wait for Vault', async () => {
    const parts = await rotated();
    parts.clock.nowMs += 30 * DAY;
    const vault = { ...parts.vault, raiseMin: () => new Promise<never>(() => {}) };
    const token = newToken();
    await rotate(
      parts,
      token,
      parts.rotator({ vault, times: { eachMs: 10, replicatedMs: 10, swapMs: 20, answerMs: 30 } }),
    );
    expect(parts.holder('AWSCURRENT')).toBe(token);
  });

  it.each([
    ['drops a live key', (text: string) => dropKey(text)],
    ['has a key that is too short', (text: string) => text.replace(/"k":"[^"]+"/, '"k":"AAAA"')],
    ['is no keyset', () => 'swordfish'],
    ['does not follow by its seq', (text: string) => text.replace('"seq":2', '"seq":1')],
  ])('that %s is refused by its test', async (_, spoil) => {
    const parts = await rotated();
    parts.clock.nowMs += 30 * DAY;
    const before = parts.keyset();
    const secret: SecretVersions = {
      ...parts.secret,
      put: (id, text) => parts.secret.put(id, spoil(text)),
    };
    await expect(rotate(parts, newToken(), parts.rotator({ secret }))).rejects.toThrow('version ');
    expect(parts.keyset()).toEqual(before);
    expect(JSON.stringify(parts.log)).not.toContain('swordfish');
  });

  it.each(['ecdsa-p256', 'ed25519'] as const)(
    'whose %s key does not verify its own signatures is refused by its test',
    async (kind) => {
      const vault = fakeVault(kind);
      const parts = rotationParts({ vault });
      const other = fakeVault(kind);
      await other.rotate('other');
      const exportKey = async (name: string, version: number) => {
        const { d } = await other.exportKey(name, 1);
        return { ...(await vault.exportKey(name, version)), d: d! };
      };
      const handler = parts.rotator({ vault: { ...vault, exportKey } });
      await expect(rotate(parts, newToken(), handler)).rejects.toThrow('does not sign and verify');
      expect(kids(parts)).toEqual([]);
    },
  );

  it('of a secret that is corrupt or has no current version fails with one clear error', async () => {
    const parts = rotationParts();
    parts.store.put(NAME, 'c'.repeat(32), 'swordfish', ['AWSCURRENT']);
    await expect(rotate(parts, newToken())).rejects.toThrow('keyset: not JSON');
    expect(parts.vault.made).toHaveLength(0);
    const none = { ...parts.secret, read: async () => undefined };
    await expect(step(parts.rotator({ secret: none }), 'createSecret', newToken())).rejects.toThrow(
      'no current version',
    );
  });
});

function dropKey(text: string): string {
  const keyset = parseKeyset(text);
  return JSON.stringify({ ...keyset, keys: keyset.keys.slice(1) });
}

/** The number of calls that one rotation makes. */
async function callsOfARotation(): Promise<number> {
  const parts = await rotated();
  parts.clock.nowMs += 30 * DAY;
  let calls = 0;
  await rotate(
    parts,
    newToken(),
    crashing(parts, () => void calls++),
  );
  return calls;
}

const crashing = (parts: Parts, gate: (call: string, when: 'before' | 'after') => unknown) =>
  parts.rotator({ secret: gated(parts.secret, gate), vault: gated(parts.vault, gate) });

describe('the replicas of a secret', () => {
  const LAG = 100;
  /** Time passes with each look at the labels. */
  const passing = (parts: Parts): SecretVersions => ({
    ...parts.secret,
    async describe() {
      const state = await parts.secret.describe();
      parts.clock.nowMs += LAG / 2;
      return state;
    },
  });

  it.each(['four steps', 'keys.rotate'])('receive every keyset that %s make', async (by) => {
    const parts = rotationParts({ replicaLagMs: () => LAG });
    parts.clock.nowMs += LAG;
    const handler = parts.rotator({ secret: passing(parts), times: TIMES });
    for (let seq = 1; seq <= 3; seq++) {
      if (by === 'keys.rotate') await operate(handler, by);
      else await rotate(parts, newToken(), handler);
      parts.clock.nowMs += LAG;
      expect(parts.keysetIn(AWAY)).toEqual(parts.keyset());
      expect(parts.keyset().seq).toBe(seq);
      parts.clock.nowMs += 30 * DAY;
    }
  });

  it('receive the keyset of a revocation that ends a rotation', async () => {
    const parts = await rotated(1, rotationParts({ replicaLagMs: () => LAG }));
    parts.clock.nowMs += DAY;
    const handler = parts.rotator({ secret: passing(parts), times: TIMES });
    await step(handler, 'createSecret', newToken());
    parts.clock.nowMs += LAG;
    expect((await operate(handler, 'keys.revoke')).result.failure).toBeNull();
    parts.clock.nowMs += LAG;
    expect(parts.keysetIn(AWAY)).toEqual(parts.keyset());
    expect(parts.keyset().seq).toBe(2);
  });

  it('do not keep AWSCURRENT where it is if a Region is lost', async () => {
    const parts = await rotated(1, rotationParts({ replicaLagMs: () => 0 }));
    parts.clock.nowMs += 30 * DAY;
    parts.replicas.lose(AWAY);
    parts.clock.nowMs += 1;
    await rotate(parts, newToken(), parts.rotator({ times: { ...TIMES, replicatedMs: 20 } }));
    expect([parts.keyset().seq, parts.keysetIn(AWAY).seq]).toEqual([2, 1]);
    parts.replicas.bringBack(AWAY);
    expect(parts.keysetIn(AWAY).seq).toBe(2);
  });
});

describe('a crash', () => {
  it('before or after any call leaves the current version old or complete; the next rotation succeeds', async () => {
    const calls = await callsOfARotation();
    expect(calls).toBeGreaterThan(20);
    for (let at = 1; at <= calls; at++) {
      const parts = await rotated();
      parts.clock.nowMs += 30 * DAY;
      const [before, token] = [parts.holder('AWSCURRENT'), newToken()];
      let count = 0;
      const crashed = crashing(parts, () => {
        if (++count === at) throw new Error('crash');
      });
      await rotate(parts, token, crashed).catch(() => {});
      expect([before, token]).toContain(parts.holder('AWSCURRENT'));
      expect(signingKey(parts.keyset(), parts.clock.nowMs)?.kid).toBe(kids(parts)[0]);

      // Secrets Manager may repeat the failed step, or start again from the beginning.
      parts.clock.nowMs += 10 * MINUTE;
      for (const each of STEPS) await step(parts.rotator(), each, token).catch(() => {});
      expect([parts.holder('AWSCURRENT'), parts.keyset().seq]).toEqual([token, 2]);
    }
  });

  it('that is never repeated blocks later rotations for at most X and an hour', async () => {
    const calls = await callsOfARotation();
    for (let at = 1; at <= calls; at++) {
      const parts = await rotated();
      parts.clock.nowMs += 30 * DAY;
      const keptBefore = live(parts);
      let count = 0;
      const crashed = crashing(parts, () => {
        if (++count === at) throw new Error('crash');
      });
      await rotate(parts, newToken(), crashed).catch(() => {});
      const left = parts.holder('AWSPENDING');
      const blocks = left !== undefined && left !== parts.holder('AWSCURRENT');
      parts.clock.nowMs += HOUR;
      await parts.watch();
      if (blocks) await expect(rotate(parts, newToken())).rejects.toThrow("isn't complete");
      parts.clock.nowMs += 1;
      await parts.watch();
      await rotate(parts, newToken());
      expect(live(parts)).toEqual(expect.arrayContaining(keptBefore));
      expect(parts.log.some(({ reason }) => reason === 'leftover_pending_removed')).toBe(blocks);
    }
  });
});

/** A part whose calls a scheduler runs in any order, on their way there and back. */
const scheduled = <T extends object>(s: fc.Scheduler, part: T): T =>
  gated(part, (call, when) => s.schedule(Promise.resolve(), `${call} ${when}`));

/** Each version that became current was made from the one that was current before it. */
function expectOneLine(history: readonly string[], parts: Parts): void {
  const versions = parts.store.find(NAME).versions;
  for (const [i, id] of history.entries()) {
    if (i === 0) continue;
    const keyset = parseKeyset(versions.get(id)!.value!);
    const before = parseKeyset(versions.get(history[i - 1]!)!.value!);
    expect(keyset).toMatchObject({ based_on: history[i - 1], seq: before.seq + 1 });
    for (const { kid } of verificationKeys(before, parts.clock.nowMs))
      expect([...keyset.keys.map((key) => key.kid), ...keyset.revoked]).toContain(kid);
  }
}

/** Records each version that becomes current. */
function followed(parts: Parts): { readonly secret: SecretVersions; readonly history: string[] } {
  const history = [parts.holder('AWSCURRENT')!];
  const move: SecretVersions['move'] = async (...args) => {
    const moved = await parts.secret.move(...args);
    const holder = parts.holder('AWSCURRENT')!;
    if (holder !== history.at(-1)) history.push(holder);
    return moved;
  };
  return { secret: { ...parts.secret, move }, history };
}

describe('concurrently', () => {
  it('runs of one token, and of two, in any order of their calls, make one line of versions', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.boolean(), async (s, sameToken) => {
        const parts = await rotated();
        parts.clock.nowMs += 30 * DAY;
        const { secret, history } = followed(parts);
        const handler = parts.rotator({ secret: scheduled(s, secret), vault: scheduled(s, parts.vault) });
        const one = newToken();
        const tokens = [one, sameToken ? one : newToken()];
        const runs = tokens.map(async (token) => {
          for (const each of STEPS) await step(handler, each, token);
        });
        const settled = Promise.allSettled(runs);
        await s.waitFor(settled);
        expectOneLine(history, parts);
        expect(history.length).toBeLessThanOrEqual(sameToken ? 2 : 3);
        expect(history.length).toBeGreaterThanOrEqual(sameToken ? 2 : 1);
      }),
      { numRuns: 80 },
    );
  });

  it('a revocation and a rotation, in any order of their calls, bring no revoked key back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (s) => {
        const parts = await rotated(2);
        const stolen = kids(parts);
        parts.clock.nowMs += HOUR;
        const { secret, history } = followed(parts);
        const handler = parts.rotator({ secret: scheduled(s, secret), vault: scheduled(s, parts.vault) });
        const token = newToken();
        const rotation = (async () => {
          for (const each of STEPS) await step(handler, each, token);
        })();
        const settled = Promise.allSettled([rotation, operate(handler, 'keys.revoke')]);
        await s.waitFor(settled);
        const [, answer] = await settled;
        expect(answer).toMatchObject({ value: { ok: true, result: { failure: null } } });
        expectOneLine(history, parts);
        for (const kid of stolen) expect([live(parts), kids(parts)].flat()).not.toContain(kid);
        const { revoked } = parts.keyset();
        expect(revoked).toEqual(expect.arrayContaining(stolen));
        for (const region of [HOME, AWAY])
          expect(parts.refusedIn(region)).toEqual(expect.arrayContaining([...revoked]));
        expect(signingKey(parts.keyset(), parts.clock.nowMs)).toBeDefined();

        // Whatever that rotation still tries, now or much later.
        for (const each of STEPS) await step(parts.rotator(), each, token).catch(() => {});
        for (const kid of stolen) expect(live(parts)).not.toContain(kid);
      }),
      { numRuns: 80 },
    );
  });

  it.each([
    ['compared and swapped', false],
    ['moved whatever it stands on, as it must not be', true],
  ])('a label that is %s, with a revocation just before it', async (_, careless) => {
    const parts = await rotated(2);
    const stolen = kids(parts);
    const secret: SecretVersions = {
      ...parts.secret,
      move: async (stage, from, to) => {
        if (stage === 'AWSPENDING') return parts.secret.move(stage, from, to);
        await operate(parts.rotator(), 'keys.revoke');
        return parts.secret.move(stage, careless ? parts.holder('AWSCURRENT')! : from, to);
      },
    };
    const rotation = rotate(parts, newToken(), parts.rotator({ secret }));
    if (careless) await rotation;
    else await expect(rotation).rejects.toThrow('is not AWSPENDING');
    // The danger is real without the check, and the check prevents it.
    expect(stolen.some((kid) => live(parts).includes(kid))).toBe(careless);
  });
});

describe('a revocation', () => {
  it('replaces every key at once, even one that is only published, and lists them in every Region', async () => {
    const parts = await rotated(2);
    const old = kids(parts);
    const answer = await operate(parts.rotator(), 'keys.revoke');
    expect(answer).toMatchObject({
      ok: true,
      result: {
        revoked: old,
        regions: [
          { region: HOME, confirmed: true },
          { region: AWAY, confirmed: true },
        ],
        keyset: { keys: [{ state: 'current', vault_version: 3 }], revoked: old },
      },
    });
    expect(parts.told).toEqual([old]);
    expect(signingKey(parts.keyset(), parts.clock.nowMs)?.activates_at).toBe(parts.clock.nowMs);
    expect(parts.vault.min).toBe(3);
    expect(
      JSON.stringify(parts.store.find(NAME).versions.get(parts.holder('AWSCURRENT')!)!.value),
    ).not.toContain(parts.vault.made[0]!.k);
  });

  it('of the published key only spares the one that signs, and the next key waits as usual', async () => {
    const parts = await rotated(2);
    const [signs, published] = kids(parts);
    await operate(parts.rotator(), 'keys.revoke', { only_kids: [published] });
    const { keys, revoked } = parts.keyset();
    expect(revoked).toEqual([published]);
    expect(keys.map(({ kid }) => kid)).toEqual([signs, expect.any(String)]);
    expect(keys[1]!.activates_at).toBe(parts.clock.nowMs + PUBLISH);
    expect(keys[0]!.retires_at).toBe(parts.clock.nowMs + PUBLISH + REMOVE);
  });

  it('of the signing key only lets the published one sign at once', async () => {
    const parts = await rotated(2);
    const [signs, published] = kids(parts);
    await operate(parts.rotator(), 'keys.revoke', { only_kids: [signs] });
    expect(signingKey(parts.keyset(), parts.clock.nowMs)?.kid).toBe(published);
    expect(live(parts)).not.toContain(signs);
  });

  it('of an unknown kid makes every Region refuse it, says so, and replaces nothing', async () => {
    const parts = await rotated();
    const before = parts.keyset();
    const only = { only_kids: ['AAAAAA', kids(parts)[0]] };
    const answer = await operate(parts.rotator(), 'keys.revoke', { only_kids: ['AAAAAA'] });
    expect(answer.result).toMatchObject({ failure: null, revoked: ['AAAAAA'], unknown_kids: ['AAAAAA'] });
    for (const region of [HOME, AWAY]) expect(parts.refusedIn(region)).toEqual(['AAAAAA']);
    expect([parts.keyset(), parts.vault.made.length]).toEqual([before, 1]);
    // From then on the kid is known, because a Region refuses it.
    expect((await operate(parts.rotator(), 'keys.revoke', only)).result).toMatchObject({ unknown_kids: [] });
    expect(parts.keyset().revoked).toEqual([only.only_kids[1]]);
    for (const region of [HOME, AWAY])
      expect([...parts.refusedIn(region)].sort()).toEqual([...only.only_kids].sort());
  });

  it('accepts more kids than a keyset remembers: the Regions refuse them all, and one new key signs', async () => {
    const parts = await rotated(2);
    const old = kids(parts);
    const many = Array.from({ length: MAX_REVOKED + 100 }, (_, n) =>
      Buffer.from([1, 2, n >> 8, n]).toString('base64url'),
    );
    const only_kids = [...many, ...old];
    for (const region of [HOME, AWAY]) await parts.regionOf(region).revokedKids.add(many);
    for (let n = 0; n < 2; n++) {
      const { result } = await operate(parts.rotator(), 'keys.revoke', { only_kids });
      expect([result.failure, result.unknown_kids]).toEqual([null, []]);
      for (const region of [HOME, AWAY])
        expect([...parts.refusedIn(region)].sort()).toEqual([...only_kids].sort());
    }
    expect(kids(parts)).toHaveLength(1);
    expect(parts.vault.made).toHaveLength(3);
    for (const kid of old) expect(parts.keyset().revoked).toContain(kid);
  });

  it('returns the keyset that it made, even if a read still returns the previous one', async () => {
    const parts = await rotated(2);
    const old = kids(parts);
    const before = await parts.secret.read({ label: 'AWSCURRENT' });
    const secret: SecretVersions = {
      ...parts.secret,
      read: async (version) => ('label' in version ? before : parts.secret.read(version)),
    };
    const { result } = await operate(parts.rotator({ secret }), 'keys.revoke');
    expect(result.keyset.keys).toMatchObject([{ kid: kids(parts)[0], state: 'current' }]);
    expect(old).not.toContain(kids(parts)[0]);
  });

  it('works without the primary Region or Vault: the other Regions refuse the keys, and the answer says what failed', async () => {
    const parts = await rotated(2);
    const old = kids(parts);
    const away = parts.rotator({ secret: parts.secretIn(AWAY) });
    const sealed = parts.rotator({
      vault: { ...parts.vault, rotate: () => Promise.reject(new Error('sealed')) },
    });
    for (const handler of [away, sealed]) {
      const answer = await operate(handler, 'keys.revoke');
      expect(answer).toMatchObject({
        ok: true,
        result: {
          keyset: null,
          failure: expect.any(String),
          revoked: old,
          regions: [HOME, AWAY].map((region) => ({ region, confirmed: true })),
        },
      });
      expect(parts.told.at(-1)).toEqual(old);
    }
    expect(kids(parts)).toEqual(old);
    // Repeated once it is back: the keys are removed for good, and listed again.
    expect(await operate(parts.rotator(), 'keys.revoke')).toMatchObject({
      ok: true,
      result: { revoked: old },
    });
  });

  it('whose answer is lost makes one key', async () => {
    const parts = await rotated();
    const [old] = kids(parts);
    const secret: SecretVersions = {
      ...parts.secret,
      move: async (...args) => {
        await parts.secret.move(...args);
        throw new Error('no answer');
      },
    };
    const answer = await operate(parts.rotator({ secret }), 'keys.revoke');
    expect(answer).toMatchObject({ ok: true, result: { failure: null } });
    expect(parts.keyset().revoked).toEqual([old]);
  });

  const HANGS = () => new Promise<never>(() => {});
  const SHORT = { eachMs: 30, replicatedMs: 30, swapMs: 60, answerMs: 90 };
  const everywhere = [HOME, AWAY].map((region) => ({ region, confirmed: true }));
  const nowhere = [HOME, AWAY].map((region) => ({ region, confirmed: false }));
  const put = (parts: Parts, text: string) => parts.store.put(NAME, newToken(), text, ['AWSCURRENT']);
  const makes = (parts: Parts) => parts.keyset().keys.at(-1)!;

  it.each([['garbage', 'swordfish', /keyset: not JSON/, [AWAY, HOME]]])(
    'of a secret that is %s makes every Region refuse the keys that readers hold',
    async (_, text, why, unread) => {
      const parts = await rotated(2);
      const [old, version] = [kids(parts), parts.holder('AWSCURRENT')!];
      put(parts, text);
      const { ok, result } = await operate(parts.rotator(), 'keys.revoke');
      expect(ok).toBe(true);
      expect(result).toMatchObject({
        keyset: null,
        failure: expect.stringMatching(why),
        revoked: old,
        regions: everywhere,
      });
      expect(result.unreadable).toEqual(
        unread.map((region) => expect.stringMatching(`AWSCURRENT in ${region} .keyset: not JSON`)),
      );
      for (const region of [HOME, AWAY]) expect(parts.refusedIn(region)).toEqual(old);

      // As the runbook says: return to the previous version, and repeat.
      parts.store.moveStage(NAME, 'AWSCURRENT', parts.holder('AWSCURRENT'), version);
      const again = await operate(parts.rotator(), 'keys.revoke');
      expect(again.result).toMatchObject({ failure: null, regions: everywhere, revoked: old });
      expect([kids(parts).length, parts.keyset().revoked]).toEqual([1, old]);
    },
  );

  it('of unknown keys is no success: no Region is written to, and none has confirmed', async () => {
    const parts = await rotated(2);
    for (const text of ['swordfish', '{"keys":[]}', '{"keys":[],"revoked":[]}']) put(parts, text);
    // Like the tables of a release that remembered no kids.
    for (const region of [HOME, AWAY]) parts.memories.set(region, NOTHING_PUBLISHED);
    const failure = 'no version of the secret that can be read holds a key';
    const nothing = { keyset: null, failure, revoked: [], regions: nowhere };
    expect((await operate(parts.rotator(), 'keys.revoke')).result).toMatchObject(nothing);
    // Earlier refused kids do not make it a success.
    await parts.regionOf(HOME).revokedKids.add(['AAAAAA']);
    expect((await operate(parts.rotator(), 'keys.revoke')).result).toMatchObject(nothing);
    expect(parts.refusedIn(AWAY)).toEqual([]);
    const unread = { ...parts.secret, read: async () => Promise.reject(new Error('denied')) };
    const lost = { regions: [HOME, AWAY].map((region) => ({ ...parts.regionOf(region), secret: unread })) };
    const { result } = await operate(parts.rotator({ ...lost, secret: unread }), 'keys.revoke');
    expect(result).toMatchObject(nothing);
    expect(result.unreadable).toHaveLength(6);
  });

  it('covers the keys of every labelled version and of every replica', async () => {
    const lag = { ms: 0 };
    const parts = rotationParts({ replicaLagMs: () => lag.ms });
    await rotated(1, parts);
    const first = parts.keyset();
    lag.ms = 7 * DAY;
    parts.clock.nowMs += 8 * DAY;
    // Only the replica has the first key, and only the label AWSPENDING the coming one.
    const named = (kid: string) => JSON.stringify({ ...first, keys: [{ ...first.keys[0]!, kid }] });
    for (const kid of ['BBBBBA', 'CCCCCA']) put(parts, named(kid));
    const pending = newToken();
    parts.store.put(NAME, pending, named('DDDDDA'), ['AWSPENDING']);
    const known = ['CCCCCA', 'DDDDDA', 'BBBBBA', first.keys[0]!.kid];
    expect((await operate(parts.rotator(), 'keys.list')).result.known_kids.sort()).toEqual([...known].sort());
    const { result } = await operate(parts.rotator(), 'keys.revoke');
    expect(result.revoked.sort()).toEqual([...known].sort());
    for (const region of [HOME, AWAY]) expect(parts.refusedIn(region).sort()).toEqual([...known].sort());
    // The keyset also remembers their kids and fingerprints: a Region's table may be lost.
    expect([...parts.keyset().revoked].sort()).toEqual([...known].sort());
    expect(parts.keyset().fingerprints).toEqual([fingerprint(first.keys[0]!.jwk)]);
  });

  it('reports what it made, even if a read after the write still returns the old state', async () => {
    const parts = await rotated(2);
    const old = kids(parts);
    const before = await parts.secret.read({ label: 'AWSCURRENT' });
    const secret: SecretVersions = {
      ...parts.secret,
      read: (version) =>
        parts.store.find(NAME).versions.size > 3 &&
        'stage' in version &&
        version.stage === 'AWSCURRENT' &&
        parts.holder('AWSCURRENT') !== before!.versionId
          ? Promise.resolve(before)
          : parts.secret.read(version),
    };
    const { result } = await operate(parts.rotator({ secret }), 'keys.revoke');
    expect(result).toMatchObject({ failure: null, revoked: old, regions: everywhere });
    expect(result.keyset.keys).toEqual([
      expect.objectContaining({ kid: makes(parts).kid, state: 'current' }),
    ]);
    expect(result.keyset.version_id).toBe(parts.holder('AWSCURRENT'));
    for (const region of [HOME, AWAY]) expect(parts.refusedIn(region)).toEqual(old);
  });

  it('writes every Region’s list before it calls Vault or writes the keyset, and cleans up last', async () => {
    const parts = await rotated(2);
    const calls: string[] = [];
    const regions = [HOME, AWAY].map((region) => {
      const { revokedKids, ...rest } = parts.regionOf(region);
      const add = async (told: readonly string[]) => {
        await revokedKids.add(told);
        calls.push('told');
      };
      return { ...rest, revokedKids: { ...revokedKids, add } };
    });
    const noted = <T extends object>(part: T) =>
      gated(part, (call, when) => when === 'before' && calls.push(call));
    await operate(
      parts.rotator({ regions, vault: noted(parts.vault), secret: noted(parts.secret) }),
      'keys.revoke',
    );
    const changes = calls.filter((call) => !['read', 'describe'].includes(call));
    // The last move removes AWSPENDING.
    expect(changes).toEqual(['told', 'told', 'rotate', 'exportKey', 'put', 'move', 'move', 'trim']);
  });

  it.each([
    ['rotate', 'hangs'],
    ['exportKey', 'hangs'],
    ['rotate', 'times out'],
  ] as const)(
    'with a Vault whose %s %s reports in time what it did, and the old keys are refused',
    async (call, fate) => {
      const parts = await rotated(2);
      const old = kids(parts);
      const timeout = new VaultError('unavailable', 'https://vault does not answer (timeout)');
      const answer = fate === 'hangs' ? HANGS : () => Promise.reject(timeout);
      const handler = parts.rotator({ vault: { ...parts.vault, [call]: answer }, times: SHORT });
      const failure = fate === 'hangs' ? expect.stringMatching(/not done within 0.06 s/) : timeout.message;
      expect((await operate(handler, 'keys.revoke')).result).toMatchObject({
        keyset: null,
        failure,
        revoked: old,
        regions: everywhere,
      });
      for (const region of [HOME, AWAY]) expect(parts.refusedIn(region)).toEqual(old);
      expect(kids(parts)).toEqual(old);
      expect((await operate(parts.rotator(), 'keys.revoke')).result).toMatchObject({
        failure: null,
        revoked: old,
      });
    },
  );

  it('with a Vault whose export is refused makes one version: a retry would get the same answer', async () => {
    const parts = await rotated(2);
    const exportKey = async () => ({ kty: 'oct', k: 'AAAA' });
    const { length } = parts.vault.made;
    const { result } = await operate(parts.rotator({ vault: { ...parts.vault, exportKey } }), 'keys.revoke');
    expect(result).toMatchObject({ keyset: null, failure: expect.stringMatching(/is no HKDF-SHA-256 key/) });
    expect(parts.vault.made).toHaveLength(length + 1);
  });

  it('does not clean up after its answer', async () => {
    const parts = await rotated(2);
    const hung: (() => void)[] = [];
    const move: SecretVersions['move'] = async (label, from, to) => {
      if (to === undefined) await new Promise<void>((resolve) => void hung.push(resolve));
      return parts.secret.move(label, from, to);
    };
    const handler = parts.rotator({ secret: { ...parts.secret, move }, times: SHORT });
    expect((await operate(handler, 'keys.revoke')).result.failure).toBeNull();
    hung[0]!();
    await delay(20);
    expect(parts.vault.min).toBe(1);
  });

  it('does not wait for a Vault that hangs once the new key signs', async () => {
    const parts = await rotated(2);
    const handler = parts.rotator({ vault: { ...parts.vault, trim: HANGS }, times: SHORT });
    expect((await operate(handler, 'keys.revoke')).result).toMatchObject({
      failure: null,
      regions: everywhere,
    });
    expect(parts.log).toContainEqual(expect.objectContaining({ reason: 'tidy', error: 'TooLate' }));
  });

  it('that reported a failure changes nothing afterwards', async () => {
    const parts = await rotated(2);
    const before = parts.holder('AWSCURRENT');
    const exported: (() => void)[] = [];
    const exportKey = (...key: [string, number]) =>
      new Promise<void>((resolve) => void exported.push(resolve)).then(() => parts.vault.exportKey(...key));
    const handler = parts.rotator({ vault: { ...parts.vault, exportKey }, times: SHORT });
    expect((await operate(handler, 'keys.revoke')).result.keyset).toBeNull();
    const versions = parts.store.find(NAME).versions.size;
    exported[0]!();
    await delay(20);
    expect([parts.holder('AWSCURRENT'), parts.store.find(NAME).versions.size]).toEqual([before, versions]);
  });

  it('with a Region whose table refuses or hangs: the others refuse the keys, and the answer names that Region', async () => {
    for (const add of [() => Promise.reject(new Error('denied')), HANGS]) {
      const parts = await rotated(2);
      const old = kids(parts);
      const away = parts.regionOf(AWAY);
      const regions = [parts.regionOf(HOME), { ...away, revokedKids: { ...away.revokedKids, add } }];
      const handler = parts.rotator({ regions, times: SHORT });
      const { result } = await operate(handler, 'keys.revoke');
      expect(result).toMatchObject({
        revoked: old,
        failure: null,
        regions: [
          { region: HOME, confirmed: true },
          { region: AWAY, confirmed: false },
        ],
      });
      expect([parts.refusedIn(HOME), parts.refusedIn(AWAY)]).toEqual([old, []]);
      // Its readers still accept the new keyset when it arrives.
      expect(kids(parts)).toHaveLength(1);
    }
  });

  it('with a Region that cannot be read says so, and uses what it could read', async () => {
    for (const read of [() => Promise.reject(new Error('denied')), HANGS]) {
      const parts = await rotated(2);
      const old = kids(parts);
      const away = parts.regionOf(AWAY);
      const blind = { ...away, secret: { read }, revokedKids: { ...away.revokedKids, read } };
      const handler = parts.rotator({ regions: [parts.regionOf(HOME), blind], times: SHORT });
      const { result } = await operate(handler, 'keys.revoke');
      expect(result).toMatchObject({ revoked: old, failure: null, regions: everywhere });
      expect(result.unreadable.map((each: string) => each.replace(/ \(.*/, ''))).toEqual([
        `AWSCURRENT in ${AWAY}`,
        `AWSPENDING in ${AWAY}`,
        `AWSPREVIOUS in ${AWAY}`,
        `revoked kids in ${AWAY}`,
      ]);
      const { regions } = (await operate(handler, 'keys.list')).result;
      expect(regions[1]).toEqual({ region: AWAY, kids: null, revoked: null });
    }
  });

  it('with Secrets Manager refusing every write still makes every Region refuse the old keys', async () => {
    const parts = await rotated(2);
    const old = kids(parts);
    const refuses = () => Promise.reject(new Unavailable('secret'));
    const secret = { ...parts.secret, put: refuses, move: refuses };
    const { result } = await operate(parts.rotator({ secret }), 'keys.revoke');
    expect(result).toMatchObject({
      keyset: null,
      failure: 'secret unavailable',
      revoked: old,
      regions: everywhere,
    });
  });

  it('in a Region with a replica does not wake Vault', async () => {
    const parts = await rotated(2);
    const [old, made] = [kids(parts), parts.vault.made.length];
    const handler = parts.rotator({ secret: parts.secretIn(AWAY), region: AWAY });
    const { result } = await operate(handler, 'keys.revoke');
    expect(result).toMatchObject({
      keyset: null,
      failure: `the keyset is a replica here: ${HOME} alone can write it`,
      revoked: old,
      regions: everywhere,
    });
    expect(parts.vault.made).toHaveLength(made);
  });

  it("overtaken by a rotation also revokes the rotation's key, lists it, and makes one key for all attempts", async () => {
    const parts = await rotated(2);
    const old = kids(parts);
    let overtaken: string[] = [];
    const secret: SecretVersions = {
      ...parts.secret,
      async put(...version) {
        if (overtaken.length === 0) {
          await operate(parts.rotator(), 'keys.rotate', { force: true });
          overtaken = kids(parts);
        }
        return parts.secret.put(...version);
      },
    };
    const made = parts.vault.made.length;
    const { result } = await operate(parts.rotator({ secret }), 'keys.revoke');
    // By then the rotation has removed from the keyset the kids that the Regions refuse.
    expect(overtaken).toHaveLength(1);
    const all = [...old, ...overtaken];
    expect(result).toMatchObject({ failure: null, revoked: all, regions: everywhere });
    for (const region of [HOME, AWAY]) expect(parts.refusedIn(region)).toEqual(all);
    expect(parts.told).toEqual([old, all]);
    // One from the rotation, and one from the revocation.
    expect(parts.vault.made).toHaveLength(made + 2);
    expect(kids(parts)).toEqual([expect.any(String)]);
  });

  it('of a kid that is already revoked succeeds, and makes no other key', async () => {
    const parts = await rotated(2);
    const old = kids(parts);
    await operate(parts.rotator(), 'keys.revoke');
    // No labelled version holds the kid any more.
    const revoked = [...old, ...kids(parts)];
    await operate(parts.rotator(), 'keys.revoke');
    const before = parts.keyset();
    const made = parts.vault.made.length;
    expect(await operate(parts.rotator(), 'keys.revoke', { only_kids: old })).toMatchObject({
      ok: true,
      result: { failure: null, revoked, regions: everywhere, keyset: { keys: [{ state: 'current' }] } },
    });
    expect([parts.keyset(), parts.vault.made.length]).toEqual([before, made]);
  });

  it('of a kid that a Region refuses and the keyset still holds makes a new keyset with a signing key', async () => {
    const parts = await rotated(2);
    const [signs, published] = kids(parts);
    // An earlier revocation of the other key reached the Regions, but not the keyset.
    for (const region of [HOME, AWAY]) await parts.regionOf(region).revokedKids.add([published!]);
    const { result } = await operate(parts.rotator(), 'keys.revoke', { only_kids: [signs] });
    expect(result).toMatchObject({ failure: null, revoked: [published, signs] });
    expect(kids(parts)).not.toContain(published);
    expect(signingKey(parts.keyset(), parts.clock.nowMs)!.activates_at).toBe(parts.clock.nowMs);
  });

  it('of one client root never lets a key sign that is removed before its signatures expire', async () => {
    const lags = { ...LAGS, maxLifeMs: 90 * DAY };
    const parts = rotationParts({ lags });
    await rotated(2, parts);
    const [first, second] = kids(parts);
    const goesAt = () => parts.keyset().keys.find(({ kid }) => kid === first)!.retires_at!;
    parts.clock.nowMs = goesAt() - 2 * DAY;
    await rotate(parts, newToken());
    await operate(parts.rotator(), 'keys.revoke', { only_kids: [second] });
    const { kid, activates_at } = parts.keyset().keys.at(-2)!;
    expect([signingKey(parts.keyset(), parts.clock.nowMs)!.kid, kid]).toEqual([first, expect.any(String)]);
    expect(goesAt()).toBeGreaterThanOrEqual(activates_at + 90 * DAY);
  });

  it('is remembered for good, by the kid and by the material', async () => {
    const parts = await rotated();
    for (let i = 0; i < 140; i++) await operate(parts.rotator(), 'keys.revoke');
    expect(parts.keyset()).toMatchObject({ seq: 141, revoked: { length: 140 } });
    expect(parts.keyset().fingerprints).toEqual(parts.vault.made.slice(0, -1).map(fingerprint));
  });
});

describe('a keyset that is full', () => {
  const ask = (parts: Parts, action: string, params = {}) => operate(parts.rotator(), action, params);

  it('of keys: rotation 300 in a row is refused, and a revocation makes room at once', async () => {
    const parts = rotationParts();
    let refused: { readonly problem: { readonly detail: string } } | undefined;
    for (let i = 0; i < 300; i++) {
      const answer = await ask(parts, 'keys.rotate', { force: true });
      if (!answer.ok) refused = answer;
    }
    expect(refused).toMatchObject({ problem: { status: 409, code: 'rotation_refused' } });
    expect(refused!.problem.detail).toMatch(
      /^the keyset holds 32 keys, which is the most: the first of them/,
    );
    expect([kids(parts).length, parts.vault.made.length]).toEqual([32, 32]);
    const stolen = kids(parts);
    expect(await ask(parts, 'keys.revoke')).toMatchObject({ ok: true, result: { failure: null } });
    expect(parts.keyset()).toMatchObject({ revoked: stolen, keys: { length: 1 } });
    expect(await ask(parts, 'keys.rotate', { force: true })).toMatchObject({ ok: true });
  });

  it('of keys by an older release without a limit: a revocation succeeds, and then all is as usual', async () => {
    const parts = await rotated();
    const { keys } = parts.keyset();
    const more = Array.from({ length: 270 }, (_, n) => ({
      ...keys[0]!,
      kid: Buffer.from([1, 2, n >> 8, n]).toString('base64url'),
      jwk: { kty: 'oct', k: createHash('sha256').update(`${n}`).digest('base64url') },
      activates_at: T0 + 1 + n,
      retires_at: n < 269 ? T0 + DAY : null,
    }));
    const { version, fingerprints, ...older } = parts.keyset();
    const text = JSON.stringify({ ...older, keys: [{ ...keys[0]!, retires_at: T0 + DAY }, ...more] });
    expect(text.length).toBeGreaterThan(60_000);
    parts.store.put(NAME, newToken(), text, ['AWSCURRENT']);
    expect(await ask(parts, 'keys.rotate', { force: true })).toMatchObject({
      ok: false,
      problem: { code: 'rotation_refused' },
    });
    expect(await ask(parts, 'keys.revoke')).toMatchObject({ ok: true, result: { failure: null } });
    expect(parts.keyset()).toMatchObject({ revoked: { length: 271 }, fingerprints: { length: 271 } });
    expect(await ask(parts, 'keys.rotate', { force: true })).toMatchObject({ ok: true });
  });

  it('of revoked keys: a rotation is refused and names the remedy, while a revocation still succeeds', async () => {
    const parts = await rotated();
    const count = MAX_REVOKED - 1;
    const numbered = (n: number) => createHash('sha256').update(`${n}`).digest();
    const full = {
      ...parts.keyset(),
      revoked: Array.from({ length: count }, (_, n) => numbered(n).subarray(0, 4).toString('base64url')),
      fingerprints: Array.from({ length: count }, (_, n) =>
        numbered(n).subarray(4, 20).toString('base64url'),
      ),
    };
    parts.store.put(NAME, newToken(), JSON.stringify(full), ['AWSCURRENT']);
    const detail = expect.stringContaining('docs/key-life-cycle.md, A keyset that is full');
    expect(await ask(parts, 'keys.rotate', { force: true })).toMatchObject({
      ok: false,
      problem: { detail },
    });
    expect(parts.vault.made).toHaveLength(1);
    expect(await ask(parts, 'keys.revoke')).toMatchObject({ ok: true, result: { failure: null } });
    expect(parts.keyset().fingerprints).toHaveLength(MAX_REVOKED);

    // The remedy: drop the oldest half by hand, under the next seq.
    const { seq, revoked, fingerprints, ...rest } = parts.keyset();
    const [half, next] = [MAX_REVOKED / 2, newToken()];
    const shorter = {
      ...rest,
      seq: seq + 1,
      revoked: revoked.slice(-half),
      fingerprints: fingerprints.slice(-half),
    };
    parts.store.put(NAME, next, JSON.stringify(shorter), ['AWSCURRENT']);
    expect(await ask(parts, 'keys.rotate', { force: true })).toMatchObject({
      ok: true,
      result: { seq: seq + 2 },
    });
    // The Regions still refuse all of them, and nothing brings them back into the keyset.
    await rotate(parts, newToken());
    expect(parts.keyset()).toMatchObject({ revoked: { length: half }, fingerprints: { length: half } });
    expect(parts.refusedIn(HOME).length).toBeGreaterThan(half);
    expect(await ask(parts, 'keys.revoke')).toMatchObject({ ok: true, result: { failure: null } });
    expect(parts.keyset().revoked.length).toBeLessThan(half + 10);
  });
});

describe('an export of Vault', () => {
  const exporting = (parts: Parts, jwk: JWK) =>
    parts.rotator({ vault: { ...parts.vault, exportKey: async () => jwk } });
  const oct = (bytes: Buffer): JWK => ({ kty: 'oct', k: bytes.toString('base64url') });

  it.each<[string, JWK | (() => JWK), string]>([
    ['zeros', oct(Buffer.alloc(32)), 'is one byte repeated'],
    ['one byte 32 times', oct(Buffer.alloc(32, 7)), 'is one byte repeated'],
    ['64 bytes', oct(randomBytes(64)), 'has 64 bytes, not 32'],
    ['70,000 bytes', oct(randomBytes(70_000)), 'has 70000 bytes, not 32'],
    ['16 bytes', oct(randomBytes(16)), 'is no HKDF-SHA-256 key'],
    [
      'an Ed25519 key',
      () => generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }),
      'is no HKDF',
    ],
  ])('is not accepted as a new key if it is %s', async (_, given, says) => {
    const jwk = typeof given === 'function' ? given() : given;
    const parts = await rotated();
    const before = parts.holder('AWSCURRENT');
    const refused = `version 2 of countersign-nonce, as Vault exports it, ${says}`;
    await expect(rotate(parts, newToken(), exporting(parts, jwk))).rejects.toThrow(refused);
    expect(parts.holder('AWSCURRENT')).toBe(before);
    for (const secret of [jwk.k, jwk.d]) if (secret) expect(JSON.stringify(parts.log)).not.toContain(secret);
  });

  it.each([
    ['held', async () => {}],
    ['revoked', async (parts: Parts) => void (await operate(parts.rotator(), 'keys.revoke'))],
  ])('is not accepted as a new key if its material is that of a key that is %s', async (_, happens) => {
    const parts = await rotated();
    await happens(parts);
    const stale = exporting(parts, parts.vault.made[0]!);
    await expect(rotate(parts, newToken(), stale)).rejects.toThrow('as Vault exports it, was used before');
    expect(await operate(stale, 'keys.revoke')).toMatchObject({
      result: { keyset: null, failure: expect.stringContaining('was used before') },
    });
  });

  it('whose type belongs to another purpose is refused, whatever wrote it into the secret', async () => {
    const parts = await rotated();
    const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    const text = JSON.stringify({
      ...parts.keyset(),
      keys: parts.keyset().keys.map((key) => ({ ...key, alg: 'Ed25519', jwk })),
    });
    parts.store.put(NAME, newToken(), text, ['AWSCURRENT']);
    await expect(rotate(parts, newToken())).rejects.toThrow(/alg of [\w-]+ is Ed25519, not HKDF-SHA-256/);
  });
});

it('a keyset of a newer format is left as it is, and no key is made for it', async () => {
  const parts = await rotated();
  const newer = JSON.stringify({ ...parts.keyset(), version: 2, tomorrow: 'x' });
  const held = newToken();
  parts.store.put(NAME, held, newer, ['AWSCURRENT']);
  const says = `version ${held} has format 2, and this release writes 1: deploy the newer release here`;
  await expect(rotate(parts, newToken())).rejects.toThrow(says);
  await parts.secret.move('AWSPENDING', parts.holder('AWSPENDING')!, undefined);
  expect(await operate(parts.rotator(), 'keys.rotate')).toMatchObject({
    ok: false,
    problem: { detail: says },
  });
  expect(await operate(parts.rotator(), 'keys.revoke')).toMatchObject({
    result: { keyset: null, failure: says },
  });
  expect([parts.holder('AWSCURRENT'), parts.vault.made.length]).toEqual([held, 1]);
  expect(await operate(parts.rotator(), 'keys.list')).toMatchObject({ ok: true });
});

it('a keyset from a release before fingerprints gets them at its next change', async () => {
  const parts = await rotated();
  const { version, fingerprints, ...older } = parts.keyset();
  parts.store.put(NAME, newToken(), JSON.stringify(older), ['AWSCURRENT']);
  await operate(parts.rotator(), 'keys.revoke');
  expect(parts.keyset()).toMatchObject({ version: 1, fingerprints: [fingerprint(parts.vault.made[0]!)] });
});

describe('an operator', () => {
  it('sees keys, states, windows and replicas, and no key material', async () => {
    const parts = await rotated(2);
    const { ok, result } = await operate(parts.rotator(), 'keys.list');
    expect(ok).toBe(true);
    expect(result).toEqual({
      purpose: 'nonce',
      seq: 2,
      version_id: parts.holder('AWSCURRENT'),
      unreadable: null,
      fall_back: null,
      published_seq: 2,
      pending: null,
      keys: [
        expect.objectContaining({
          state: 'current',
          vault_version: 1,
          activates_at: '2026-11-23T00:00:00.000Z',
        }),
        expect.objectContaining({ state: 'next', retires_at: null }),
      ],
      revoked: [],
      changed_at: '2026-12-23T00:00:00.000Z',
      windows: { finish: HOUR, publish_to_sign: PUBLISH, sign_to_remove: REMOVE },
      regions: [HOME, AWAY].map((region) => ({ region, kids: kids(parts), revoked: [] })),
      known_kids: kids(parts),
      managed_by: HOME,
      promoted_to: null,
      primary_region: HOME,
      replicas: [{ region: AWAY, status: 'InSync', message: null }],
      missing_kids: [],
      next_rotation_at: null,
      last_failure: null,
    });
    for (const { k } of parts.vault.made) expect(JSON.stringify(result)).not.toContain(k);
  });

  it('rotates now, unless a rotation is in progress; a stuck one is removed first', async () => {
    const parts = await rotated();
    expect(await operate(parts.rotator(), 'keys.rotate')).toMatchObject({ ok: true, result: { seq: 2 } });
    const token = newToken();
    parts.store.stagePending(NAME, token);
    expect(await operate(parts.rotator(), 'keys.rotate')).toMatchObject({
      ok: false,
      problem: { status: 409, code: 'rotation_in_progress' },
    });
    expect(await operate(parts.rotator(), 'keys.list')).toMatchObject({ result: { pending: token } });
    expect(await operate(parts.rotator(), 'keys.unstick')).toMatchObject({
      ok: true,
      result: { pending: null },
    });
    expect(await operate(parts.rotator(), 'keys.rotate', { force: true })).toMatchObject({
      ok: true,
      result: { seq: 3 },
    });
  });

  it('makes no second next key without force: 300 of them would fill the secret', async () => {
    const parts = await rotated(2);
    const before = parts.keyset();
    expect(await operate(parts.rotator(), 'keys.rotate')).toMatchObject({
      ok: false,
      problem: {
        status: 409,
        code: 'rotation_refused',
        detail: expect.stringMatching(
          /^key \w.* signs from .*Z on: wait until then, or rotate with --force$/,
        ),
      },
    });
    expect([parts.keyset(), parts.vault.made.length]).toEqual([before, 2]);
    expect(await operate(parts.rotator(), 'keys.rotate', { force: true })).toMatchObject({ ok: true });
    // Secrets Manager's own schedule has no such limit.
    await rotate(parts, newToken());
    expect(kids(parts)).toHaveLength(4);
    parts.clock.nowMs = parts.keyset().keys.at(-1)!.activates_at;
    expect(await operate(parts.rotator(), 'keys.rotate')).toMatchObject({ ok: true });
  });

  it('rotates without force if the Regions refuse the next key: that key never signs', async () => {
    const parts = await rotated(2);
    const [, next] = kids(parts);
    // A revocation that reached one Region only.
    await parts.regionOf(AWAY).revokedKids.add([next!]);
    const { ok, result } = await operate(parts.rotator(), 'keys.rotate');
    expect([ok, result?.revoked]).toEqual([true, [next]]);
    expect(result.keys.map(({ state }: { state: string }) => state)).toEqual(['current', 'next']);
    // The new next key waits for its time.
    expect(await operate(parts.rotator(), 'keys.rotate')).toMatchObject({
      problem: { code: 'rotation_refused' },
    });
  });

  describe('whose move of AWSCURRENT succeeds, but loses its answer', () => {
    /** @param behind how many later reads still return the old labels */
    const losing = (parts: Parts, behind = 0): SecretVersions => {
      let before: Awaited<ReturnType<SecretVersions['describe']>> | undefined;
      let left = behind;
      return {
        ...parts.secret,
        describe: async () => (before && left-- > 0 ? before : parts.secret.describe()),
        async move(label, ...versions) {
          if (label === 'AWSCURRENT') before = await parts.secret.describe();
          const moved = await parts.secret.move(label, ...versions);
          if (label !== 'AWSCURRENT') return moved;
          throw new Unavailable('secret');
        },
      };
    };

    it.each([0, 2])('rotates, with %i reads that return the old labels', async (n) => {
      const parts = await rotated();
      const answer = await operate(parts.rotator({ secret: losing(parts, n) }), 'keys.rotate');
      expect(answer).toMatchObject({ ok: true, result: { seq: 2, pending: null } });
      expect(answer.result.keys.map(({ kid }: { kid: string }) => kid)).toEqual(kids(parts));
      expect(parts.holder('AWSPENDING')).toBeUndefined();
    });

    it.each([0, 2])('or revokes, and makes one key, with %i reads that return the old labels', async (n) => {
      const parts = await rotated();
      const [old] = kids(parts);
      const answer = await operate(parts.rotator({ secret: losing(parts, n) }), 'keys.revoke');
      expect(answer).toMatchObject({ ok: true, result: { failure: null, revoked: [old] } });
      expect([parts.vault.made.length, parts.keyset().seq]).toEqual([2, 2]);
    });

    it('causes no failed step for Secrets Manager', async () => {
      const parts = await rotated();
      await rotate(parts, newToken(), parts.rotator({ secret: losing(parts) }));
      expect(parts.log.filter(({ level }) => level === 'ERROR')).toEqual([]);
      expect(kids(parts)).toHaveLength(2);
    });

    it('fails if the move did not succeed', async () => {
      const parts = await rotated();
      const move: SecretVersions['move'] = async (label, ...versions) => {
        if (label === 'AWSCURRENT') throw new Unavailable('secret');
        return parts.secret.move(label, ...versions);
      };
      const before = parts.keyset();
      expect(
        await operate(parts.rotator({ secret: { ...parts.secret, move } }), 'keys.rotate'),
      ).toMatchObject({
        ok: false,
        problem: { status: 503 },
      });
      expect([parts.keyset(), parts.holder('AWSPENDING')]).toEqual([before, undefined]);
    });
  });

  it('who rotates with a Vault that hangs gets an answer in time, and nothing is left behind', async () => {
    const parts = await rotated();
    const hangs = () => new Promise<never>(() => {});
    const times = { eachMs: 30, replicatedMs: 30, swapMs: 60, answerMs: 90 };
    const handler = parts.rotator({ vault: { ...parts.vault, rotate: hangs }, times });
    expect(await operate(handler, 'keys.rotate')).toMatchObject({
      ok: false,
      problem: { status: 503, code: 'unavailable', detail: expect.stringContaining('not done within') },
    });
    expect(await operate(parts.rotator(), 'keys.rotate')).toMatchObject({ ok: true });
  });

  it('a revocation that is out of time does not start over, even if another keyset is current by then', async () => {
    const parts = await rotated(2);
    const times = { eachMs: 30, replicatedMs: 30, swapMs: 60, answerMs: 90 };
    const late = Promise.withResolvers<void>();
    let looks = 0;
    const secret: SecretVersions = {
      ...parts.secret,
      describe: () => {
        looks += 1;
        return parts.secret.describe();
      },
    };
    const rotate: Parts['vault']['rotate'] = async (...key) => {
      await late.promise;
      return parts.vault.rotate(...key);
    };
    const handler = parts.rotator({ secret, vault: { ...parts.vault, rotate }, times });
    expect(await operate(handler, 'keys.revoke')).toMatchObject({ ok: true, result: { keyset: null } });
    expect(await operate(parts.rotator(), 'keys.rotate', { force: true })).toMatchObject({ ok: true });
    const before = looks;
    // Lambda lets it go on during the next call.
    late.resolve();
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    expect(looks).toBe(before + 1);
  });

  it('who rotates sees the new keyset, even if a read still returns the old one', async () => {
    const parts = await rotated();
    const before = await parts.secret.read({ label: 'AWSCURRENT' });
    const secret: SecretVersions = {
      ...parts.secret,
      read: async (version) =>
        'stage' in version && version.stage === 'AWSCURRENT' ? before : parts.secret.read(version),
    };
    const { result } = await operate(parts.rotator({ secret }), 'keys.rotate');
    expect(result.keys.map(({ kid }: { kid: string }) => kid)).toEqual(kids(parts));
    expect(result.version_id).toBe(parts.holder('AWSCURRENT'));
  });

  it.each([
    ['garbage', 'swordfish', /^version \S+: keyset: not JSON$/],
    ['emptied', '{"keys":[]}', null],
  ])(
    'sees Regions, known kids and the version to return to with the secret %s',
    async (_, text, unreadable) => {
      const parts = await rotated(2);
      const [held, right] = [kids(parts), parts.holder('AWSCURRENT')];
      parts.store.put(NAME, newToken(), text, ['AWSCURRENT']);
      const { result } = await operate(parts.rotator(), 'keys.list');
      expect(result).toMatchObject({
        seq: unreadable ? null : 0,
        version_id: parts.holder('AWSCURRENT'),
        unreadable: unreadable && expect.stringMatching(unreadable),
        fall_back: right,
        keys: [],
        known_kids: held,
        regions: [HOME, AWAY].map((region) => ({ region, kids: unreadable ? null : [], revoked: [] })),
      });
      expect(JSON.stringify(result)).not.toContain('swordfish');
    },
  );

  it('is refused for a reason that is also logged; the log does not quote a bad request', async () => {
    const parts = await rotated();
    parts.store.put(NAME, newToken(), 'swordfish', ['AWSCURRENT']);
    await operate(parts.rotator(), 'keys.rotate');
    expect(parts.log.at(-1)).toMatchObject({
      message: 'audit',
      reason: 'rotation_refused',
      detail: expect.stringMatching(/^version \S+: keyset: not JSON$/),
    });
    await operate(parts.rotator(), 'keys.rotate', { swordfish: true });
    expect(parts.log.at(-1)).toMatchObject({ reason: 'malformed_request', detail: undefined });
    expect(JSON.stringify(parts.log)).not.toContain('swordfish');
  });

  it('who rotates and reads the old labels reads them again; a failure leaves no label behind', async () => {
    const parts = await rotated();
    let stale = 1;
    const before = await parts.secret.describe();
    const describe = async () =>
      parts.holder('AWSPENDING') && stale-- > 0 ? before : parts.secret.describe();
    const handler = parts.rotator({ secret: { ...parts.secret, describe } });
    expect(await operate(handler, 'keys.rotate')).toMatchObject({ ok: true, result: { pending: null } });

    stale = Number.POSITIVE_INFINITY;
    const failed = await operate(handler, 'keys.rotate', { force: true });
    expect(failed).toMatchObject({
      ok: false,
      problem: { detail: expect.stringContaining('is not AWSPENDING') },
    });
    expect(parts.holder('AWSPENDING')).toBeUndefined();
  });

  it('who rotates learns that a label could not be removed, and the command that removes it', async () => {
    const stays =
      'may still be AWSPENDING, which blocks every later rotation: countersign keys unstick nonce removes';
    const parts = await rotated();
    const move = async () => {
      throw new Unavailable('secret nonce');
    };
    const throttled = parts.rotator({ secret: { ...parts.secret, move } });
    expect(await operate(throttled, 'keys.rotate')).toMatchObject({
      ok: false,
      problem: { code: 'unavailable', detail: expect.stringMatching(`^secret nonce .*; .*${stays}`) },
    });
    expect(parts.holder('AWSPENDING')).toBeDefined();
    expect(await operate(parts.rotator(), 'keys.unstick')).toMatchObject({ ok: true });

    const slow = parts.rotator({
      secret: { ...parts.secret, put: () => new Promise(() => {}) },
      times: { eachMs: 1_000, replicatedMs: 10, swapMs: 20, answerMs: 2_000 },
    });
    expect(await operate(slow, 'keys.rotate')).toMatchObject({
      ok: false,
      problem: { detail: expect.stringMatching(`^not done within .*; .*${stays}`) },
    });
  });

  it('sees a key that a Region refuses as revoked, and the key that signs in its place', async () => {
    const parts = await rotated(2);
    const [signs, published] = kids(parts);
    await parts.regionOf(AWAY).revokedKids.add([signs!]);
    const { result } = await operate(parts.rotator(), 'keys.list');
    expect(result.keys.map(({ kid, state }: { kid: string; state: string }) => [kid, state])).toEqual([
      [signs, 'revoked'],
      [published, 'current'],
    ]);
    expect(result.revoked).toEqual([signs]);
    expect(result.regions).toEqual([
      { region: HOME, kids: kids(parts), revoked: [] },
      { region: AWAY, kids: kids(parts), revoked: [signs] },
    ]);
  });

  it('sees why the last rotation failed, until one succeeds, and the time of the next one', async () => {
    const parts = await rotated();
    parts.clock.nowMs += 30 * DAY;
    const sealed = { ...parts.vault, rotate: () => Promise.reject(new VaultError('sealed', 'unseal Vault')) };
    const last = async () => (await operate(parts.rotator(), 'keys.list')).result.last_failure;
    const token = newToken();
    const failed = rotate(parts, token, parts.rotator({ vault: sealed }));
    await expect(failed).rejects.toThrow('unseal Vault');
    const failure = {
      at: new Date(parts.clock.nowMs).toISOString(),
      action: 'createSecret',
      reason: 'unseal Vault',
    };
    expect(await last()).toEqual(failure);
    for (const each of STEPS.slice(0, 3)) await step(parts.rotator(), each, token);
    expect(await last()).toEqual(failure);
    await step(parts.rotator(), 'finishSecret', token);
    expect(await last()).toBeNull();

    const nextAtMs = parts.clock.nowMs + 30 * DAY;
    parts.store.setRotation(NAME, {
      functionName: 'f',
      functionArn: 'f',
      rules: {},
      periodMs: 30 * DAY,
      nextAtMs,
      lastAtMs: null,
    });
    expect((await operate(parts.rotator(), 'keys.list')).result.next_rotation_at).toBe(
      new Date(nextAtMs).toISOString(),
    );
  });

  it.each(['keys.rotate', 'keys.revoke'])('by %s removes the record of a failure', async (action) => {
    const parts = await rotated();
    await parts.record.failed({ at: '2026-11-23T00:00:00.000Z', action: 'createSecret', reason: 'sealed' });
    expect((await operate(parts.rotator(), action)).ok).toBe(true);
    expect(await parts.record.read()).toBeNull();
  });

  it('is not blocked by a record that cannot be read or written', async () => {
    const parts = await rotated();
    const fails = () => Promise.reject(new Unavailable('limits'));
    const handler = parts.rotator({ record: { read: fails, failed: fails, succeeded: fails } });
    parts.clock.nowMs += 30 * DAY;
    await rotate(parts, newToken(), handler);
    await expect(step(handler, 'finishSecret', newToken())).rejects.toThrow('finishSecret of nonce failed');
    expect((await operate(handler, 'keys.list')).result).toMatchObject({ seq: 2, last_failure: null });
    expect((await operate(handler, 'keys.revoke')).result.failure).toBeNull();
    expect(parts.log.filter(({ reason }) => reason === 'record')).toHaveLength(2);
  });

  it('removes a stuck version by its name, and no other', async () => {
    const parts = await rotated();
    const token = newToken();
    parts.store.stagePending(NAME, token);
    const unstick = (version_id: string) => operate(parts.rotator(), 'keys.unstick', { version_id });
    expect((await unstick(newToken())).result.pending).toBe(token);
    expect(parts.holder('AWSPENDING')).toBe(token);
    expect((await unstick(token)).result.pending).toBeNull();
  });

  it('leaves an audit line for each action', async () => {
    const parts = await rotated();
    await operate(parts.rotator(), 'keys.revoke');
    expect(parts.log.at(-1)).toMatchObject({
      message: 'audit',
      action: 'keys.revoke',
      target: 'nonce',
      status: 200,
    });
  });
});

describe('no secret', () => {
  it('is in any log line, error or answer, whichever call fails with it', async () => {
    const calls = await callsOfARotation();
    for (let at = 1; at <= calls; at++) {
      const parts = await rotated();
      parts.clock.nowMs += 30 * DAY;
      let count = 0;
      const marked = 'marked-secret';
      const leaking = crashing(parts, () => {
        if (++count !== at) return;
        const cause = Object.assign(new Error(`${marked}-cause`), { config: { headers: { token: marked } } });
        const keys = JSON.stringify([parts.vault.made, marked]);
        throw Object.assign(new Error(keys, { cause }), { response: keys, name: 'ApiResponseError' });
      });
      const thrown = await rotate(parts, newToken(), leaking).catch((error: unknown) => error);
      count = -1_000;
      const answers = [await operate(leaking, 'keys.list'), await operate(leaking, 'keys.revoke')];
      const all = [thrown, ...parts.log, ...answers].map((each) =>
        each instanceof Error
          ? `${each.stack} ${JSON.stringify({ ...each })} ${String(each.cause)}`
          : `${JSON.stringify(each)}`,
      );
      for (const secret of [marked, ...parts.vault.made.map(({ k }) => k!)])
        for (const text of all) expect(text).not.toContain(secret);
      expect(all.length).toBeGreaterThan(4);
    }
  });
});

it('an emptied keyset does not start over: readers would accept none of its numbers', async () => {
  const parts = await rotated(2);
  const right = parts.holder('AWSCURRENT')!;
  parts.store.put(NAME, newToken(), '{"keys":[]}', ['AWSCURRENT']);
  await expect(rotate(parts, newToken())).rejects.toThrow(`move AWSCURRENT back to version ${right}`);
  expect(parts.keyset().keys).toEqual([]);
});

it('a new stage whose empty keyset was written twice starts like any other', async () => {
  const parts = rotationParts();
  for (let i = 0; i < 2; i++) parts.store.put(NAME, newToken(), '{"keys":[]}', ['AWSCURRENT']);
  await rotate(parts, newToken());
  expect(parts.keyset()).toMatchObject({ seq: 1, keys: { length: 1 } });
});

describe('readers with a keyset that the secret no longer holds', () => {
  /** The copy of a reader that stays warm, and the key that it signs with. */
  async function reader(parts: Parts) {
    const cache = new KeysetCache({
      purpose: 'nonce',
      read: async () => (await parts.secret.read({ label: 'AWSCURRENT' }))!.text,
      readRevoked: async () => parts.refusedIn(HOME),
      nowMs: () => parts.clock.nowMs,
      maxAgeMs: DAY,
      log: () => {},
    });
    await cache.current();
    return async () => {
      parts.clock.nowMs += MINUTE;
      await cache.refreshed();
      const { keys, revoked } = await cache.current();
      const signs = (await cache.signingKey(parts.clock.nowMs))?.kid;
      return { signs, live: keys.map(({ kid }) => kid).filter((kid) => !revoked.includes(kid)) };
    };
  }
  const empty = (parts: Parts) => parts.store.put(NAME, newToken(), '{"keys":[]}', ['AWSCURRENT']);

  it.each([1, 2, 3])(
    "emptied %i times: no rotation runs, and a revocation ends the readers' keys",
    async (times) => {
      const parts = await rotated(3);
      const [old, { seq, keys }] = [kids(parts), parts.keyset()];
      const read = await reader(parts);
      for (let i = 0; i < times; i++) empty(parts);
      await expect(rotate(parts, newToken())).rejects.toThrow(
        times === 1
          ? 'move AWSCURRENT back to version'
          : /version 3 of it was published: .* or revoke the keys/,
      );
      await parts.secret.move('AWSPENDING', parts.holder('AWSPENDING')!, undefined);
      expect((await read()).live).toEqual(old);

      const { result } = await operate(parts.rotator(), 'keys.revoke');
      expect(result.failure).toBeNull();
      expect([...result.revoked].sort()).toEqual(expect.arrayContaining([...old].sort()));
      expect(parts.keyset()).toMatchObject({ seq: seq + 1, keys: { length: 1 } });
      for (const kid of old) expect(parts.keyset().revoked).toContain(kid);
      // The material is recognised for as long as a version has it.
      const prints = times === 1 ? keys.map(({ jwk }) => fingerprint(jwk)) : [];
      expect(parts.keyset().fingerprints).toEqual(expect.arrayContaining(prints));
      expect(await read()).toEqual({ signs: kids(parts)[0], live: kids(parts) });
    },
  );

  it('emptied twice: revoking one named key works as well', async () => {
    const parts = await rotated(2);
    const [old] = kids(parts);
    const read = await reader(parts);
    for (let i = 0; i < 2; i++) empty(parts);
    const { result } = await operate(parts.rotator(), 'keys.revoke', { only_kids: [old] });
    expect(result).toMatchObject({ failure: null, unknown_kids: [] });
    expect(await read()).toEqual({ signs: kids(parts)[0], live: kids(parts) });
  });

  it('rolled back past a revocation: list names the version that readers hold, and no rotation ends its keys', async () => {
    const parts = await rotated();
    const first = parts.holder('AWSCURRENT')!;
    await operate(parts.rotator(), 'keys.revoke');
    const [held, [used]] = [parts.holder('AWSCURRENT')!, kids(parts)];
    const read = await reader(parts);
    const rollBack = (to: string) => parts.secret.move('AWSCURRENT', parts.holder('AWSCURRENT')!, to);
    await rollBack(first);

    const { result } = await operate(parts.rotator(), 'keys.list');
    expect(result).toMatchObject({ seq: 1, published_seq: 2, fall_back: held });
    const { problem } = await operate(parts.rotator(), 'keys.rotate', { force: true });
    expect(problem.code).toBe('rotation_refused');
    expect(problem.detail).toContain(`without ${used}, which readers hold: move AWSCURRENT back to`);
    expect(problem.detail).toContain(held);
    expect(await read()).toEqual({ signs: used, live: [used] });

    await rollBack(held);
    const good = await operate(parts.rotator(), 'keys.list');
    expect(good.result).toMatchObject({ seq: 2, published_seq: 2, fall_back: null });
    await operate(parts.rotator(), 'keys.rotate');
    expect((await read()).signs).toBe(used);

    // A half-done revocation refuses the keys of both versions: to go back would bring no key that signs.
    await rollBack(first);
    for (const region of [HOME, AWAY]) await parts.regionOf(region).revokedKids.add(result.known_kids);
    for (const { kid } of parseKeyset((await parts.secret.read({ label: 'AWSPREVIOUS' }))!.text).keys)
      for (const region of [HOME, AWAY]) await parts.regionOf(region).revokedKids.add([kid]);
    expect((await operate(parts.rotator(), 'keys.list')).result.fall_back).toBeNull();
    expect(await operate(parts.rotator(), 'keys.rotate')).toMatchObject({ ok: true });
  });

  it('rolled back twice: the version in between is not named, and no rotation runs', async () => {
    const parts = await rotated();
    const versions = [parts.holder('AWSCURRENT')!];
    for (let i = 0; i < 2; i++) {
      await rotate(parts, newToken());
      versions.push(parts.holder('AWSCURRENT')!);
    }
    const [first, second, third] = versions;
    await parts.secret.move('AWSCURRENT', third!, second);
    await parts.secret.move('AWSCURRENT', second!, first);
    expect((await operate(parts.rotator(), 'keys.list')).result.fall_back).toBeNull();
    const { problem } = await operate(parts.rotator(), 'keys.rotate', { force: true });
    expect(problem.detail).toContain('back to the version with seq 3');
  });

  it('a rotation that did not finish names no version to go back to, and blocks no later one', async () => {
    const parts = await rotated();
    const { keys } = (await rotated()).keyset();
    // Somebody replaced the keyset: an older AWSPREVIOUS has a good key that AWSCURRENT lacks.
    const replaced = JSON.stringify({ ...parts.keyset(), seq: 2, keys });
    parts.store.put(NAME, newToken(), replaced, ['AWSCURRENT']);
    const move: SecretVersions['move'] = (label, ...rest) =>
      label === 'AWSCURRENT' ? Promise.reject(new Unavailable('secret')) : parts.secret.move(label, ...rest);
    await operate(parts.rotator({ secret: { ...parts.secret, move } }), 'keys.rotate');
    const { result } = await operate(parts.rotator(), 'keys.list');
    expect(result).toMatchObject({ seq: 2, published_seq: 3, pending: null, fall_back: null });
    expect(await operate(parts.rotator(), 'keys.rotate')).toMatchObject({ ok: true });
  });

  it('rolled back: readers accept the seq of the next keyset, and a revocation ends keys that no label holds', async () => {
    const parts = await rotated();
    const first = parts.holder('AWSCURRENT')!;
    for (let i = 0; i < 4; i++) {
      parts.clock.nowMs += 40 * DAY;
      await rotate(parts, newToken());
    }
    const [old, { seq }] = [kids(parts), parts.keyset()];
    const read = await reader(parts);
    empty(parts);
    await parts.secret.move('AWSCURRENT', parts.holder('AWSCURRENT')!, first);
    await operate(parts.rotator(), 'keys.rotate', { force: true });
    await operate(parts.rotator(), 'keys.rotate', { force: true });
    expect(parts.keyset().seq).toBe(seq + 2);
    expect((await read()).live).toEqual(kids(parts));
    const { result } = await operate(parts.rotator(), 'keys.revoke');
    for (const kid of old) expect(result.revoked).toContain(kid);
    for (const region of [HOME, AWAY]) expect(parts.refusedIn(region)).toEqual(result.revoked);
    expect(await read()).toEqual({ signs: kids(parts)[0], live: kids(parts) });
  });

  it('rolled back: the next keyset remembers what the replaced one remembered and no table holds', async () => {
    const parts = await rotated();
    const first = parts.holder('AWSCURRENT')!;
    const remembered = { revoked: ['AAAAAA'], fingerprints: ['AAAAAAAAAAAAAAAAAAAAAA'] };
    const { seq, ...rest } = parts.keyset();
    parts.store.put(NAME, newToken(), JSON.stringify({ ...rest, seq: seq + 1, ...remembered }), [
      'AWSCURRENT',
    ]);
    await parts.secret.move('AWSCURRENT', parts.holder('AWSCURRENT')!, first);
    await rotate(parts, newToken());
    expect(parts.keyset()).toMatchObject({ seq: seq + 2, ...remembered });
  });

  it('rolled back: revoking a named key that is already revoked gives readers a keyset that they accept', async () => {
    const parts = await rotated();
    const [old] = kids(parts);
    await operate(parts.rotator(), 'keys.revoke', { only_kids: [old] });
    const [before, signs] = [parts.holder('AWSCURRENT')!, kids(parts)[0]];
    await rotate(parts, newToken());
    const read = await reader(parts);
    await parts.secret.move('AWSCURRENT', parts.holder('AWSCURRENT')!, before);
    const { result } = await operate(parts.rotator(), 'keys.revoke', { only_kids: [old] });
    expect(result.failure).toBeNull();
    expect(await read()).toEqual({ signs, live: kids(parts) });
  });

  it('a Region remembers a kid for as long as a copy may hold it', async () => {
    const parts = await rotated(2);
    const known = async () => (await operate(parts.rotator(), 'keys.list')).result.known_kids;
    const [first] = kids(parts);
    parts.clock.nowMs += PUBLISH + REMOVE + 2 * 2_000;
    await rotate(parts, newToken());
    await rotate(parts, newToken());
    expect(kids(parts)).not.toContain(first);
    parts.clock.nowMs += HOUR + DAY + 2 * 2_000 - 1;
    expect(await known()).toContain(first);
    parts.clock.nowMs += 1;
    expect(await known()).not.toContain(first);
  });

  it('an unreachable Region blocks no rotation; the function’s own Region does, but blocks no revocation', async () => {
    const parts = await rotated();
    const denied = () => Promise.reject(new Unavailable('limits'));
    const lacking = (lost: string, part: 'revokedKids' | 'published', member: string) =>
      [HOME, AWAY].map((region) => {
        const all = parts.regionOf(region);
        return region === lost ? { ...all, [part]: { ...all[part], [member]: denied } } : all;
      });
    const calls = [
      ['revokedKids', 'read'],
      ['published', 'read'],
      ['published', 'change'],
    ] as const;
    for (const [part, member] of calls) {
      const { length } = parts.vault.made;
      await rotate(parts, newToken(), parts.rotator({ regions: lacking(AWAY, part, member) }));
      expect(parts.keyset().seq).toBe(length + 1);
    }
    const { seq } = parts.keyset();
    for (const [part, member] of calls) {
      const handler = parts.rotator({ regions: lacking(HOME, part, member) });
      await expect(rotate(parts, newToken(), handler)).rejects.toThrow('limits unavailable');
      await parts.secret.move('AWSPENDING', parts.holder('AWSPENDING')!, undefined);
    }
    expect(parts.keyset().seq).toBe(seq);
    for (const [part, member] of calls) {
      const handler = parts.rotator({ regions: lacking(HOME, part, member) });
      expect((await operate(handler, 'keys.revoke')).result.failure).toBeNull();
    }
  });
});

describe('a revocation that reached only the Regions', () => {
  const sealed = (parts: Parts) =>
    parts.rotator({ vault: { ...parts.vault, rotate: () => Promise.reject(new Error('sealed')) } });

  it('is completed by the next rotation: its keys are removed, the new one signs at once, and none returns', async () => {
    const parts = await rotated(2);
    const old = parts.keyset().keys;
    await operate(sealed(parts), 'keys.revoke');
    expect(kids(parts)).toHaveLength(2);
    await rotate(parts, newToken());
    expect(parts.keyset()).toMatchObject({
      revoked: old.map(({ kid }) => kid),
      fingerprints: old.map(({ jwk }) => fingerprint(jwk)),
      keys: [{ activates_at: parts.clock.nowMs }],
    });
    // A restored Vault returns old material. Once the keys have left the keyset, only the fingerprint reveals
    // it.
    const restored = { ...parts.vault, exportKey: async () => old[0]!.jwk };
    await expect(rotate(parts, newToken(), parts.rotator({ vault: restored }))).rejects.toThrow(
      'was used before',
    );
  });

  it('of the next key only: the signing key stays', async () => {
    const parts = await rotated(2);
    const [signs, next] = kids(parts);
    await operate(sealed(parts), 'keys.revoke', { only_kids: [next] });
    await rotate(parts, newToken());
    expect(parts.keyset()).toMatchObject({
      revoked: [next],
      keys: [{ kid: signs }, { activates_at: parts.clock.nowMs + PUBLISH }],
    });
  });

  it('is completed by the revocation of another key: a key that the Regions refuse does not sign', async () => {
    const parts = await rotated(2);
    const [first] = kids(parts);
    await operate(parts.rotator(), 'keys.revoke');
    const [alone] = kids(parts);
    await operate(sealed(parts), 'keys.revoke', { only_kids: [alone] });
    expect(kids(parts)).toEqual([alone]);
    await operate(parts.rotator(), 'keys.revoke', { only_kids: [first] });
    expect((await operate(parts.rotator(), 'keys.list')).result.keys).toMatchObject([{ state: 'current' }]);
    expect(kids(parts)).not.toContain(alone);
  });

  it('in a full keyset makes room for the rotation that completes it', async () => {
    const parts = rotationParts();
    for (let i = 0; i < 33; i++) await operate(parts.rotator(), 'keys.rotate', { force: true });
    expect(kids(parts)).toHaveLength(32);
    await operate(sealed(parts), 'keys.revoke', { only_kids: [kids(parts)[5]] });
    await rotate(parts, newToken());
    expect([kids(parts).length, parts.keyset().revoked.length]).toEqual([32, 1]);
  });

  it('also covers kids that only a version other than the current one lists as revoked', async () => {
    const parts = await rotated(2);
    const [before, { keys }] = [parts.holder('AWSCURRENT')!, parts.keyset()];
    await operate(parts.rotator(), 'keys.revoke', { only_kids: [keys[0]!.kid] });
    await parts.secret.move('AWSCURRENT', parts.holder('AWSCURRENT')!, before);
    // The tables were lost.
    const regions = [HOME, AWAY].map((region) => ({
      ...parts.regionOf(region),
      revokedKids: { read: async () => [], add: async () => {} },
    }));
    const { result } = await operate(parts.rotator({ regions }), 'keys.revoke', {
      only_kids: [keys[1]!.kid],
    });
    expect([...result.revoked].sort()).toEqual(keys.map(({ kid }) => kid).sort());
    expect(kids(parts)).not.toContain(keys[0]!.kid);
  });
});

describe('keys-watch', () => {
  const reasons = (parts: Parts) =>
    parts.log.flatMap(({ reason, region }) => (reason ? [[reason, region]] : []));
  const watchOf = (parts: Parts, rotator: RotateHandler, rotates: boolean) =>
    keysWatchHandler({
      ask: askDirectly(rotator),
      rotates,
      rotationPeriodsMs: { nonce: 30 * DAY },
      nowMs: () => parts.clock.nowMs,
      log: (entry) => parts.log.push(entry),
    });

  it('reports nothing about a healthy keyset', async () => {
    const parts = await rotated(2);
    for (let hours = 0; hours < 33 * 24; hours += 1) {
      await parts.watch();
      parts.clock.nowMs += HOUR;
    }
    expect(reasons(parts)).toEqual([]);
  });

  it('reports an overdue rotation, an empty keyset, and a replica that lacks the next key in time', async () => {
    const parts = await rotated();
    parts.clock.nowMs += 33 * DAY + 1;
    await parts.watch();
    expect(reasons(parts)).toEqual([['rotation_overdue', undefined]]);

    const empty = rotationParts();
    await empty.watch();
    expect(reasons(empty)).toEqual([['no_keys', undefined]]);

    const lagging = rotationParts({ replicaLagMs: () => 3 * DAY });
    await rotated(1, lagging);
    lagging.clock.nowMs += 30 * DAY;
    await rotate(lagging, newToken());
    lagging.clock.nowMs += HOUR - 1;
    await lagging.watch();
    expect(reasons(lagging)).toEqual([]);
    lagging.clock.nowMs += 1;
    await lagging.watch();
    expect(reasons(lagging)).toEqual([['replica_lacks_next_key', AWAY]]);
  });

  it('reports that the secret was rolled back, in the rotating Region, until readers accept it again', async () => {
    const parts = await rotated();
    const first = parts.holder('AWSCURRENT')!;
    parts.clock.nowMs += 30 * DAY;
    await rotate(parts, newToken());
    await parts.secret.move('AWSCURRENT', parts.holder('AWSCURRENT')!, first);
    parts.clock.nowMs -= 30 * DAY;
    const watching = (rotates: boolean) => watchOf(parts, parts.rotator(), rotates)();
    await watching(false);
    expect(reasons(parts)).toEqual([]);
    await watching(true);
    expect(reasons(parts)).toEqual([['rolled_back', undefined]]);
    const { result } = await operate(parts.rotator(), 'keys.list');
    expect([result.seq, result.published_seq]).toEqual([1, 2]);
    await parts.secret.move('AWSCURRENT', first, result.fall_back);
    await watching(true);
    expect(reasons(parts)).toHaveLength(1);
  });

  it('reports the Region that does not refuse a revoked key', async () => {
    const parts = await rotated();
    await operate(parts.rotator(), 'keys.revoke');
    const away = parts.regionOf(AWAY);
    const regions = [
      parts.regionOf(HOME),
      { ...away, revokedKids: { ...away.revokedKids, read: async () => [] } },
    ];
    await watchOf(parts, parts.rotator({ regions }), true)();
    expect(reasons(parts)).toEqual([['revoked_key_accepted', AWAY]]);
    await parts.watch();
    expect(reasons(parts)).toHaveLength(1);
  });

  it('cannot make, revoke or spare a key through its alias, whatever it sends', async () => {
    const parts = await rotated(2);
    const before = parts.keyset();
    const handler = parts.rotator();
    const arn = 'arn:aws:lambda:eu-west-1:123456789012:function:countersign-live-rotate-nonce';
    const by = (invokedFunctionArn: string, event: object) =>
      handler(event, { awsRequestId: 'r', invokedFunctionArn });
    const token = newToken();
    parts.store.stagePending(NAME, token);
    const steps = STEPS.map((Step) => ({ Step, SecretId: NAME, ClientRequestToken: token }));
    for (const event of [
      { action: 'keys.revoke', params: {} },
      { action: 'keys.revoke', params: { only_kids: [before.keys[0]!.kid] } },
      { action: 'keys.rotate', params: {} },
      ...steps,
      { ...steps[0], action: 'keys.list' },
    ]) {
      const answer = await by(`${arn}:watch`, event);
      const served = 'action' in event && event.action === 'keys.list';
      expect([event, answer]).toMatchObject([event, { ok: served }]);
    }
    expect([parts.keyset(), parts.told, parts.vault.made.length]).toEqual([before, [], 2]);
    expect(parts.holder('AWSPENDING')).toBe(token);

    expect(await by(`${arn}:watch`, { action: 'keys.list', params: {} })).toMatchObject({ ok: true });
    // It may also remove a stuck rotation.
    const unstick = (version_id?: string) =>
      by(`${arn}:watch`, { action: 'keys.unstick', params: { version_id } });
    expect(await unstick()).toMatchObject({ ok: false, problem: { code: 'malformed_request' } });
    parts.clock.nowMs += HOUR - 2 * 2_000;
    expect(await unstick(token)).toMatchObject({ ok: false, problem: { code: 'rotation_in_progress' } });
    expect(parts.holder('AWSPENDING')).toBe(token);
    parts.clock.nowMs += 1_000;
    expect(await unstick(newToken())).toMatchObject({ ok: true });
    expect(parts.holder('AWSPENDING')).toBe(token);
    expect(await unstick(token)).toMatchObject({ ok: true });
    expect(parts.holder('AWSPENDING')).toBeUndefined();
    // A caller of the function itself may do everything.
    for (const each of [arn, `${arn}:$LATEST`])
      expect(await by(each, { action: 'keys.revoke', params: {} })).toMatchObject({ ok: true });
  });

  it('leaves the labels unchanged if keys are not rotated, and reports the same', async () => {
    const parts = await rotated();
    const { keysWatchHandler } = await import('../../../lambda/rotate/watch/handler.ts');
    const asked: string[] = [];
    const ask = askDirectly(parts.rotator());
    parts.store.stagePending(NAME, newToken());
    parts.clock.nowMs += 33 * DAY + 1;
    await keysWatchHandler({
      ask(purpose, action, params) {
        asked.push(action);
        return ask(purpose, action, params);
      },
      rotates: false,
      rotationPeriodsMs: { nonce: 30 * DAY },
      nowMs: () => parts.clock.nowMs,
      log: (entry) => parts.log.push(entry),
    })();
    expect([asked, reasons(parts)]).toEqual([['keys.list'], [['rotation_overdue', undefined]]]);
  });

  it('checks the others when one cannot be read, and then fails', async () => {
    const parts = await rotated();
    const { keysWatchHandler } = await import('../../../lambda/rotate/watch/handler.ts');
    const ask = askDirectly(parts.rotator());
    const watch = keysWatchHandler({
      ask: (purpose, ...rest) =>
        purpose === 'token' ? Promise.reject(new Error('marked-secret')) : ask(purpose, ...rest),
      rotates: true,
      rotationPeriodsMs: { token: DAY, nonce: DAY },
      nowMs: () => parts.clock.nowMs + 3 * DAY,
      log: (entry) => parts.log.push(entry),
    });
    await expect(watch()).rejects.toThrow('1 of 2 keysets');
    expect(parts.log.filter(({ level }) => level !== 'INFO').slice(-2)).toMatchObject([
      { level: 'ERROR', purpose: 'token' },
      { level: 'WARN', purpose: 'nonce', reason: 'rotation_overdue' },
    ]);
    expect(JSON.stringify(parts.log)).not.toContain('marked-secret');
  });
});
