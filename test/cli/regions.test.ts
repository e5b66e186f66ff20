/** `countersign evacuate` and `return`, on a platform whose checks run every few milliseconds. */
import { mkdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AwsCall } from '../../local/aws/endpoint.ts';
import { AwsError } from '../../local/aws/protocol.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { buildProof } from '../../protocol/proof/build.ts';
import { Directory, type RunOptions } from './cli.ts';

let platform: Platform;
let directory: Directory;
/** Decides for each call of the command line whether it fails. */
let fails: (call: AwsCall) => boolean;
/** How far the platform's clock is ahead of the machine's: caches and hold-downs end without a wait. */
let aheadMs = 0;
/** The command's own calls: the functions of the platform call other services. */
const isCommand = ({ service }: AwsCall) => service === 'lambda' || service === 'monitoring';

beforeEach(async () => {
  fails = () => false;
  directory = new Directory();
  platform = await startPlatform({
    port: 0,
    checkEveryMs: 50,
    holdDownMs: 10_000,
    nowMs: () => Date.now() + aheadMs,
    awsFault: (call) => (fails(call) ? new AwsError('AccessDeniedException', 'not now', 403) : undefined),
  });
  mkdirSync(`${directory.path}/.countersign`);
  directory.write('.countersign/local.json', JSON.stringify(platform.info));
});
afterEach(async () => {
  directory.remove();
  await platform?.stop();
});

const cli = (args: readonly string[], options?: RunOptions) => directory.run(args, options);
const evacuate = (...more: string[]) => cli(['evacuate', 'local-a', '--yes', ...more]);
const back = (...more: string[]) => cli(['return', 'local-a', '--yes', ...more]);
/** The calls that would write in a Region: each Region is first asked for the flag. */
const writes = (region: string) => {
  let calls = 0;
  return (call: AwsCall) => call.service === 'lambda' && call.region === region && ++calls > 2;
};
const allWrites = () => {
  const lost = [writes('local-a'), writes('local-b')];
  return (call: AwsCall) => lost.some((each) => each(call));
};
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
    { region: 'local-a', keeper: 'local-b', keeper_flag: true, own_flag: true, alarm: 'ALARM', errors: [] },
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
      expect.stringContaining('local-a is not good: no answer. It stays out; nothing was done'),
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
  expect(regionLost.stderr).toContain('local-a itself may still take registrations');
  fails = ({ service }) => service === 'monitoring';
  const unseen = await evacuate();
  expect([unseen.code, unseen.stderr]).toEqual([1, expect.stringContaining('both flags stand')]);
});

test('if no flag can be written, it says what stood before and claims nothing else', async () => {
  fails = allWrites();
  const unknown = await evacuate();
  expect([unknown.code, unknown.stdout]).toEqual([1, '']);
  expect(unknown.stderr).toContain('nothing confirms that local-a is evacuated; a call without');
  fails = () => false;
  await evacuate();
  fails = allWrites();
  const again = await evacuate();
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('\nboth flags stand')]);
});

test('if the keeper does not take its flag back, the Region keeps its own and stays out', async () => {
  await evacuate();
  fails = writes('local-b');
  const { code, json, stderr } = await back('--json');
  expect([code, json]).toMatchObject([1, { keeper_flag: false, own_flag: false, alarm: null }]);
  expect(stderr).toContain('local-b did not confirm: local-a stays out while its flag stands there');
  fails = allWrites();
  expect((await evacuate()).stderr).toContain('\nboth flags stand');
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
