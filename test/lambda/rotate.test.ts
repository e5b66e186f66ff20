/** The real rotation function: its four steps, what an operator may ask, and what breaks in between. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SecretVersions } from '../../lambda/adapters/secret-versions.ts';
import { parseKeyset, signingKey, verificationKey, verificationKeys } from '../../protocol/keyset.ts';
import {
  AWAY,
  askDirectly,
  DAY,
  fakeVault,
  gated,
  HOME,
  HOUR,
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
} from './rotation-parts.ts';

/** From making a key to its first signature, and from there to the end of the one before it. */
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
  it('of an empty keyset gives a key that signs at once', async () => {
    const parts = await rotated();
    expect(parts.keyset()).toMatchObject({ seq: 1, revoked: [], based_on: '0'.repeat(32) });
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

  it('drops what is retired by every clock, and then lets Vault forget it', async () => {
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

  it('does nothing new when any step is repeated', async () => {
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

  it('whose step comes for another secret, or is no step, is refused', async () => {
    const { rotator } = rotationParts();
    const event = { Step: 'createSecret', SecretId: `${NAME}-2`, ClientRequestToken: 't' };
    for (const wrong of [{}, { Step: 'dropSecret', SecretId: NAME }, { SecretId: undefined }])
      await expect(rotator()({ ...event, ...wrong }, { awsRequestId: 'r' })).rejects.toThrow('not a step');
    const arn = `arn:aws:secretsmanager:${HOME}:000000000000:secret:${NAME}-a1b2c3`;
    await expect(
      rotator()({ ...event, Step: 'setSecret', SecretId: arn }, { awsRequestId: 'r' }),
    ).resolves.toBeUndefined();
  });

  it('is tested without a version, and with one that has no value: AWS does so when a schedule is set', async () => {
    const parts = await rotated();
    await step(parts.rotator(), 'testSecret', newToken());
    const token = newToken();
    parts.store.stagePending(NAME, token);
    await step(parts.rotator(), 'testSecret', token);
  });

  it('is not finished later than X, and leaves no AWSPENDING in the way', async () => {
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

  it.each([
    ['drops a live key', (text: string) => dropKey(text)],
    ['has a key that is too short', (text: string) => text.replace(/"k":"[^"]+"/, '"k":"AAAA"')],
    ['is no keyset', () => 'swordfish'],
    ['follows another seq', (text: string) => text.replace('"seq":2', '"seq":9')],
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
    'whose %s key does not verify what it signs is refused by its test',
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

/** Every call that one rotation makes. */
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

describe('a crash', () => {
  it('before or after any call leaves the current version as it was, or whole; the next rotation goes through', async () => {
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

      // Secrets Manager may repeat the step that failed; and does the same again from the beginning.
      parts.clock.nowMs += 10 * MINUTE;
      for (const each of STEPS) await step(parts.rotator(), each, token).catch(() => {});
      expect([parts.holder('AWSCURRENT'), parts.keyset().seq]).toEqual([token, 2]);
    }
  });

  it('that nobody repeats blocks no later rotation for longer than X and an hour', async () => {
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

/** A part whose calls a scheduler puts in any order, on their way there and back. */
const scheduled = <T extends object>(s: fc.Scheduler, part: T): T =>
  gated(part, (call, when) => s.schedule(Promise.resolve(), `${call} ${when}`));

/** What each version that became current was made from is what was current before it. */
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

/** Follows who is current. */
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

describe('side by side', () => {
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
        expect(parts.keyset().revoked).toEqual(expect.arrayContaining(stolen));
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
    // What the check is there for can happen, and it keeps it from happening.
    expect(stolen.some((kid) => live(parts).includes(kid))).toBe(careless);
  });
});

describe('a revocation', () => {
  it('replaces every key at once, one that was only published included, and tells every Region', async () => {
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

  it('of the published key alone spares the one that signs, and the next waits as usual', async () => {
    const parts = await rotated(2);
    const [signs, published] = kids(parts);
    await operate(parts.rotator(), 'keys.revoke', { only_kids: [published] });
    const { keys, revoked } = parts.keyset();
    expect(revoked).toEqual([published]);
    expect(keys.map(({ kid }) => kid)).toEqual([signs, expect.any(String)]);
    expect(keys[1]!.activates_at).toBe(parts.clock.nowMs + PUBLISH);
    expect(keys[0]!.retires_at).toBe(parts.clock.nowMs + PUBLISH + REMOVE);
  });

  it('of the signing key alone lets the published one sign at once', async () => {
    const parts = await rotated(2);
    const [signs, published] = kids(parts);
    await operate(parts.rotator(), 'keys.revoke', { only_kids: [signs] });
    expect(signingKey(parts.keyset(), parts.clock.nowMs)?.kid).toBe(published);
    expect(live(parts)).not.toContain(signs);
  });

  it('of a kid that is not there is refused, and revokes nothing', async () => {
    const parts = await rotated();
    const answer = await operate(parts.rotator(), 'keys.revoke', { only_kids: ['AAAAAA'] });
    expect(answer).toMatchObject({ ok: false, problem: { status: 404, code: 'not_found' } });
    expect([parts.told, parts.keyset().revoked]).toEqual([[], []]);
  });

  it('with the primary Region, or Vault, lost: the other Regions refuse the keys all the same, and it says so', async () => {
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
    // Again, once it is back: those keys go for good, and are told again.
    expect(await operate(parts.rotator(), 'keys.revoke')).toMatchObject({
      ok: true,
      result: { revoked: old },
    });
  });

  it('whose answer is lost is not made twice', async () => {
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

  it('is remembered, but not for ever: a secret holds 64 KB', async () => {
    const parts = await rotated();
    for (let i = 0; i < 140; i++) await operate(parts.rotator(), 'keys.revoke');
    expect(parts.keyset().revoked).toHaveLength(128);
    expect(parts.keyset().seq).toBe(141);
  });
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
      regions: [{ region: AWAY, kids: kids(parts) }],
    });
    for (const { k } of parts.vault.made) expect(JSON.stringify(result)).not.toContain(k);
  });

  it('rotates now, unless a rotation is under way; a stuck one is taken out of the way', async () => {
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
    expect(await operate(parts.rotator(), 'keys.rotate')).toMatchObject({ ok: true, result: { seq: 3 } });
  });

  it('leaves an audit line for each', async () => {
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

it('a keyset that was emptied is not begun anew: readers would take none of its numbers', async () => {
  const parts = await rotated(2);
  const right = parts.holder('AWSCURRENT')!;
  parts.store.put(NAME, newToken(), '{"keys":[]}', ['AWSCURRENT']);
  await expect(rotate(parts, newToken())).rejects.toThrow(`move AWSCURRENT back to version ${right}`);
  const answer = await operate(parts.rotator(), 'keys.revoke');
  expect(answer.result).toMatchObject({ keyset: null, failure: expect.stringContaining(right) });
  expect(parts.keyset().keys).toEqual([]);
});

describe('keys-watch', () => {
  const reasons = (parts: Parts) =>
    parts.log.flatMap(({ reason, region }) => (reason ? [[reason, region]] : []));

  it('has nothing to say of a keyset in order', async () => {
    const parts = await rotated(2);
    for (let hours = 0; hours < 33 * 24; hours += 1) {
      await parts.watch();
      parts.clock.nowMs += HOUR;
    }
    expect(reasons(parts)).toEqual([]);
  });

  it('says that a rotation is overdue, that there are no keys, and that a replica lacks the next one in time', async () => {
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

  it('has its alias serve nothing that makes, revokes or spares a key, whatever it sends', async () => {
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

    for (const action of ['keys.list', 'keys.unstick'])
      expect(await by(`${arn}:watch`, { action, params: {} })).toMatchObject({ ok: true });
    expect(parts.holder('AWSPENDING')).toBeUndefined();
    // Who may call the function itself may do all.
    for (const each of [arn, `${arn}:$LATEST`])
      expect(await by(each, { action: 'keys.revoke', params: {} })).toMatchObject({ ok: true });
  });

  it('leaves the labels alone where keys are not rotated, and reports the same', async () => {
    const parts = await rotated();
    const { keysWatchHandler } = await import('../../lambda/keys-watch/handler.ts');
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

  it('looks at the others when one cannot be read, and then fails', async () => {
    const parts = await rotated();
    const { keysWatchHandler } = await import('../../lambda/keys-watch/handler.ts');
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
