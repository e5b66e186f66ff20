/**
 * `countersign keys promote`: every step, in every order of losses and returns, and killed before each of its
 * calls.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CliError } from '../../cli/io.ts';
import { projectLock } from '../../cli/keys/lock.ts';
import { promoteKeys } from '../../cli/keys/promote.ts';
import type { PromoteOptions, PromotionStep } from '../../cli/keys/promotion.ts';
import type { Target } from '../../cli/target.ts';
import { Unavailable } from '../../lambda/adapters/call.ts';
import { secretName } from '../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { type LocalServer, startServer } from '../../local/server.ts';
import { NOTHING_PUBLISHED } from '../../protocol/published.ts';
import { HOME, NEXT, REGIONS, STAGE, THIRD, World } from '../support/promotion.ts';
import { Directory } from './cli.ts';

let server: LocalServer;
let world: World;
const directory = new Directory();
/** Runs before the next call of AWS is answered. */
let beforeCall: (() => Promise<unknown>) | undefined;
beforeAll(async () => {
  server = await startServer(0, new Set());
  server.serve(async (request, response) => {
    const run = beforeCall;
    beforeCall = undefined;
    await run?.();
    await world.endpoint(request, response);
  });
});
afterAll(async () => {
  await server.stop();
  directory.remove();
});
beforeEach(() => begin());

const LOCK = 'countersign.lock.json';
const readLock = () => JSON.parse(directory.read(LOCK));

async function begin(regions: readonly string[] = REGIONS): Promise<void> {
  world = new World(regions);
  await world.start();
  directory.write(LOCK, JSON.stringify({ [STAGE]: { homeRegion: HOME }, other: {} }));
}

const promote = (options: Partial<PromoteOptions> = {}, to: string = NEXT, more: Partial<Target> = {}) =>
  promoteKeys(world.target(server.url, more), to, {
    yes: false,
    lock: projectLock(directory.path),
    timeoutMs: 50,
    pollMs: 1,
    patienceMs: 5_000,
    signal: new AbortController().signal,
    report: () => {},
    ...options,
  });

const undone = (steps: readonly PromotionStep[]) =>
  steps.filter(({ done }) => !done).map(({ step, region, purpose }) => [step, region, purpose]);
const details = (steps: readonly PromotionStep[], name: string) =>
  steps.filter(({ step }) => step === name).map(({ detail }) => detail);

const primaries = () =>
  REGIONS.map((region) => world.secrets.in(region).find(secretName(STAGE, 'nonce')).primaryRegion);

/** What the command asks for, done by a person: run, deploy, run again. */
async function promoteAndDeploy(options: Partial<PromoteOptions> = {}): Promise<readonly PromotionStep[]> {
  expect(undone(await promote(options))).toEqual([['deploy', NEXT, null]]);
  for (const region of [NEXT, THIRD]) world.deploy(region, NEXT);
  return promote(options);
}

/** Moves AWSCURRENT back in the home Region. @returns the version that had it, and the one that has it */
function rollBack(): [string, string] {
  const store = world.secrets.in(HOME);
  const name = secretName(STAGE, 'nonce');
  const [newer, older] = ['AWSCURRENT', 'AWSPREVIOUS'].map(
    (stage) => store.read(store.find(name), undefined, stage).id,
  ) as [string, string];
  store.moveStage(name, 'AWSCURRENT', newer, older);
  return [newer, older];
}

/** A rotation by the schedule of the home Region, which has made its keyset. */
async function beginRotation(): Promise<(Step: string) => Promise<unknown>> {
  const token = 'u'.repeat(32);
  const run = (Step: string) =>
    world.function(HOME, 'nonce')(
      { Step, SecretId: secretName(STAGE, 'nonce'), ClientRequestToken: token },
      { awsRequestId: '1' },
    );
  world.secrets.in(HOME).stagePending(secretName(STAGE, 'nonce'), token);
  await run('createSecret');
  return run;
}

/** Keeps back the first answer of a Region's memory that `isLate` chooses. */
class Late {
  readonly #reached = Promise.withResolvers<void>();
  readonly #answered = Promise.withResolvers<void>();
  readonly reached = this.#reached.promise;
  readonly answer = this.#answered.resolve;

  constructor(isLate: (...step: Parameters<World['meanwhile']>) => boolean) {
    let isOver = false;
    world.meanwhile = (...step) => {
      if (isOver || !isLate(...step)) return undefined;
      isOver = true;
      this.#reached.resolve();
      return this.#answered.promise;
    };
  }
}

describe('the home Region is lost', () => {
  beforeEach(() => world.lose(HOME));

  it('another takes over: its secret is its own, and it waits for its deployment', async () => {
    const before = PURPOSES.map((purpose) => world.kids(NEXT, purpose));
    const steps = await promote();
    expect(undone(steps)).toEqual([['deploy', NEXT, null]]);
    expect(primaries()).toEqual([HOME, NEXT, HOME]);
    expect(PURPOSES.map((purpose) => world.kids(NEXT, purpose))).toEqual(before);
    expect(details(steps, 'detach')[0]).toBe(
      `is now a secret of its own, with ${before[0]!.join(', ')}; no published key is missing`,
    );
    expect(details(steps, 'deploy')[0]).toMatch(
      /^set keys\.managedBy: 'eu-central-1' in the config, .*run this command again$/,
    );
    expect(readLock()).toEqual({ [STAGE]: { homeRegion: HOME, keysManagedBy: NEXT }, other: {} });
  });

  it('before its deployment it makes no key either', async () => {
    await promote();
    const before = world.made(NEXT);
    expect(await world.operate(NEXT, 'nonce', 'keys.rotate', { force: true })).toMatchObject({
      ok: false,
      problem: { detail: expect.stringContaining(`${HOME} alone makes keys, as ${NEXT} is deployed`) },
    });
    expect(world.made(NEXT)).toEqual(before);
  });

  it('deployed, the other Regions follow it; the lost one is left over, and said', async () => {
    const steps = await promoteAndDeploy();
    expect(undone(steps)).toEqual([['replicate', HOME, null]]);
    expect(details(steps, 'replicate').at(-1)).toMatch(
      /When it is back: keep it evacuated, deploy its stacks .* before you return eu-west-1$/,
    );
    expect(primaries()).toEqual([HOME, NEXT, NEXT]);
    // Each replica keeps its own Region's key.
    expect(world.secrets.in(THIRD).find(secretName(STAGE, 'nonce')).kmsKeyId).toContain(THIRD);
    // New keys are made, and arrive.
    expect(await world.operate(NEXT, 'nonce', 'keys.rotate')).toMatchObject({ ok: true });
    expect(world.kids(THIRD)).toEqual(world.kids(NEXT));
  });

  it('back, it makes no key before anybody has looked, by its schedule or an operator', async () => {
    await promoteAndDeploy();
    world.bringBack(HOME);
    const before = [world.kids(HOME), world.made(HOME)];
    const refused = { ok: false, problem: { code: 'rotation_refused' } };
    expect(await world.operate(HOME, 'nonce', 'keys.rotate', { force: true })).toMatchObject(refused);
    const step = { SecretId: secretName(STAGE, 'nonce'), ClientRequestToken: 't'.repeat(32) };
    await expect(
      world.function(HOME, 'nonce')({ Step: 'createSecret', ...step }, { awsRequestId: '1' }),
    ).rejects.toThrow(/were promoted to eu-central-1, which alone makes new ones/);
    expect(await world.operate(HOME, 'nonce', 'keys.revoke')).toMatchObject({
      ok: true,
      result: { keyset: null, failure: expect.stringContaining('were promoted to eu-central-1') },
    });
    expect([world.kids(HOME), world.made(HOME)]).toEqual(before);
  });

  it('back, it is a replica only once its stack is deployed; then it has the keys of the new key home', async () => {
    await promoteAndDeploy();
    await world.operate(NEXT, 'nonce', 'keys.rotate');
    world.bringBack(HOME);
    expect(undone(await promote())).toEqual([['deploy', HOME, null]]);
    expect(primaries()).toEqual([HOME, NEXT, NEXT]);

    world.deploy(HOME, NEXT);
    expect(undone(await promote())).toEqual([]);
    expect(primaries()).toEqual([NEXT, NEXT, NEXT]);
    for (const purpose of PURPOSES) expect(world.kids(HOME, purpose)).toEqual(world.kids(NEXT, purpose));
  });

  it('a Region whose schedule is not what its config says is not deployed yet', async () => {
    await promote();
    world.managedBy.set(NEXT, NEXT);
    expect(undone(await promote())).toEqual([['deploy', NEXT, null]]);
    for (const region of [NEXT, THIRD]) world.deploy(region, NEXT);
    world.bringBack(HOME);
    world.managedBy.set(HOME, NEXT);
    expect(undone(await promote())).toEqual([['deploy', HOME, null]]);
    expect(primaries()).toEqual([HOME, NEXT, NEXT]);
  });

  it('back, it refuses what was revoked while it was away', async () => {
    await promoteAndDeploy();
    const { result } = await world.operate(NEXT, 'nonce', 'keys.revoke');
    expect(result.keyset.keys.map(({ state }: { state: string }) => state)).toEqual(['current']);
    world.bringBack(HOME);
    world.deploy(HOME, NEXT);
    await promote();
    expect([...world.limits(HOME).revoked]).toEqual(expect.arrayContaining(result.revoked));
  });

  it('a key that did not arrive is named; what follows is not confused by it', async () => {
    world.bringBack(HOME);
    world.lagMs.value = 1_000;
    await world.operate(HOME, 'nonce', 'keys.rotate');
    const late = world.kids(HOME).at(-1)!;
    world.lose(HOME);
    world.clock.nowMs += 2_000;
    const steps = await promote();
    expect(details(steps, 'detach')[0]).toContain(`without ${late}, which the former key home made last`);
    for (const region of [NEXT, THIRD]) world.deploy(region, NEXT);
    await promote();
    await world.operate(NEXT, 'nonce', 'keys.rotate');
    world.bringBack(HOME);
    world.deploy(HOME, NEXT);

    // The former key home holds it. It goes only where somebody says so.
    world.clock.nowMs += 2_000;
    const asked = await promote();
    expect(undone(asked)).toContainEqual(['replicate', HOME, 'nonce']);
    expect(details(asked, 'replicate').find((detail) => detail.includes(late))).toMatch(
      /made there alone: .* --yes$/,
    );
    expect(world.kids(HOME)).toContain(late);
    world.lagMs.value = 0;
    expect(undone(await promote({ yes: true }))).toEqual([]);
    expect(world.kids(HOME)).toEqual(world.kids(NEXT));
    expect(world.kids(NEXT)).not.toContain(late);
  });

  it('a key that a revocation made, and that did not arrive: it is not done as long as no key signs', async () => {
    world.bringBack(HOME);
    world.lagMs.value = 1_000;
    await world.operate(HOME, 'nonce', 'keys.revoke');
    world.lose(HOME);
    world.clock.nowMs += 2_000;
    const steps = await promoteAndDeploy();
    expect(undone(steps)).toContainEqual(['sign', NEXT, 'nonce']);
    expect(details(steps, 'sign')[0]).toMatch(/^no key of this version signs; a rotation did not finish/);
    expect(await world.operate(NEXT, 'nonce', 'keys.revoke')).toMatchObject({ result: { failure: null } });
    expect(undone(await promote())).not.toContainEqual(['sign', NEXT, 'nonce']);
  });

  it('a secret that was rolled back: the label is moved first, and no key is lost', async () => {
    world.bringBack(HOME);
    await world.operate(HOME, 'nonce', 'keys.revoke');
    const [signs] = world.kids(HOME);
    const [newer, older] = rollBack();
    const before = world.state();
    const rolledBack = `rolled back: readers hold version 2, and ignore this one: move AWSCURRENT back to version ${newer}`;
    await expect(promote({ yes: true })).rejects.toThrow(
      new RegExp(`^nonce: ${rolledBack} .* Do that in ${HOME}, and run this command again$`),
    );
    expect(world.state()).toEqual(before);

    // The labels of a lost Region's secret can be moved in no replica.
    world.lose(HOME);
    const steps = await promote();
    expect(undone(steps)).toEqual([['detach', NEXT, 'nonce']]);
    expect(details(steps, 'detach')[0]).toMatch(
      new RegExp(`^${rolledBack} .* Do that in ${NEXT}, and run this command again$`),
    );
    expect(readLock()).toEqual({ [STAGE]: { homeRegion: HOME }, other: {} });
    await expect(promote()).rejects.toThrow(`Do that in ${NEXT}`);
    world.secrets.in(NEXT).moveStage(secretName(STAGE, 'nonce'), 'AWSCURRENT', older, newer);
    expect(undone(await promoteAndDeploy())).toEqual([['replicate', HOME, null]]);
    expect(world.kids(NEXT)).toEqual([signs]);
  });

  it('back, a key that it had before the promotion is no key that it made alone', async () => {
    await promoteAndDeploy();
    const taken = world.kids(NEXT)[0]!;
    for (let rotations = 0; world.kids(NEXT).includes(taken); rotations++) {
      expect(rotations).toBeLessThan(10);
      expect(await world.operate(NEXT, 'nonce', 'keys.rotate')).toMatchObject({ ok: true });
      world.clock.nowMs += 30 * 86_400_000;
    }
    world.bringBack(HOME);
    world.deploy(HOME, NEXT);
    expect(world.kids(HOME)).toContain(taken);
    expect(undone(await promote())).toEqual([]);
    expect(world.kids(HOME)).toEqual(world.kids(NEXT));
  });

  it('a Region whose copy is newer is named, and promoted instead', async () => {
    world.bringBack(HOME);
    world.secrets.lose(NEXT);
    world.clock.nowMs += 1;
    await world.operate(HOME, 'nonce', 'keys.rotate');
    const late = world.kids(HOME).at(-1)!;
    world.lose(HOME);
    const before = world.state();
    await expect(promote()).rejects.toThrow(
      `nonce: the copy of ${NEXT} lacks ${late}, which ${THIRD} has: promote that Region, or lose the key with --yes`,
    );
    expect(world.state()).toEqual(before);
    world.secrets.bringBack(NEXT);
    expect(undone(await promote({}, THIRD))).toContainEqual(['deploy', THIRD, null]);
    expect(world.kids(THIRD)).toContain(late);
  });

  it('a replica that is not there yet, and a Region that accepts what is revoked, are said', async () => {
    await promote();
    for (const region of [NEXT, THIRD]) world.deploy(region, NEXT);
    const { result } = await world.operate(NEXT, 'nonce', 'keys.revoke');
    // The clock of this world stands: nothing arrives by waiting.
    world.lagMs.value = 1_000;
    expect(undone(await promote())).toEqual([
      ['replicate', THIRD, 'nonce'],
      ['replicate', THIRD, null],
      ['replicate', HOME, null],
    ]);
    world.clock.nowMs += 1_000;
    const { revoked } = world.limits(THIRD);
    revoked.clear();
    revoked.add = () => revoked;
    const steps = await promote();
    expect(undone(steps)).toEqual([
      ['compare', THIRD, 'nonce'],
      ['replicate', THIRD, null],
      ['replicate', HOME, null],
    ]);
    expect(details(steps, 'compare')[0]).toContain(`does not refuse ${result.revoked[0]}`);
  });

  it('a replica that lacks a key that was made since is no copy', async () => {
    await promote();
    for (const region of [NEXT, THIRD]) world.deploy(region, NEXT);
    const report = ({ step, region }: PromotionStep) => {
      if (step !== 'replicate' || region !== THIRD || world.lagMs.value > 0) return;
      world.clock.nowMs += 2_000;
      world.lagMs.value = 1_000;
      beforeCall = () => world.operate(NEXT, 'nonce', 'keys.rotate');
    };
    const steps = await promote({ report });
    expect(undone(steps)[0]).toEqual(['compare', THIRD, 'nonce']);
    expect(details(steps, 'compare')[0]).toBe(`lacks ${world.kids(NEXT).at(-1)}`);
  });

  it('a secret that is its own again when it is compared is no copy, whatever keys it has', async () => {
    await promote();
    for (const region of [NEXT, THIRD]) world.deploy(region, NEXT);
    const name = secretName(STAGE, 'nonce');
    const report = ({ step, region, purpose }: PromotionStep) => {
      if (step === 'replicate' && region === THIRD && purpose === 'nonce') world.secrets.stop(THIRD, name);
    };
    const steps = await promote({ report });
    expect(world.kids(THIRD)).toEqual(world.kids(NEXT));
    expect(undone(steps)[0]).toEqual(['compare', THIRD, 'nonce']);
    expect(details(steps, 'compare')[0]).toBe(`still reads a secret of ${THIRD}`);
  });

  it('back, a key that was revoked between two promotions is no key that it made alone', async () => {
    await promoteAndDeploy();
    const { result } = await world.operate(NEXT, 'nonce', 'keys.revoke');
    expect(await world.operate(NEXT, 'nonce', 'keys.rotate', { force: true })).toMatchObject({ ok: true });
    expect(undone(await promote({ yes: true }, THIRD))).toContainEqual(['deploy', THIRD, null]);
    for (const region of [NEXT, THIRD]) world.deploy(region, THIRD);
    await promote({ yes: true }, THIRD);
    world.bringBack(HOME);
    world.deploy(HOME, THIRD);
    expect(world.kids(HOME).some((kid) => result.revoked.includes(kid))).toBe(true);
    // Its functions do not know that the key is refused, and reach no Region that does.
    world.shutIn.add(HOME);
    const { revoked } = world.limits(HOME);
    revoked.clear();
    revoked.add = () => revoked;
    const steps = await promote({}, THIRD);
    expect(details(steps, 'replicate').join()).not.toContain('made there alone');
    expect(undone(steps)[0]).toEqual(['compare', HOME, 'nonce']);
  });

  it('a replica that fails costs one purpose in one Region, what is left is said, and it is repaired', async () => {
    await promote();
    for (const region of [NEXT, THIRD]) world.deploy(region, NEXT);
    world.bringBack(HOME);
    world.deploy(HOME, NEXT);
    const [first, ...others] = PURPOSES;
    const names = (region: string) =>
      world.secrets
        .in(region)
        .all()
        .map(({ name }) => name);
    const keyOf = (region: string, purpose: Purpose) =>
      world.secrets.in(region).find(secretName(STAGE, purpose)).kmsKeyId;
    const keys = PURPOSES.map((purpose) => keyOf(HOME, purpose));
    world.disabledKeys.add(HOME);
    const steps = await promote();
    expect(undone(steps)).toEqual([
      ['replicate', HOME, first],
      ['replicate', HOME, null],
      ['replicate', THIRD, null],
    ]);
    const [failed, left, next] = details(steps, 'replicate');
    expect(failed).toMatch(
      /KMS key is disabled.*eu-west-1 now has no secret of nonce.*run this command again/,
    );
    expect(left).toContain(`left as they are, because nonce in ${HOME} failed: ${others.join(', ')}`);
    expect(next).toContain(`left as they are, because nonce in ${HOME} failed: ${PURPOSES.join(', ')}`);
    expect(names(HOME)).toEqual(others.map((purpose) => secretName(STAGE, purpose)));
    expect(names(THIRD)).toHaveLength(PURPOSES.length);

    // As long as the key is not usable, nothing more is lost.
    expect(undone(await promote())).toEqual(undone(steps));
    expect(names(HOME)).toHaveLength(others.length);
    world.disabledKeys.clear();
    expect(undone(await promote())).toEqual([]);
    expect(primaries()).toEqual([NEXT, NEXT, NEXT]);
    expect(PURPOSES.map((purpose) => keyOf(HOME, purpose))).toEqual(keys);
    expect(PURPOSES.map((purpose) => world.kids(HOME, purpose))).toEqual(
      PURPOSES.map((purpose) => world.kids(NEXT, purpose)),
    );
  });

  it.each([[[]], [[NEXT]]] as string[][][])(
    'a Region without any secret is there, and gets replicas: functions that are shut in: %j',
    async (shutIn) => {
      await promoteAndDeploy();
      for (const region of shutIn) world.shutIn.add(region);
      for (const purpose of PURPOSES) world.secrets.removeReplicas(NEXT, secretName(STAGE, purpose), [THIRD]);
      expect(undone(await promote())).toEqual([['replicate', HOME, null]]);
      expect(primaries()).toEqual([HOME, NEXT, NEXT]);
      expect(world.kids(THIRD)).toEqual(world.kids(NEXT));
    },
  );

  it('a Region that had no secret, and was not told of the promotion, is told before it counts', async () => {
    await promoteAndDeploy();
    for (const region of [NEXT, THIRD]) world.shutIn.add(region);
    for (const purpose of PURPOSES) {
      world.secrets.removeReplicas(NEXT, secretName(STAGE, purpose), [THIRD]);
      world.limits(THIRD, purpose).published = NOTHING_PUBLISHED;
    }
    const steps = await promote();
    expect(undone(steps)[0]).toEqual(['compare', THIRD, 'nonce']);
    expect(details(steps, 'compare')[0]).toContain('does not know of the promotion');
    // Each run tells the purposes that have a secret again, and repairs the next one.
    for (const _ of PURPOSES) await promote();
    expect(undone(await promote())).toEqual([['replicate', HOME, null]]);
    expect(world.limits(THIRD, 'token').published.home).toMatchObject({ region: NEXT });
  });

  it('functions that see only their own Region are told one by one', async () => {
    world.shutIn.add(NEXT);
    await promote();
    expect(world.limits(THIRD).published.home).toEqual(world.limits(NEXT).published.home);
    expect(world.limits(THIRD).published.home).toMatchObject({ term: 1, region: NEXT });
  });

  it('a Region that cannot remember the promotion does not count, although it answers itself', async () => {
    world.meanwhile = (_, does, to) =>
      does === 'changes' && to === THIRD ? Promise.reject(new Unavailable('limits')) : undefined;
    const steps = await promote();
    expect(undone(steps)).toEqual([['take-over', NEXT, 'nonce']]);
    expect(details(steps, 'take-over')[0]).toMatch(/^not confirmed by eu-west-3, whose table limits cannot/);
  });

  it('nor does one that cannot refuse what was revoked', async () => {
    world.bringBack(HOME);
    await world.operate(HOME, 'nonce', 'keys.revoke');
    world.lose(HOME);
    world.limits(THIRD).revoked.add = () => {
      throw new Unavailable('limits');
    };
    const steps = await promote();
    expect(undone(steps)).toEqual([['take-over', NEXT, 'nonce']]);
    expect(details(steps, 'take-over')[0]).toMatch(/^not confirmed by eu-west-3, whose table limits cannot/);
  });
});

describe('the home Region answers', () => {
  it('nothing happens without --yes, and the risk is said', async () => {
    const before = world.state();
    await expect(promote()).rejects.toThrow(
      /^eu-west-1 answers, and makes the keys: .* none is made until eu-central-1 is deployed .* --yes$/,
    );
    expect(world.state()).toEqual(before);
  });

  it('it makes no key from then on, not even one that was under way', async () => {
    const run = await beginRotation();
    const before = world.kids(HOME);
    await promote({ yes: true });
    await expect(run('finishSecret')).rejects.toThrow(/were promoted to eu-central-1/);
    expect([world.kids(HOME), world.kids(NEXT)]).toEqual([before, before]);
  });

  it('it makes no key that was remembered before the promotion, and is published after it', async () => {
    const run = await beginRotation();
    const before = world.kids(HOME);
    // The third Region remembers the new key at once, and answers late.
    const late = new Late((...step) => String(step) === String([HOME, 'changed', THIRD]));
    const finishing = expect(run('finishSecret')).rejects.toThrow(/were promoted to eu-central-1/);
    await late.reached;
    await promote({ yes: true });
    late.answer();
    await finishing;
    expect([world.kids(HOME), world.kids(NEXT)]).toEqual([before, before]);
    expect(await world.operate(HOME, 'nonce', 'keys.list')).toMatchObject({ result: { pending: null } });
  });

  it('a rotation that cannot read at last whether it still may publishes nothing', async () => {
    const run = await beginRotation();
    const before = world.kids(HOME);
    world.meanwhile = (from, does, to) =>
      from === HOME && does === 'read' && to === HOME ? Promise.reject(new Unavailable('limits')) : undefined;
    await expect(run('finishSecret')).rejects.toThrow('limits unavailable');
    expect(world.kids(HOME)).toEqual(before);
    world.meanwhile = () => undefined;
    await run('finishSecret');
    expect(world.kids(HOME)).toHaveLength(2);
  });

  it('nor does a revocation: what it revoked stays refused', async () => {
    const before = world.kids(HOME);
    const late = new Late((...step) => String(step) === String([HOME, 'changed', THIRD]));
    const revoking = world.operate(HOME, 'nonce', 'keys.revoke');
    await late.reached;
    await promote({ yes: true });
    late.answer();
    expect(await revoking).toMatchObject({
      result: { keyset: null, failure: expect.stringContaining('were promoted to eu-central-1') },
    });
    expect([world.kids(HOME), world.kids(NEXT)]).toEqual([before, before]);
    for (const kid of before) expect([...world.limits(NEXT).revoked]).toContain(kid);
  });

  it.each([
    ['another Region says so', false, 'were promoted to eu-central-1'],
    ['no Region is reached', true, 'it is not known whether eu-west-1 still makes the keys'],
  ])('nor does one that cannot read its own table at last: %s', async (_, isShutIn, failure) => {
    const before = world.kids(HOME);
    const late = new Late((...step) => String(step) === String([HOME, 'changed', THIRD]));
    const revoking = world.operate(HOME, 'nonce', 'keys.revoke');
    await late.reached;
    await promote({ yes: true });
    world.meanwhile = (from, _, to) =>
      from === HOME && (isShutIn || to === HOME) ? Promise.reject(new Unavailable('limits')) : undefined;
    late.answer();
    expect(await revoking).toMatchObject({
      result: { keyset: null, failure: expect.stringContaining(failure) },
    });
    expect(world.kids(HOME)).toEqual(before);
    for (const kid of before) expect([...world.limits(HOME).revoked]).toContain(kid);
    world.meanwhile = () => undefined;
    expect(await world.operate(HOME, 'nonce', 'keys.list')).toMatchObject({ result: { pending: null } });
  });

  it('nor does one whose function reaches no table: its Region may have confirmed a promotion', async () => {
    world.shutIn.add(HOME);
    await promote({ yes: true });
    world.meanwhile = (from) => (from === HOME ? Promise.reject(new Unavailable('limits')) : undefined);
    const before = world.kids(HOME);
    expect(await world.operate(HOME, 'nonce', 'keys.revoke')).toMatchObject({
      result: { keyset: null, failure: expect.stringContaining('whether eu-west-1 still makes the keys') },
    });
    expect(world.kids(HOME)).toEqual(before);
  });

  it('a revocation makes a key where only its own table cannot be read', async () => {
    world.meanwhile = (from, does, to) =>
      from === HOME && does === 'read' && to === HOME ? Promise.reject(new Unavailable('limits')) : undefined;
    const before = world.kids(HOME);
    const { result } = await world.operate(HOME, 'nonce', 'keys.revoke');
    expect(result.failure).toBeNull();
    expect(before).not.toContain(world.kids(HOME)[0]);
    expect(world.kids(THIRD)).toEqual(world.kids(HOME));
  });

  it('a key that is published at this moment is waited for, and arrives', async () => {
    const run = await beginRotation();
    // It saw no promotion, and moves the label next.
    const late = new Late((...step) => String(step) === String([HOME, 'read', HOME]));
    const finishing = run('finishSecret');
    await Promise.race([late.reached, finishing]);
    const { aws } = world.target(server.url);
    let takenOver = 0;
    let looks = 0;
    const steps = await promote(
      { yes: true, timeoutMs: 20_000, report: ({ step }) => void (step === 'take-over' && takenOver++) },
      NEXT,
      {
        aws(region) {
          if (region === HOME && takenOver === PURPOSES.length && ++looks === 3) late.answer();
          return aws(region);
        },
      },
    );
    late.answer();
    await finishing;
    expect(details(steps, 'detach')[0]).toMatch(/no published key is missing$/);
    expect(world.kids(NEXT)).toEqual(world.kids(HOME));
    expect(world.kids(NEXT)).toHaveLength(2);
  });

  it('planned: every Region is deployed, one after the other, and there and back again', async () => {
    expect(undone(await promote({ yes: true }))).toEqual([['deploy', NEXT, null]]);
    world.deploy(NEXT, NEXT);
    expect(undone(await promote())).toEqual([
      ['deploy', HOME, null],
      ['deploy', THIRD, null],
    ]);
    for (const region of REGIONS) world.deploy(region, NEXT);
    expect(undone(await promote())).toEqual([]);
    expect(primaries()).toEqual([NEXT, NEXT, NEXT]);
    await world.operate(NEXT, 'nonce', 'keys.rotate');

    await promote({ yes: true }, HOME);
    for (const region of REGIONS) world.deploy(region, HOME);
    expect(undone(await promote({}, HOME))).toEqual([]);
    expect(primaries()).toEqual([HOME, HOME, HOME]);
    expect(world.limits(THIRD).published.home).toMatchObject({ term: 2, region: HOME });
    world.clock.nowMs += 30 * 86_400_000;
    expect(await world.operate(HOME, 'nonce', 'keys.rotate')).toMatchObject({ ok: true });
    expect(world.kids(NEXT)).toEqual(world.kids(HOME));
  });

  it('a Region that refuses is there: what the operator may not do is not taken for a loss', async () => {
    const { aws } = world.target(server.url);
    const elsewhere = (region: string) =>
      region === HOME ? { ...aws('eu-west-9'), region: 'eu-west-9' } : aws(region);
    await expect(promote({}, NEXT, { aws: elsewhere })).rejects.toThrow(CliError);
    expect(primaries()).toEqual([HOME, HOME, HOME]);
  });
});

describe('two promotions at the same time', () => {
  const homeIn = (region: string) => world.limits(region).published.home;
  const first = { term: 1, region: NEXT, kids: [] };

  it('the one that lost says so, confirms nothing, and moves no secret', async () => {
    // Both have looked before either writes.
    let other: Promise<void> | undefined;
    world.meanwhile = async (from, does) => {
      if (from !== THIRD || does !== 'changes') return;
      other ??= world.operate(NEXT, 'nonce', 'keys.promote', { to: NEXT });
      await other;
    };
    const steps = await promote({ yes: true }, THIRD);
    expect(undone(steps)).toEqual([['take-over', THIRD, 'nonce']]);
    expect(details(steps, 'take-over')[0]).toMatch(
      /^another promotion was made at the same time: eu-central-1 alone makes keys/,
    );
    expect(REGIONS.map((region) => homeIn(region)?.region)).toEqual([NEXT, NEXT, NEXT]);
    expect(primaries()).toEqual([HOME, HOME, HOME]);
  });

  it('a function confirms no promotion that the Regions do not remember', async () => {
    for (const region of REGIONS)
      world.limits(region).published = { ...world.limits(region).published, home: first };
    const late = { to: THIRD, home: { term: 1, region: THIRD, kids: [] } };
    const { result } = await world.operate(THIRD, 'nonce', 'keys.promote', late);
    expect(result.regions).toEqual(REGIONS.map((region) => ({ region, confirmed: false })));
    expect(result.keyset.promoted_to).toBe(NEXT);
  });

  it('one that lost in a Region that its own function does not reach says so', async () => {
    world.shutIn.add(THIRD);
    world.limits(HOME).published = { ...world.limits(HOME).published, home: first };
    const steps = await promote({ yes: true }, THIRD);
    expect(undone(steps)).toEqual([['take-over', THIRD, 'nonce']]);
    expect(details(steps, 'take-over')[0]).toMatch(/eu-central-1 alone makes keys/);
  });

  it('no keys are promoted to what is no Region of the stage', async () => {
    expect(await world.operate(HOME, 'nonce', 'keys.promote', { to: 'us-east-1' })).toMatchObject({
      ok: false,
      problem: { status: 400, code: 'malformed_request' },
    });
    expect(homeIn(HOME)).toBeUndefined();
  });

  it('where Regions remember different ones, every function takes the same', async () => {
    const remember = (region: string, home: string) => {
      const { published } = world.limits(region);
      world.limits(region).published = { ...published, home: { ...first, region: home } };
    };
    remember(HOME, THIRD);
    remember(THIRD, NEXT);
    for (const region of REGIONS)
      expect(await world.operate(region, 'nonce', 'keys.list')).toMatchObject({
        result: { promoted_to: NEXT },
      });
  });

  it('one that lost after it was confirmed moves no secret', async () => {
    let takenOver = 0;
    const report = ({ step }: PromotionStep) => {
      if (step !== 'take-over' || ++takenOver < PURPOSES.length) return;
      // The home Region alone is reached by the other one.
      world.limits(HOME).published = { ...world.limits(HOME).published, home: first };
    };
    world.shutIn.add(THIRD);
    const steps = await promote({ yes: true, report }, THIRD);
    expect(undone(steps)).toEqual([['detach', THIRD, 'nonce']]);
    expect(details(steps, 'detach')[0]).toMatch(/eu-central-1 alone makes keys/);
    expect(primaries()).toEqual([HOME, HOME, HOME]);
  });

  const takesOver = async () => {
    for (const purpose of PURPOSES) await world.operate(THIRD, purpose, 'keys.promote', { to: THIRD });
  };
  const makesKeys = async () => {
    await promote({ yes: true }, THIRD);
    world.deploy(THIRD, THIRD);
    for (const purpose of PURPOSES) await world.operate(THIRD, purpose, 'keys.rotate');
  };
  it.each([
    ['detach', takesOver, HOME],
    ['replicate', makesKeys, THIRD],
  ] as const)(
    'one that lost once its own secrets were detached touches none of the winner: %s',
    async (step, winner, primary) => {
      world.lose(HOME);
      await promote();
      for (const region of [NEXT, THIRD]) world.deploy(region, NEXT);
      let detached = 0;
      const keys = () => PURPOSES.map((purpose) => world.kids(THIRD, purpose));
      let won: string[][] = [];
      const report = ({ step, region }: PromotionStep) => {
        if (step === 'detach' && region === NEXT && ++detached === PURPOSES.length)
          beforeCall = async () => {
            await winner();
            won = keys();
          };
      };
      const steps = await promote({ yes: true, report });
      expect(undone(steps)[0]).toEqual([step, THIRD, 'nonce']);
      expect(details(steps, step).find((detail) => detail.startsWith('another'))).toMatch(
        /at the same time: eu-west-3 alone makes keys/,
      );
      expect(primaries()).toEqual([HOME, NEXT, primary]);
      expect(keys()).toEqual(won);
    },
  );

  it('one of them wins every purpose', async () => {
    world.lose(HOME);
    let takenOver = 0;
    const won = Promise.withResolvers<void>();
    const looked = Promise.withResolvers<void>();
    // Both have looked before either writes.
    world.meanwhile = async (from, does) => {
      if (does !== 'changes') return;
      if (from === NEXT) await looked.promise;
      if (from !== THIRD) return;
      looked.resolve();
      await won.promise;
    };
    const report = ({ step }: PromotionStep) => {
      if (step === 'take-over' && ++takenOver === PURPOSES.length) won.resolve();
    };
    const [winner, loser] = await Promise.all([promote({ report }), promote({}, THIRD)]);
    expect(undone(winner)).toEqual([['deploy', NEXT, null]]);
    expect(undone(loser)).toEqual([['take-over', THIRD, 'nonce']]);
    for (const purpose of PURPOSES)
      expect(world.limits(THIRD, purpose).published.home).toMatchObject({ term: 1, region: NEXT });
  });

  it('no purpose is taken from a Region that answers and makes its keys without --yes', async () => {
    world.lose(HOME);
    await world.operate(THIRD, 'nonce', 'keys.promote', { to: THIRD });
    await world.operate(NEXT, 'token', 'keys.promote', { to: NEXT });
    const before = world.state();
    await expect(promote({}, THIRD)).rejects.toThrow(/^eu-central-1 answers, and makes the keys/);
    expect(world.state()).toEqual(before);
    expect(undone(await promote({ yes: true }, THIRD))).toEqual([['deploy', THIRD, null]]);
  });
});

it('a Region of the stage that is not named is not forgotten', async () => {
  world.lose(HOME);
  const some = () => promote({}, NEXT, { regions: [HOME, NEXT] });
  await some();
  world.deploy(NEXT, NEXT);
  expect(undone(await some())).toEqual([
    ['replicate', HOME, null],
    ['replicate', THIRD, null],
  ]);
});

it('without the project, it says what belongs in its file; once deployed, it does not need it', async () => {
  world.lose(HOME);
  directory.write(LOCK, '{}');
  const steps = await promote();
  expect(undone(steps)).toEqual([['lock', NEXT, null]]);
  expect(details(steps, 'lock')[0]).toMatch(
    /run this command in the project's directory, or write "keysManagedBy": "eu-central-1"/,
  );
  for (const region of [NEXT, THIRD]) world.deploy(region, NEXT);
  expect(undone(await promote())).toEqual([['replicate', HOME, null]]);
  expect(directory.read(LOCK)).toBe('{}');
});

class Killed extends Error {}

/**
 * @param before called before each call of AWS, with the number of calls before it; may end the process there
 */
function watched(before: (n: number) => void): Partial<Target> {
  const { aws } = world.target(server.url);
  let calls = 0;
  return {
    local: true,
    aws(region) {
      before(calls++);
      return aws(region);
    },
  };
}

it.each<[string, readonly string[], () => Promise<unknown>]>([
  ['the home Region is lost', REGIONS, async () => world.lose(HOME)],
  [
    'the former key home is back',
    [HOME, NEXT],
    async () => {
      world.lose(HOME);
      await promote({}, NEXT, { local: true });
      await world.operate(NEXT, 'nonce', 'keys.rotate');
      world.bringBack(HOME);
    },
  ],
])(
  'killed before any of its calls and run again, it ends where one run would: %s',
  async (_, regions, prepare) => {
    const run = (more: Partial<Target> = {}) =>
      promote({ lock: undefined, yes: true }, NEXT, { local: true, ...more });
    const left = () => (world.lost.has(HOME) ? [['replicate', HOME, null]] : []);
    /** Kids are random. */
    const end = () => JSON.parse(JSON.stringify(world.state()).replace(/"kids":\[[^\]]*\]/g, '"kids":[]'));

    await begin(regions);
    await prepare();
    const states: string[] = [];
    expect(undone(await run(watched(() => states.push(JSON.stringify(end())))))).toEqual(left());
    const expected = end();
    expect(states.length).toBeGreaterThan(30);
    // A call that only reads leaves what the one before it left: a run that is killed before either is the
    // same run.
    const changes = states.flatMap((state, n) => (state === states[n - 1] ? [] : [n]));
    expect(changes.length).toBeGreaterThan(6);
    for (const n of changes) {
      await begin(regions);
      await prepare();
      const before = PURPOSES.map((purpose) => world.kids(NEXT, purpose));
      const killed = watched((calls) => {
        if (calls === n) throw new Killed();
      });
      await expect(run(killed)).rejects.toThrow(Killed);
      expect(JSON.stringify(end())).toBe(states[n]);
      expect(undone(await run())).toEqual(left());
      expect(end()).toEqual(expected);
      expect(PURPOSES.map((purpose) => world.kids(NEXT, purpose))).toEqual(before);
    }
  },
);
