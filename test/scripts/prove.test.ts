/** The plan of `npm run prove`, how it runs, and its log, without AWS. */
import { type SpawnSyncOptionsWithStringEncoding, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectLock } from '../../cli/keys/lock.ts';
import { checkLock, LOCK_FILE } from '../../lib/config/lock.ts';
import { readConfig } from '../../lib/config/read.ts';
import { account, Unfit } from '../../scripts/prove/account.ts';
import { EMULATOR_LACKS } from '../../scripts/prove/emulator.ts';
import { isEverywhere } from '../../scripts/prove/looks.ts';
import { planRun, type Step } from '../../scripts/prove/plan.ts';
import { CHANGES_FILE, changedConfig, openProject } from '../../scripts/prove/project.ts';
import { redactor, secretsIn } from '../../scripts/prove/redact.ts';
import { runPlan } from '../../scripts/prove/run.ts';
import { STEPS } from '../../scripts/prove/steps.ts';
import type { Need, Tools } from '../../scripts/prove/tools.ts';
import { documents } from '../docs/blocks.ts';

const truths = documents()
  .find(({ file }) => file === 'docs/aws-truths.md')!
  .text.split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split(/(?<!\\)\|/)[1]!.trim());
const textOf = (file: string) => documents().find((document) => document.file === file)!.text;
const TWO_REGIONS = new URL('../../examples/config/two-regions.ts', import.meta.url).pathname;

const SCRIPT = new URL('../../scripts/prove.ts', import.meta.url).pathname;
const CLOSED: SpawnSyncOptionsWithStringEncoding = { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' };

const step = (name: string, rest: Partial<Step> = {}): Step => ({
  ...{ name, does: name, after: [], needs: [], checks: [], run: async () => {} },
  ...rest,
});
const shown = (plan: ReturnType<typeof planRun>) =>
  plan.map(({ step: { name }, skip }) => (skip === undefined ? name : `${name}: ${skip}`));
const none = new Map<string, string>();

it('names each step once, and nothing comes after a later step', () => {
  const names = STEPS.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
  for (const [i, { after }] of STEPS.entries())
    for (const before of after) expect(names.indexOf(before), before).toBeLessThan(i);
});

it('goes through the whole life of a stage', () => {
  expect(STEPS.map(({ name }) => name)).toEqual(
    expect.arrayContaining(
      ['bootstrap', 'deploy', 'keys', 'register', 'rotation', 'revocation', 'evacuation', 'return'].concat([
        'promotion',
        'restored-table',
        'restore-copy',
        'restore-use',
        'replication-pause',
        'destroy',
      ]),
    ),
  );
  expect(STEPS.filter(({ last }) => last).map(({ name }) => name)).toEqual([STEPS.at(-1)!.name]);
});

it('each row that a step may see is an assumption of docs/aws-truths.md, word for word', () => {
  const rows = STEPS.flatMap(({ checks }) => checks.flatMap(({ rows = [] }) => rows));
  expect(rows.length).toBeGreaterThan(10);
  for (const row of rows) expect(truths).toContain(row);
});

it('docs/prove.md has a row for each step, and says which the emulator runs', () => {
  const rows = [...textOf('docs/prove.md').matchAll(/^\| `([\w-]+)` \| (yes)?/gm)];
  expect(rows.map(([, name, runs]) => [name, runs === 'yes'])).toEqual(
    planRun(STEPS, EMULATOR_LACKS, none, {}).map(({ step: { name }, skip }) => [name, skip === undefined]),
  );
});

it('skips what the place lacks with its reason, and what comes after that', () => {
  const steps = [step('a'), step('b', { needs: ['alarms'] }), step('c', { after: ['b'] }), step('d')];
  expect(shown(planRun(steps, { alarms: 'no alarms here' }, none, {}))).toEqual([
    'a',
    'b: no alarms here',
    'c: it comes after b, which does not run',
    'd',
  ]);
});

it('every step that the emulator cannot run has a reason, and the others are planned', () => {
  const plan = planRun(STEPS, EMULATOR_LACKS, none, {});
  expect(plan.map(({ step: { name } }) => name)).toEqual(STEPS.map(({ name }) => name));
  for (const { step: each, skip } of plan) {
    const lacking = each.needs.filter((need: Need) => EMULATOR_LACKS[need] !== undefined);
    if (lacking.length > 0) expect(skip, each.name).toBe(EMULATOR_LACKS[lacking[0]!]);
  }
  expect(plan.filter(({ skip }) => skip === undefined).map(({ step: { name } }) => name)).toEqual([
    ...['bootstrap', 'vault', 'deploy', 'keys', 'front-door', 'register', 'stop-writes', 'rotation'],
    ...['revocation', 'destroy'],
  ]);
});

it('with everything, it runs everything', () => {
  expect(planRun(STEPS, {}, none, {}).filter(({ skip }) => skip !== undefined)).toEqual([]);
});

it('a later run goes on: what passed runs again only if it is named', () => {
  const steps = [step('a'), step('b', { after: ['a'] }), step('c', { after: ['b'] }), step('d')];
  const passed = new Map([
    ['a', '2027-01-01'],
    ['b', '2027-01-01'],
  ]);
  expect(shown(planRun(steps, {}, passed, {}))).toEqual([
    'a: it passed on 2027-01-01',
    'b: it passed on 2027-01-01',
    'c',
    'd',
  ]);
  expect(shown(planRun(steps, {}, passed, { only: 'b' }))).toEqual(['b']);
  expect(shown(planRun(steps, {}, none, { only: 'c' }))).toEqual(['a', 'b', 'c']);
  expect(shown(planRun(steps, {}, passed, { from: 'b' }))).toEqual(['b', 'c', 'd']);
  expect(shown(planRun(steps, {}, none, { from: 'c' }))).toEqual(['a', 'b', 'c', 'd']);
  expect(() => planRun(steps, {}, none, { only: 'e' })).toThrow(
    'there is no step e; the steps are a, b, c, d',
  );
});

const observe = async (steps: readonly Step[], interrupted = false) => {
  const lines: string[] = [];
  const saved: string[] = [];
  const outcome = await runPlan(planRun(steps, {}, none, {}), {} as Tools, {
    signal: interrupted ? AbortSignal.abort() : new AbortController().signal,
    say: (line) => lines.push(line.trim()),
    today: () => '2027-01-31',
    passed: (name) => saved.push(name),
  });
  return { ...outcome, lines, saved };
};

it('a step whose look does not hold fails; what comes after it and the last step do not run', async () => {
  const look = (what: string, holds: boolean) => ({ what, holds: () => holds, rows: [`row of ${what}`] });
  const outcome = await observe([
    step('good', { checks: [look('seen', true)] }),
    step('bad', { checks: [look('half', true), look('wrong', false)], ifFailed: 'End it by hand.' }),
    step('after', { after: ['bad'] }),
    step('other'),
    step('destroy', { last: true }),
  ]);
  expect(outcome).toMatchObject({
    passed: ['good', 'other'],
    failed: ['bad'],
    skipped: ['after', 'destroy'],
    saved: ['good', 'other'],
    seen: [{ assumption: 'row of seen', date: '2027-01-31', step: 'good', what: 'seen' }],
  });
  expect(outcome.lines).toEqual(
    expect.arrayContaining([
      'yes half',
      'NO  wrong',
      'FAIL bad: not so: wrong',
      'End it by hand.',
      'SKIP after: it comes after bad, which did not pass',
      'SKIP destroy: a step failed: the stage stays until it passes',
    ]),
  );
});

it('a step that throws fails with its message, and a look that does not apply shows nothing', async () => {
  const fails = step('fails', { run: async () => Promise.reject(new Error('exit code 1')) });
  const absent = { what: 'absent', when: () => false, holds: () => false, rows: ['row of absent'] };
  const { failed, seen, lines } = await observe([fails, step('other', { checks: [absent] })]);
  expect({ failed, seen }).toEqual({ failed: ['fails'], seen: [] });
  expect(lines).toContain('FAIL fails: exit code 1');
  expect(lines.join()).not.toContain('absent');
});

it('after an interruption no further step runs', async () => {
  const { passed, skipped } = await observe([step('a'), step('destroy', { last: true })], true);
  expect({ passed, skipped }).toEqual({ passed: [], skipped: ['a', 'destroy'] });
});

it('a key is everywhere only if a key signs, and each Region has all that are not revoked', () => {
  const keys = [
    { kid: 'a', state: 'current' },
    { kid: 'b', state: 'next' },
    { kid: 'old', state: 'revoked' },
  ];
  const regions = [
    { region: 'eu-west-1', kids: ['a', 'b'] },
    { region: 'eu-central-1', kids: ['a', 'b'] },
  ];
  const expected = regions.map(({ region }) => ({ name: region }));
  const keyset = { purpose: 'nonce', keys, regions };
  expect(isEverywhere(keyset, expected)).toBe(true);
  expect(isEverywhere({ ...keyset, regions: [regions[0]!] }, expected)).toBe(false);
  expect(
    isEverywhere({ ...keyset, regions: [regions[0]!, { region: 'eu-central-1', kids: ['a'] }] }, expected),
  ).toBe(false);
  expect(isEverywhere({ ...keyset, keys: [{ kid: 'b', state: 'next' }] }, expected)).toBe(false);
});

it('the log has no account, ARN, host, key, token or address', () => {
  const redact = redactor(['123456789012', 'api.example.com', 'example.com', 'ZPRIVATE']);
  const told = redact(
    [
      'arn:aws:iam::123456789012:role/x and account 210987654321 at https://eu-west-1.api.example.com/v1/health,',
      'abc123.execute-api.eu-west-1.amazonaws.com; zone Z0123456789ABCDEFGHIJ in example.com (ZPRIVATE)',
      'csk_prove_1_abc.def-ghi hvs.CAESIJ AKIAABCDEFGHIJKLMNOP ops@company.org 203.0.113.9',
    ].join('\n'),
  );
  for (const secret of ['123456789012', '210987654321', 'example', 'amazonaws', 'execute-api', 'csk_', 'hvs'])
    expect(told).not.toContain(secret);
  for (const secret of ['AKIA', 'company', '203.0', 'Z0123', 'ZPRIVATE', 'arn:'])
    expect(told).not.toContain(secret);
  // What a reader needs stays.
  const line = '12:00:00 PASS evacuation of eu-west-1: countersign keys rotate nonce, exit code 0, 250 s';
  expect(redact(line)).toBe(line);
});

it('the log has no key of either profile, no proof, and no secret of the environment', () => {
  const key = 'LsjgvZoiQjqHybkPwi9OQcKzgTC8O1qoz2t2k13FNkv';
  const redact = redactor(
    secretsIn({ VAULT_TOKEN: 's.plainold', AWS_SESSION_TOKEN: 'IQo/+=', HOME: '/home' }),
  );
  expect(redact(`csb_dev-basic_1_${key}_4c32Xy csk_a-b_1_${key}_4c32Xy`)).toBe('API-KEY API-KEY');
  expect(redact('Authorization: JWT eyJhbGciOiJI.eyJpc3Mi-_.c2ln, next')).toBe(
    'Authorization: JWT JWT, next',
  );
  expect(redact('s.plainold IQo/+= /home')).toBe('NAME NAME /home');
});

it("the folder of a proof is a CDK project with the project's config and what the proof changed", async () => {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-prove-'));
  try {
    const { change } = openProject(directory, TWO_REGIONS);
    change({ tables: { other: { generation: 2 } } });
    openProject(directory, TWO_REGIONS).change({ keys: { managedBy: 'us-east-1' } });
    const written = JSON.parse(readFileSync(join(directory, CHANGES_FILE), 'utf8'));
    const config = await changedConfig(written);
    expect(config).toMatchObject({
      stage: { name: 'live', kind: 'prod' },
      keys: { managedBy: 'us-east-1' },
      tables: { other: { generation: 2 } },
    });
    const { app, context } = JSON.parse(readFileSync(join(directory, 'cdk.json'), 'utf8'));
    expect(app).toMatch(/^"\/.*\/node" "\/.*\/scripts\/prove\/app\.ts"$/);
    expect(context).toMatchObject({ 'countersign:lock': 'write' });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it('the lock file accepts each of its changes, in their order', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-prove-'));
  const lockFile = join(directory, LOCK_FILE);
  const locked = async () => {
    const config = await changedConfig(JSON.parse(readFileSync(join(directory, CHANGES_FILE), 'utf8')));
    checkLock(readConfig(config), { file: lockFile, write: true });
    return JSON.parse(readFileSync(lockFile, 'utf8')).live;
  };
  try {
    const { change } = openProject(directory, TWO_REGIONS);
    await locked();
    // As `countersign keys promote` does.
    expect(projectLock(directory).write('live', 'us-east-1').done).toBe(true);
    change({ keys: { managedBy: 'us-east-1' } });
    expect(await locked()).toMatchObject({ keysManagedBy: 'us-east-1' });
    change({ tables: { other: { generation: 2 } } });
    expect(await locked()).toMatchObject({ keysManagedBy: 'us-east-1', other: { generation: 2 } });
    change({ tables: { generation: 2, other: { generation: 1 } } });
    expect(await locked()).toMatchObject({ keysManagedBy: 'us-east-1', generation: 2 });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it.each([
  [{ stage: 'other', config: TWO_REGIONS }, '--stage other: the config has stage live'],
  [{ stage: 'dev' }, "stage.kind 'prod', two Regions and a domain"],
])('refuses %o before it calls AWS', async (options, message) => {
  const proof = account({ ...options, directory: '/nonexistent', env: {} });
  await expect(proof).rejects.toThrow(Unfit);
  await expect(account({ ...options, directory: '/nonexistent', env: {} })).rejects.toThrow(message);
});

it.each([
  [['--aws'], '--aws needs --stage NAME'],
  [['--aws', '--stage', 'dev'], '--aws asks for confirmation, which needs a terminal; use --yes to skip it'],
  [['--aws', '--stage', 'Dev', '--yes'], '--stage: 1 to 16 of a-z, 0-9 and -'],
  [['--aws', '--stage', 'dev', '--yes'], "stage.kind 'prod', two Regions and a domain"],
  [['--stage', 'dev'], '--stage needs --aws'],
  [['--yes'], '--yes needs --aws'],
  [['--only', 'nothing'], 'there is no step nothing; the steps are bootstrap,'],
  [['--only', 'keys', '--from', 'keys'], 'use --only or --from, not both'],
  [['--force'], "unknown option '--force'"],
])('%j ends with 2 before anything starts', (args, message) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], CLOSED);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

it('--help lists the steps', () => {
  const { status, stdout } = spawnSync(process.execPath, [SCRIPT, '--help'], CLOSED);
  expect(status).toBe(0);
  for (const { name } of STEPS) expect(stdout).toContain(`  ${name} `);
});
