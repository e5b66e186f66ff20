/** `countersign evacuate` and `return`, on a platform whose checks run every few milliseconds. */
import { mkdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { invokeAdmin } from '../../cli/admin.ts';
import { localTarget } from '../../cli/target.ts';
import type { AwsCall } from '../../local/aws/endpoint.ts';
import { AwsError } from '../../local/aws/protocol.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { buildProof } from '../../protocol/proof/build.ts';
import { Directory, type RunOptions } from './cli.ts';

let platform: Platform;
let directory: Directory;
/** Decides for each call of the command line whether it fails; a number is the status of the error. */
let fails: (call: AwsCall) => boolean | number | Promise<boolean>;
/** How far the platform's clock is ahead of the machine's: caches and hold-downs end without a wait. */
let aheadMs = 0;
/** The command's own calls: the functions of the platform call other services. */
const isCommand = ({ service }: AwsCall) => service === 'lambda' || service === 'monitoring';

beforeEach(async () => {
  fails = () => false;
  directory = new Directory();
  mkdirSync(`${directory.path}/.countersign`);
  await start(2);
});
afterEach(async () => {
  vi.restoreAllMocks();
  directory.remove();
  await platform?.stop();
});

async function start(regions: 2 | 3): Promise<void> {
  platform = await startPlatform({
    port: 0,
    regions,
    checkEveryMs: 50,
    holdDownMs: 10_000,
    nowMs: () => Date.now() + aheadMs,
    awsFault: async (call) => {
      const status = await fails(call);
      if (status === 500) return new AwsError('ServiceException', 'lost', 500);
      return status ? new AwsError('AccessDeniedException', 'not now', 403) : undefined;
    },
  });
  directory.write('.countersign/local.json', JSON.stringify(platform.info));
}

const cli = (args: readonly string[], options?: RunOptions) => directory.run(args, options);
const evacuate = (...more: string[]) => cli(['evacuate', 'local-a', '--yes', ...more]);
const back = (...more: string[]) => cli(['return', 'local-a', '--yes', ...more]);
const health = async (i: number) => (await fetch(`${platform.info.regions[i]!.url}/v1/health`)).json();
/** Polls `look`. Each try is six seconds of the platform's clock after the one before. */
const later =
  <T>(look: () => Promise<T>) =>
  () => {
    aheadMs += 6_000;
    return look();
  };
/** Waits until the awaited state is reached. */
const PATIENTLY = { timeout: 30_000 };
/** The Region that answers at the entry. */
const atEntry = async () => {
  const answer = await fetch(`${platform.info.entry}/v1/health`);
  return ((await answer.json()) as { region: string }).region;
};

async function registers(i: number, user_id: string): Promise<number> {
  const { url } = platform.info.regions[i]!;
  const { client_id, api_key } = platform.info.clients[0]!;
  const { nonce } = (await (await fetch(`${url}/v1/nonce?client_id=${client_id}`)).json()) as {
    nonce: string;
  };
  const body = JSON.stringify({ user_id });
  const proof = await buildProof({
    key: Buffer.from(api_key),
    alg: 'HS256',
    kid: '1',
    clientId: client_id,
    issuer: platform.info.entry,
    method: 'POST',
    url: `${url}/v1/register`,
    body: Buffer.from(body),
    nonce,
    nowS: (Date.now() + aheadMs) / 1000,
    lifeS: 60,
  });
  const headers = { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' };
  return (await fetch(`${url}/v1/register`, { method: 'POST', headers, body })).status;
}

test('an evacuated Region is out of DNS, red and refuses registrations, until it is returned', async () => {
  expect([await atEntry(), await registers(0, 'before')]).toEqual(['local-a', 201]);
  const out = await evacuate();
  expect([out.code, out.stderr]).toEqual([0, expect.stringContaining('local-b: healthy')]);
  expect(out.stdout).toContain('local-a is out of service');
  expect(out.stdout).toContain('it stays out until: countersign return local-a\n');
  await expect.poll(atEntry, PATIENTLY).toBe('local-b');
  await expect
    .poll(
      later(() => registers(0, 'out')),
      PATIENTLY,
    )
    .toBe(503);
  await expect.poll(() => health(0), PATIENTLY).toMatchObject({ status: 'fail', notes: ['evacuated'] });
  expect(await registers(1, 'out')).toBe(201);

  const again = await evacuate('--json');
  expect([again.code, again.json]).toEqual([
    0,
    {
      ...{ region: 'local-a', keeper: 'local-b', keeper_flag: true, own_flag: true, alarm: 'ALARM' },
      ...{ moved: [], errors: [] },
    },
  ]);
  expect(again.stderr).toContain('local-a is evacuated since ');

  const returned = await back();
  expect([returned.code, returned.stdout]).toEqual([0, expect.stringContaining('local-a is back')]);
  expect(returned.stderr).toContain('local-a: unhealthy (evacuated)');
  await expect.poll(later(atEntry), PATIENTLY).toBe('local-a');
  await expect
    .poll(
      later(() => registers(0, 'back')),
      PATIENTLY,
    )
    .toBe(201);
});

test('what is printed to be run carries the target, so that it reaches the same platform', async () => {
  const { port } = new URL(platform.info.entry);
  const { stdout, stderr } = await evacuate('--local', port);
  expect(stdout).toContain(`it stays out until: countersign return local-a --local ${port}\n`);
  expect(stderr).toContain(`until you run countersign return local-a --local ${port}.\n`);
});

test('a return of a Region that is not out says so, and names those that are', async () => {
  await evacuate();
  const { code, stdout } = await cli(['return', 'local-b', '--yes']);
  expect([code, stdout]).toEqual([0, expect.stringContaining('local-b was not evacuated: no flag stood')]);
  expect(stdout).toContain('local-a is evacuated; to return it: countersign return local-a\n');
  // A return that was interrupted is run again, and both say what was there.
  const back = await cli(['return', 'local-a', '--yes']);
  expect([back.code, back.stdout]).toEqual([0, expect.stringContaining('local-a is back')]);
  const again = await cli(['return', 'local-a', '--yes']);
  expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('local-a was not evacuated')]);
  expect(again.stdout).not.toContain('is evacuated;');
});

describe('nothing happens', () => {
  test('if no other Region is healthy, except with --even-if-last', async () => {
    await platform.stopRegion('local-b');
    const { code, stderr, stdout } = await evacuate();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('no other Region is healthy (local-b: unhealthy (no answer))');
    expect(await health(0)).toMatchObject({ status: 'pass' });
    expect((await evacuate('--even-if-last', '--json')).json).toMatchObject({
      keeper_flag: true,
      own_flag: true,
    });
  });

  test('for an unknown Region, without a confirmation, or if the returning Region is not healthy', async () => {
    const unknown = await cli(['evacuate', 'local-z', '--yes']);
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('it has local-a, local-b')]);
    expect((await cli(['evacuate', 'local-a'])).code).toBe(2);
    const asked = await cli(['evacuate', 'local-a'], { terminal: true, stdin: 'no\n' });
    expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining('error: nothing was done\n')]);
    expect(asked.stderr).toContain('This takes local-a out of service in stage local');
    await evacuate();
    await platform.stopRegion('local-a');
    const refused = await back();
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('local-a is not known to be good: no answer. It stays out; nothing was done'),
    ]);
    expect((await evacuate('--json')).json).toMatchObject({ alarm: 'ALARM' });
  });

  test('if the keeper cannot be reached: the Region stays out', async () => {
    await evacuate();
    fails = (call) => call.service === 'lambda' && call.region === 'local-b';
    const { code, stderr } = await back();
    expect([code, stderr]).toEqual([
      3,
      expect.stringContaining('local-b cannot be asked for the flag of local-a'),
    ]);
    fails = () => false;
    await expect
      .poll(
        later(() => health(0)),
        PATIENTLY,
      )
      .toMatchObject({ notes: ['evacuated'] });
  });
});

/** Finds the calls that write in a Region. Each Region is first asked for the flags, three times. */
const writes = (region: string) => {
  let calls = 0;
  return (call: AwsCall) => call.service === 'lambda' && call.region === region && ++calls > 3;
};
test('a partial success is reported with the command that completes it, and never counts as success', async () => {
  fails = writes('local-b');
  const keeperLost = await evacuate('--json');
  expect([keeperLost.code, keeperLost.json]).toMatchObject([
    1,
    { keeper_flag: false, own_flag: true, alarm: null },
  ]);
  expect(keeperLost.stderr).toContain('without the flag in local-b');
  expect(keeperLost.stderr).toContain('to finish, run again: countersign evacuate local-a\n');
  fails = () => false;
  await back();
  fails = writes('local-a');
  const regionLost = await evacuate();
  expect([regionLost.code, regionLost.stdout]).toEqual([1, 'local-a: the flag is set in local-b\n']);
  expect(regionLost.stderr).toMatch(
    /local-a itself does not refuse registrations|it is not known whether local-a itself/,
  );
  fails = ({ service }) => service === 'monitoring';
  const unseen = await evacuate();
  expect([unseen.code, unseen.stderr]).toEqual([1, expect.stringContaining('both flags stand')]);
  // A return that does not reach the keeper leaves the Region's own flag as well.
  fails = writes('local-b');
  expect((await back('--json')).json).toMatchObject({ keeper_flag: true, own_flag: true });
  fails = () => false;
  const whole = await back('--json');
  expect([whole.code, whole.json]).toMatchObject([0, { keeper_flag: false, own_flag: false, alarm: 'OK' }]);
});

test('after a lost answer it says that the state is not known, and never that nothing was done', async () => {
  const isLost = writes('local-b');
  fails = (call) => isLost(call) && 500;
  const keeperUnknown = await evacuate('--json');
  expect([keeperUnknown.code, keeperUnknown.json]).toMatchObject([1, { keeper_flag: null, own_flag: true }]);
  expect(keeperUnknown.stderr).toContain('it is not known whether the flag in local-b stands');
  fails = () => false;
  await evacuate();
  const isLater = writes('local-a');
  fails = (call) => isLater(call) && 500;
  // The flag stood there before.
  expect((await evacuate('--json')).json).toMatchObject({ keeper_flag: true, own_flag: true });
  fails = () => false;
  await back();
  const isAgain = writes('local-a');
  fails = (call) => isAgain(call) && 500;
  const ownUnknown = await evacuate();
  expect(ownUnknown.code).toBe(1);
  expect(ownUnknown.stderr).toContain('it is not known whether local-a itself refuses registrations');
  expect(ownUnknown.stderr).not.toMatch(/does not refuse|not evacuated/);
});

test('both flags are written at once, and a Region that gives no answer delays nothing', async () => {
  const isWrite = [writes('local-a'), writes('local-b')];
  const own = Promise.withResolvers<boolean>();
  const hung = Promise.withResolvers<boolean>();
  fails = async (call) => {
    if (!isWrite.map((each) => each(call)).includes(true)) return false;
    if (call.region === 'local-a') {
      own.resolve(false);
      return hung.promise;
    }
    // The keeper answers once the Region's own write is under way as well.
    return own.promise;
  };
  const { code, json, stderr } = await evacuate('--json', '--timeout', '2s');
  expect([code, json]).toMatchObject([1, { keeper_flag: true, own_flag: null, alarm: 'ALARM' }]);
  expect(stderr).toContain('error: local-a: countersign-local-admin-write in local-a: no answer in time');
  hung.resolve(false);
});

test('a Region whose table is down is evacuated, and keeps no other Region from it', async () => {
  // The home Region, which is asked first.
  fails = (call) => call.service === 'dynamodb' && call.region === 'local-a' && 500;
  const { code, json, stderr } = await evacuate('--json');
  expect([code, json]).toMatchObject([1, { keeper_flag: true, own_flag: null, alarm: 'ALARM' }]);
  expect(stderr).toMatch(/^error: local-a: .*\(unavailable\)$/m);
  const listed = await cli(['clients', 'list']);
  expect([listed.code, listed.stdout]).toEqual([0, expect.stringContaining('dev')]);
  expect(listed.stderr).toMatch(/error: local-a: .*\(unavailable\); asked local-b instead/);
});

test('a Region that answers nothing delays no look by more than its limit', async () => {
  const hung = Promise.withResolvers<boolean>();
  fails = (call) => call.service === 'lambda' && call.region === 'local-a' && hung.promise;
  const { json } = await evacuate('--json', '--timeout', '1s');
  expect(json).toMatchObject({ keeper_flag: true, own_flag: null });
  hung.resolve(false);
});

test('an alarm that is asked for and gives no answer ends the wait, and the state is reported', async () => {
  const hung = Promise.withResolvers<boolean>();
  fails = (call) => call.service === 'monitoring' && hung.promise;
  const { code, json, stderr } = await evacuate('--json', '--timeout', '2s');
  expect([code, json]).toMatchObject([1, { keeper_flag: true, own_flag: true, alarm: null }]);
  expect(stderr).toMatch(/^error: alarm in local-b: alarm .* in local-b: no answer in time$/m);
  hung.resolve(false);
});

test('if the second look fails, it names the command that returns the Region', async () => {
  const isLater = [writes('local-a'), writes('local-b')];
  let calls = 0;
  // The two flags are written; from then on nothing is answered.
  fails = (call) => isLater.map((each) => each(call)).includes(true) && ++calls > 2;
  const { code, json, stderr } = await evacuate('--json');
  expect([code, json]).toMatchObject([1, { keeper_flag: true, own_flag: true, alarm: 'ALARM' }]);
  expect(stderr).toContain('error: another look: ');
  expect(stderr).toContain(
    'if no other Region serves, return local-a: countersign return local-a\nto finish',
  );
  fails = () => false;
  await platform.stopRegion('local-b');
  const again = await evacuate();
  expect([again.code, again.stderr]).toEqual([
    1,
    expect.stringMatching(
      /nothing was done\. .*local-a is evacuated already; .*: countersign return local-a\n$/,
    ),
  ]);
});

test('two evacuations at about the same time do not take out every Region', async () => {
  const isWrite = [writes('local-a'), writes('local-b')];
  let other: Awaited<ReturnType<typeof cli>> | undefined;
  const over = Promise.withResolvers<boolean>();
  let arrived = 0;
  // The other operator's command runs between the look of this one and its writes.
  fails = async (call) => {
    if (!isWrite.map((each) => each(call)).includes(true)) return false;
    arrived += 1;
    if (arrived < isWrite.length) return over.promise;
    fails = () => false;
    other = await cli(['evacuate', 'local-b', '--yes']);
    over.resolve(false);
    return false;
  };
  const own = await evacuate('--json');
  expect([own.code, other?.code]).toEqual([1, 0]);
  expect(own.stderr).toContain('no other Region is healthy (local-b: unhealthy (');
  expect(own.json).toMatchObject({ keeper_flag: false, own_flag: false });
  expect(own.stderr).toContain('local-a is not evacuated');
  const after = await evacuate();
  expect([after.code, after.stderr]).toEqual([1, expect.stringContaining('nothing was done')]);
  expect(await registers(0, 'still')).toBe(201);
});

test('a Region whose writes are stopped does not take over, and one that returns says that they are', async () => {
  const resumed = (args: string) => `to allow them: countersign registry resume-writes${args}\n`;
  await cli(['registry', 'stop-writes']);
  // Writes are allowed again in local-a alone.
  fails = (call) => call.service === 'lambda' && call.region === 'local-b';
  const half = await cli(['registry', 'resume-writes']);
  expect([half.code, half.stdout]).toEqual([1, 'writes are allowed: local-a\n']);
  fails = () => false;
  await expect
    .poll(
      later(() => health(1)),
      PATIENTLY,
    )
    .toMatchObject({ status: 'pass', writes: 'stopped' });
  await expect
    .poll(
      later(() => registers(0, 'only here')),
      PATIENTLY,
    )
    .toBe(201);
  const { port } = new URL(platform.info.entry);
  const refused = await evacuate('--local', port);
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining(
      'no other Region is healthy (local-b: unhealthy (writes stopped)): nothing was done',
    ),
  ]);
  expect(refused.stderr).toContain(
    `writes are stopped in local-b, where every registration is refused; ${resumed(` --local ${port}`)}`,
  );
  expect(await registers(0, 'still')).toBe(201);

  expect((await cli(['evacuate', 'local-b', '--yes'])).code).toBe(0);
  const again = await cli(['evacuate', 'local-b', '--yes']);
  expect([again.code, again.stderr]).toEqual([
    0,
    expect.stringMatching(/^local-b: unhealthy \(.*evacuated\)$/m),
  ]);
  const returned = await cli(['return', 'local-b', '--yes']);
  expect([returned.code, returned.stderr]).toEqual([0, expect.stringContaining(resumed(''))]);
  expect(returned.stdout).toContain(
    'It takes no registration until writes are allowed: countersign registry',
  );
  expect(returned.stdout).not.toContain('takes registrations again');
  await cli(['registry', 'resume-writes']);
  await expect
    .poll(
      later(async () => 'writes' in (await health(1))),
      PATIENTLY,
    )
    .toBe(false);
  expect((await evacuate()).code).toBe(0);
});

test('an evacuation whose second look finds that writes were stopped elsewhere is undone', async () => {
  const answer = { status: 'pass', checks: { ledger: 'pass' }, writes: 'stopped' };
  answersOfHealth(1, async (look) => (look > 1 ? Response.json(answer) : undefined));
  const { code, json, stderr } = await evacuate('--json');
  expect([code, json]).toMatchObject([1, { keeper_flag: false, own_flag: false }]);
  expect(stderr).toContain('writes are stopped in local-b');
});

const realFetch = globalThis.fetch;
/** @param look from 1 @returns undefined if the Region itself answers */
type HealthAnswers = (look: number) => Promise<Response | undefined>;
/** Replaces what the public health paths of Regions answer. */
function answersOfRegions(answers: Readonly<Record<number, HealthAnswers>>): void {
  const looks: Record<number, number> = {};
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (...asked) => {
    const i = platform.info.regions.findIndex(({ url }) => String(asked[0]) === `${url}/v1/health`);
    looks[i] = (looks[i] ?? 0) + 1;
    return (await answers[i]?.(looks[i])) ?? realFetch(...asked);
  });
}
const answersOfHealth = (i: number, answerTo: HealthAnswers) => answersOfRegions({ [i]: answerTo });
const throttled = () => Response.json({ code: 'quota_exceeded' }, { status: 429 });
const unhealthy = () => Response.json({ status: 'fail', checks: { ledger: 'fail' } }, { status: 503 });

describe('while a flood of the public health path makes the front door answer 429', () => {
  test('evacuate and return ask again, and do the work once they have an answer', async () => {
    answersOfHealth(1, async (look) => (look <= 3 ? throttled() : undefined));
    expect((await evacuate()).code).toBe(0);
    answersOfHealth(0, async (look) => (look <= 3 ? throttled() : undefined));
    expect((await back()).code).toBe(0);
  });

  test('a flood of the Region that is to go delays nothing', async () => {
    answersOfHealth(0, async () => throttled());
    // By default it would be asked again for five minutes.
    expect((await evacuate()).code).toBe(0);
    vi.restoreAllMocks();
    expect((await back()).code).toBe(0);
  });

  test('a Region of which nothing is known is not healthy at first, and not unhealthy afterwards', async () => {
    answersOfHealth(1, async () => throttled());
    const refused = await evacuate('--timeout', '1s');
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining(
        'no other Region is known to be healthy (local-b: not known (too many requests)): nothing was done',
      ),
    ]);
    vi.restoreAllMocks();
    answersOfHealth(1, async (look) => (look > 1 ? throttled() : undefined));
    expect((await evacuate('--timeout', '1s', '--json')).json).toMatchObject({
      keeper_flag: true,
      own_flag: true,
    });
    answersOfHealth(0, async () => throttled());
    const stays = await back('--timeout', '1s');
    expect([stays.code, stays.stderr]).toEqual([
      1,
      expect.stringContaining(
        'local-a is not known to be good: too many requests. It stays out; nothing was done',
      ),
    ]);
  });

  test('with three Regions one healthy other Region decides, and a flooded one delays nothing', async () => {
    await platform.stop();
    await start(3);
    answersOfHealth(1, async () => throttled());
    // By default the flooded Region would be asked again for five minutes.
    const { code, stderr } = await evacuate();
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/local-b: not known \(too many requests\)\nlocal-c: healthy/),
    ]);
  });

  test('with three Regions an evacuated one decides nothing, whatever its health says', async () => {
    await platform.stop();
    await start(3);
    expect((await cli(['evacuate', 'local-c', '--yes'])).code).toBe(0);
    answersOfRegions({
      1: async (look) => (look <= 6 ? throttled() : undefined),
      2: async () => Response.json({ status: 'pass', checks: { ledger: 'pass' } }),
    });
    const { code, stderr } = await evacuate();
    expect(stderr).toContain('local-b answers that too many ask: asking again, for 5 min at most\n');
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/local-b: healthy\nlocal-c: unhealthy \(evacuated\)/),
    ]);
  });

  test('a Region is returned without a look at its health only with --even-if-unknown', async () => {
    expect((await evacuate()).code).toBe(0);
    answersOfHealth(0, async () => throttled());
    const stays = await back('--timeout', '1s');
    expect([stays.code, stays.stderr]).toEqual([1, expect.stringContaining('--even-if-unknown')]);
    // It does not ask for five minutes what it can do without.
    const returned = await back('--even-if-unknown');
    expect([returned.code, returned.stdout]).toEqual([0, expect.stringContaining('local-a is back')]);
    expect(returned.stderr).toContain('local-a is not known to be good: too many requests. DNS leads to it');
  });

  test('--even-if-unknown returns no Region that says itself that it is not good', async () => {
    expect((await evacuate()).code).toBe(0);
    answersOfHealth(0, async () => unhealthy());
    const { code, stderr } = await back('--even-if-unknown');
    expect([code, stderr]).toEqual([1, expect.stringContaining('would be unhealthy without its flag, too')]);
  });

  test('--even-if-last asks nobody again: what the others say changes nothing', async () => {
    answersOfHealth(1, async () => throttled());
    expect((await evacuate('--even-if-last')).code).toBe(0);
  });
});

test('an evacuation that finds no other healthy Region afterwards leaves what another operator has set', async () => {
  let first: Awaited<ReturnType<typeof cli>> | undefined;
  // The second operator's command looks, then the first one's runs, and then local-b fails.
  answersOfHealth(1, async (look) => {
    if (look === 1) {
      const answer = await health(1);
      first = await evacuate('--json');
      return Response.json(answer);
    }
    return first ? unhealthy() : undefined;
  });
  const second = await evacuate('--json');
  expect([first?.code, second.code]).toEqual([0, 1]);
  expect(second.json).toMatchObject({ keeper_flag: true, own_flag: true });
  expect(second.stderr).toContain(
    'It stays evacuated, since another command has evacuated it too; to return it: countersign return local-a\n',
  );
});

test('an evacuation that finds no other healthy Region afterwards leaves a flag that stood before', async () => {
  fails = writes('local-a');
  expect((await evacuate()).code).toBe(1);
  fails = () => false;
  answersOfHealth(1, async (look) => (look > 1 ? unhealthy() : undefined));
  const again = await evacuate('--json');
  expect([again.code, again.json]).toMatchObject([1, { keeper_flag: true, own_flag: true }]);
  vi.restoreAllMocks();
  await back();
  answersOfHealth(1, async (look) => (look > 1 ? unhealthy() : undefined));
  const alone = await evacuate('--json');
  expect([alone.code, alone.json]).toMatchObject([1, { keeper_flag: false, own_flag: false }]);
});

test('success needs the alarm in the wanted state: one in another state is waited for, and then named', async () => {
  const slow = await startPlatform({ port: 0, checkEveryMs: 3_600_000 });
  try {
    directory.write('.countersign/local.json', JSON.stringify(slow.info));
    const { code, stderr, json } = await evacuate('--json', '--timeout', '1s');
    expect([code, json]).toMatchObject([1, { keeper_flag: true, own_flag: true, alarm: null }]);
    expect(stderr).toContain(' and not ALARM yet');
  } finally {
    await slow.stop();
  }
});

test.each(['evacuate', 'return'] as const)(
  '%s killed between any two calls and run again ends in the same state as one run',
  async (name) => {
    const command = name === 'evacuate' ? evacuate : back;
    const other = name === 'evacuate' ? back : evacuate;
    const shown = async () => (await command('--json')).json;
    // The first run counts the calls, and shows the final state.
    if (name === 'return') await evacuate();
    let calls = 0;
    fails = (call) => {
      if (isCommand(call)) calls += 1;
      return false;
    };
    const end = await shown();
    const total = calls;
    expect(total).toBeGreaterThanOrEqual(6);
    for (let killed = 0; killed <= total; killed++) {
      fails = () => false;
      await other('--even-if-last');
      let made = 0;
      fails = (call) => isCommand(call) && ++made > killed;
      await command();
      fails = () => false;
      expect([killed, await shown()]).toEqual([killed, end]);
    }
  },
);

test('the keeper delivers the callbacks of the Region that is out, from then on', async () => {
  const created = await cli(['webhooks', 'create', '--all', '--url', 'http://127.0.0.1:9', '--json']);
  const { id } = created.json;
  const holder = async () => (await cli(['webhooks', 'list', '--json'])).json.endpoints[0].holder;
  expect(await holder()).toBe('local-a');
  const out = await evacuate();
  expect([out.code, out.stdout]).toEqual([
    0,
    expect.stringContaining(`local-b delivers callbacks to ${id} from now on\n`),
  ]);
  expect(await holder()).toBe('local-b');
});

test('a move of the endpoints that fails is said, and the command moves them when it is run again', async () => {
  const created = await cli(['webhooks', 'create', '--all', '--url', 'http://127.0.0.1:9', '--json']);
  const { id } = created.json;
  fails = ({ region, operation }) => region === 'local-b' && operation.endsWith('Query');
  const out = await evacuate('--json', '--since', '2026-11-28T00:00:00Z');
  expect([out.code, out.json]).toMatchObject([
    1,
    { keeper_flag: true, own_flag: true, alarm: 'ALARM', moved: null, errors: [{ at: 'callbacks' }] },
  ]);
  expect(out.stderr).toContain(
    'to finish, run again: countersign evacuate local-a --since 2026-11-28T00:00:00Z\n',
  );
  fails = () => false;
  const again = await evacuate('--json');
  expect([again.code, again.json.moved]).toEqual([0, [id]]);
});

test('--since decides what is delivered again', async () => {
  const target = localTarget(platform.info.awsEndpoint, ['local-a', 'local-b']);
  const url = 'http://127.0.0.1:9';
  const [moved, own] = await Promise.all(
    ['local-a', 'local-b'].map((at) => invokeAdmin(target, at, 'webhooks.create', { all: true, url })),
  );
  const pending = async ({ id }: { id: string }, at: string) =>
    (await invokeAdmin(target, at, 'webhooks.list', {})).endpoints.find((each) => each.id === id)!.pending;
  for (const user of ['one', 'two']) expect(await registers(0, user)).toBe(201);
  await expect.poll(() => pending(moved!, 'local-a'), PATIENTLY).toBe(2);
  await expect.poll(() => pending(own!, 'local-b'), PATIENTLY).toBe(2);
  expect(await evacuate('--since', '2999-01-01T00:00:00Z')).toMatchObject({ code: 0 });
  await expect.poll(() => pending(moved!, 'local-b'), PATIENTLY).toBe(0);
  const wrong = await evacuate('--since', 'yesterday');
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('e.g. 24h')]);
});
