/** `countersign drill`: real processes under load. What is longer than a moment runs under `CI=true`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { History } from '../../cli/drill/history.ts';
import { Load } from '../../cli/drill/load.ts';
import { startPlatform } from '../../local/platform.ts';
import { Directory, type Ran } from './cli.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const directory = new Directory();
// Drills of other runs on this machine make directories as well: these here have a place of their own.
beforeAll(() => {
  vi.stubEnv('TMPDIR', directory.path);
});
afterAll(() => {
  vi.unstubAllEnvs();
  directory.remove();
});

const drill = (...args: string[]): Promise<Ran> => directory.run(['drill', ...args]);

/** @returns directories that drills made and did not remove */
const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith('countersign-drill-'));

test('a Region is lost under 50 clients: nothing acknowledged is lost, nothing is twice, each call is served elsewhere', async () => {
  const before = left();
  const file = join(directory.path, 'report.html');
  const args = ['--clients', '50', '--duration', '2s', '--json', '--report', file];
  const { code, stderr, json } = await drill('region-loss', ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(Object.keys(json)).toEqual([
    ...['drill', 'passed', 'clients', 'acknowledged', 'lost', 'events_missed', 'duplicated'],
    ...['client_errors', 'max_attempts', 'recovery_ms', 'report'],
  ]);
  expect(json).toMatchObject({
    ...{ drill: 'region-loss', passed: true, clients: 50, lost: 0, duplicated: 0, client_errors: 0 },
    events_missed: 0,
    report: file,
  });
  expect(json.acknowledged).toBeGreaterThan(50);
  expect(json.recovery_ms).toBeGreaterThan(0);
  // One failure of transport, and at most one refused nonce, before the attempt that succeeds.
  expect([2, 3]).toContain(json.max_attempts);
  const report = directory.read('report.html');
  expect(report).toContain('local-b is lost');
  expect(report.match(/<svg /g)).toHaveLength(2);
  expect(report).not.toMatch(/https?:|src=|@import|url\(/);
  expect(left()).toEqual(before);
});

const LONGER: [string, string[]][] = [
  ['home-loss', []],
  ['quorum-loss', []],
  ['throttle', []],
  ['vault-loss', []],
  ['rotation', []],
  ['evacuation', []],
  ['restore', []],
  ['region-loss', ['--consistency', 'eventual']],
];
test.concurrent.each(process.env.CI === 'true' ? LONGER : [])(
  '%s passes with %j',
  async (name, more) => {
    const { code, stderr, json } = await drill(name, '--clients', '6', '--duration', '2s', '--json', ...more);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(json).toMatchObject({ drill: name, passed: true, duplicated: 0 });
  },
  300_000,
);

test('a registration that cannot be read does not count as lost', async () => {
  const platform = await startPlatform({ port: 0 });
  const { info } = platform;
  await platform.stop();
  const history = new History();
  const load = new Load({ ...info, path: '' }, history);
  const acknowledged = { id: 'AAAAAAAAAAAAAAAAAAAAAA', createdAt: 'then', region: 'local-a' };
  const call = {
    userId: 'u',
    prefers: 'local-a',
    endMs: 1,
    attempts: [],
    transportFailures: 0,
    acknowledged,
  };
  await load.readBack([call], info.regions[1]!, new AbortController().signal);
  expect([history.lost.size, [...history.unread]]).toEqual([0, [expect.stringContaining('u in local-b: ')]]);
});

test('it runs on the platform that runs, and leaves it as it was', async () => {
  const platform = await startPlatform({ port: 0, consistency: 'eventual' });
  try {
    const here = join(directory.path, '.countersign');
    mkdirSync(here);
    directory.write('.countersign/local.json', JSON.stringify(platform.info));
    const args = ['--running', '--clients', '4', '--duration', '1s', '--json'];
    const refused = await drill('vault-loss', ...args);
    expect([refused.code, refused.stderr]).toEqual([
      3,
      expect.stringContaining('this platform takes no faults'),
    ]);
    directory.write('.countersign/local.token', platform.controlToken);
    // In eventual mode Regions that reach no other go on.
    const { code, stderr, json } = await drill('quorum-loss', ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(json).toMatchObject({ passed: true, lost: 0, client_errors: 0, recovery_ms: null, report: null });
    let interrupt = () => {};
    const onReady = (press: () => void) => {
      interrupt = press;
    };
    const lost = platform.info.regions.at(-1)!.url;
    const isLost = () =>
      fetch(lost).then(
        () => false,
        () => true,
      );
    const ends: [string, () => void][] = [
      ['Ctrl-C', () => interrupt()],
      // A signal to this process would also end the test.
      ['SIGTERM', () => process.listeners('SIGTERM').at(-1)!('SIGTERM')],
      ['SIGHUP', () => process.listeners('SIGHUP').at(-1)!('SIGHUP')],
    ];
    for (const [by, end] of ends) {
      const ended = directory.run(['drill', 'region-loss', ...args, '--duration', '4s'], { onReady });
      await expect.poll(isLost, { timeout: 20_000 }).toBe(true);
      end();
      expect([by, await ended]).toMatchObject([
        by,
        { code: 130, stdout: '', stderr: 'error: interrupted\n' },
      ]);
      for (const { url } of platform.info.regions)
        expect((await fetch(`${url}/.well-known/countersign`)).status).toBe(200);
    }

    const isOut = async () => {
      const look = await directory.run(['evacuate', 'local-b'], { terminal: true, stdin: 'no\n' });
      return look.stderr.includes('local-b is evacuated since');
    };
    const evacuating = directory.run(['drill', 'evacuation', ...args, '--duration', '30s'], { onReady });
    await expect.poll(isOut, { timeout: 30_000 }).toBe(true);
    const health = `${platform.info.regions[1]!.url}/v1/health`;
    await expect.poll(async () => (await fetch(health)).status, { timeout: 30_000 }).toBe(503);
    const broken = await drill('quorum-loss', ...args);
    expect([broken.code, broken.stderr]).toEqual([
      1,
      expect.stringMatching(/local-b is not healthy \(.*evacuated\)/),
    ]);
    interrupt();
    expect(await evacuating).toMatchObject({ code: 130, stdout: '', stderr: 'error: interrupted\n' });
    expect(await isOut()).toBe(false);
    rmSync(here, { recursive: true });
  } finally {
    await platform.stop();
  }
});

test.each([
  [['nothing'], "'nothing' is invalid for argument 'drill'"],
  [['partition', '--clients', '0'], 'It must be a number from 1 to 999'],
  [['partition', '--duration', '3'], 'a whole number followed by s, m, h or d'],
  [['partition', '--local', '4100'], '--local goes with --running'],
  [['partition', '--running', '--consistency', 'strong'], 'it does not go with --running'],
  [['home-loss', '--running'], 'run it without --running'],
  [['restore', '--running'], 'run it without --running'],
  [['partition', '--report', 'nowhere/report.html'], '--report: cannot write'],
  [['partition', '--report', '.'], 'it exists, and is no file'],
  [['partition', '--report', 'r'.repeat(255)], 'ENAMETOOLONG'],
])('%j is wrong usage', async (args, mention) => {
  const { code, stdout, stderr } = await drill(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(mention);
});

function start(cwd: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, [join(cwd, 'cli/main.ts'), 'drill', ...args], {
    ...{ cwd, stdio: ['ignore', 'pipe', 'pipe'] },
  });
}

/** Waits for the platform of a drill. @returns its URLs */
async function urlsOf(before: readonly string[]): Promise<string[]> {
  let found: string | undefined;
  await expect
    .poll(
      () => {
        found = left().find((name) => !before.includes(name));
        return found !== undefined && existsSync(join(tmpdir(), found, '.countersign/local.json'));
      },
      { timeout: 50_000 },
    )
    .toBe(true);
  const info = JSON.parse(readFileSync(join(tmpdir(), found!, '.countersign/local.json'), 'utf8'));
  return [info.entry, info.awsEndpoint, ...info.regions.map(({ url }: { url: string }) => url)];
}

test.each(['SIGINT', 'SIGKILL'] as const)('ended by %s, it leaves no process behind', async (signal) => {
  const before = left();
  const child = start(root, 'region-loss', '--clients', '2', '--duration', '1h');
  const ended = once(child, 'exit');
  try {
    const urls = await urlsOf(before);
    child.kill(signal);
    expect(await ended).toEqual(signal === 'SIGINT' ? [130, null] : [null, signal]);
    for (const url of urls)
      await expect
        .poll(
          () =>
            fetch(url).then(
              () => 'answers',
              ({ cause }) => cause.code,
            ),
          { timeout: 30_000 },
        )
        .toBe('ECONNREFUSED');
    if (signal === 'SIGINT') expect(left()).toEqual(before);
  } finally {
    child.kill('SIGKILL');
    for (const name of left())
      if (!before.includes(name)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
});

const LEFT_OUT = new Set(['node_modules', '.git', '.countersign', 'cdk.out', 'dist']);

/** Runs a drill on a copy of the project in which files are changed. @returns its exit code and its JSON */
async function drillOn(changes: readonly (readonly [file: string, find: string, replace: string])[]) {
  const copy = mkdtempSync(join(tmpdir(), 'countersign-naive-'));
  try {
    cpSync(root, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    for (const [file, find, replace] of changes) {
      const text = readFileSync(join(copy, file), 'utf8');
      expect(text.split(find)).toHaveLength(2);
      writeFileSync(
        join(copy, file),
        text.replace(find, () => replace),
      );
    }
    const child = start(copy, 'region-loss', '--clients', '12', '--duration', '2s', '--json');
    let stdout = '';
    child.stdout!.on('data', (chunk) => {
      stdout += chunk;
    });
    const [code] = await once(child, 'close');
    return { code, result: JSON.parse(stdout) };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

// These three wait most of their time, so they run at once.
test.concurrent('a Region that reaches no other costs its clients one refused attempt', async () => {
  const { code, stdout, stderr } = await drill('partition', '--clients', '6', '--duration', '2s');
  expect(stderr).toMatch(
    /^6 clients register for 2 s \.\.\.\nlocal-b reaches no other Region\nhealed\nreading back \d+ acknowledged registrations \.\.\.\n$/,
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/^partition: passed\nclients +6\nacknowledged +\d+\nlost +0\nduplicated +0\n/);
});

test.concurrent('it finds a platform that acknowledges before a second Region has the registration', async () => {
  const { code, result } = await drillOn([
    [
      'local/aws/regions.ts',
      '(isGlobalTable(table) ? consistency :',
      "(table.includes('registry') ? 'eventual' : isGlobalTable(table) ? consistency :",
    ],
    ['local/platform.ts', 'REPLICATION_MS = 100;', 'REPLICATION_MS = 60_000;'],
  ]);
  expect(code).toBe(1);
  expect(result.passed).toBe(false);
  expect(result.lost).toBeGreaterThan(0);
});

test.concurrent('it finds a platform whose nonces are not bound to a Region', async () => {
  const { code, result } = await drillOn([
    [
      'protocol/nonce.ts',
      "'countersign/nonce-key/v1', region, ledgerTable",
      "'countersign/nonce-key/v1', '', ledgerTable",
    ],
    ['protocol/nonce.ts', 'content.region === check.region &&', ''],
  ]);
  expect(code).toBe(1);
  expect(result.passed).toBe(false);
  expect(result.duplicated).toBeGreaterThan(0);
});
