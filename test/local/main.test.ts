import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PlatformInfo } from '../../local/platform.ts';
import { startServer } from '../../local/server.ts';
import { send } from './http.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
let directory: string;
let children: ChildProcess[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'countersign-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout(): string;
  stderr(): string;
  /** Resolves once stdout contains this. */
  shows(text: string): Promise<void>;
}

function start(...flags: string[]): Run {
  const child = spawn(join(root, 'node_modules/.bin/node'), [join(root, 'local/main.ts'), ...flags], {
    cwd: directory,
    env: { ...process.env, NO_COLOR: '1' },
  });
  children.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const shows = async (text: string) => {
    while (!stdout.includes(text)) {
      const more = await Promise.race([once(child.stdout, 'data'), ended.then(() => undefined)]);
      if (!more && !stdout.includes(text)) throw new Error(`it ended without "${text}": ${stderr}`);
    }
  };
  return { child, ended, stdout: () => stdout, stderr: () => stderr, shows };
}

const infoPath = () => join(directory, '.countersign/local.json');
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test('a port that npm passed on without its flag gets the command line that works', async () => {
  const run = start('4200');
  expect(await run.ended).toBe(1);
  expect(run.stderr()).toMatch(
    /^error: too many arguments.*; flags go after --: npm start -- --port 4200\n$/,
  );
});

test('with --json it prints one line when ready; the same is in local.json until it stops', async () => {
  const run = start('--port', '0', '--json');
  await run.shows('\n');
  const info = JSON.parse(run.stdout()) as PlatformInfo;
  expect(JSON.parse(readFileSync(infoPath(), 'utf8'))).toEqual(info);
  expect(modeOf(infoPath())).toBe('600');
  expect(modeOf(join(directory, '.countersign'))).toBe('700');
  expect(modeOf(join(directory, '.countersign/local.log'))).toBe('600');
  expect((await send(`${info.entry}/v1/health`)).status).toBe(200);

  run.child.kill('SIGINT');
  expect(await run.ended).toBe(0);
  expect(run.stdout().trim().split('\n')).toHaveLength(1);
  expect(run.stderr()).toBe('');
  expect(existsSync(infoPath())).toBe(false);
  await expect(send(info.entry)).rejects.toThrow(expect.objectContaining({ code: 'ECONNREFUSED' }));
});

test('it registers a first user, shows that a replay is refused, and suggests the next commands', async () => {
  const run = start('--port', '0', '--regions', '3', '--consistency', 'eventual');
  await run.shows('Ctrl-C stops the platform.');
  expect(run.stdout()).toMatch(/POST \/v1\/register +201/);
  expect(run.stdout()).toMatch(/the same request again +401 +use_nonce/);
  expect(run.stdout()).toMatch(/POST \/v1\/oauth\/token +200/);
  expect(run.stdout()).toMatch(/POST \/v1\/register with it +201/);
  expect(run.stdout()).toMatch(/the same request again +401 +invalid_proof/);
  expect(run.stdout()).toContain('local-c');
  expect(run.stdout()).toContain('npx countersign register examples/users.csv');
  const { clients } = JSON.parse(readFileSync(infoPath(), 'utf8')) as PlatformInfo;
  const log = readFileSync(join(directory, '.countersign/local.log'), 'utf8');
  expect(log).toContain('"route":"/v1/register"');
  for (const { api_key } of clients) expect(run.stdout() + log).not.toContain(api_key);
  run.child.kill('SIGTERM');
  expect(await run.ended).toBe(0);
});

test('with --no-demo no user is registered', async () => {
  const run = start('--port', '0', '--no-demo');
  await run.shows('Ctrl-C stops the platform.');
  expect(run.stdout()).not.toContain('first user');
  expect(readFileSync(join(directory, '.countersign/local.log'), 'utf8')).not.toContain('/v1/register');
  run.child.kill('SIGINT');
  expect(await run.ended).toBe(0);
});

test("another platform's local.json is left alone", async () => {
  const run = start('--port', '0', '--json', '--no-demo');
  await run.shows('\n');
  writeFileSync(infoPath(), '{"entry":"http://127.0.0.1:1"}');
  run.child.kill('SIGINT');
  expect(await run.ended).toBe(0);
  expect(readFileSync(infoPath(), 'utf8')).toContain('127.0.0.1:1');
});

test('a port in use gets one sentence that names it, and leaves no local.json', async () => {
  const taken = await startServer(0, new Set());
  const run = start('--port', String(taken.port));
  const code = await run.ended;
  await taken.stop();
  expect(code).toBe(1);
  expect(run.stderr().trim().split('\n')).toHaveLength(1);
  expect(run.stderr()).toContain(`port ${taken.port} is in use`);
  expect(existsSync(infoPath())).toBe(false);
});

const local = (name: string) => join(directory, '.countersign', name);
const ready = async (run: Run): Promise<PlatformInfo> => {
  await run.shows('\n');
  return JSON.parse(run.stdout()) as PlatformInfo;
};
const portOf = ({ entry }: PlatformInfo) => new URL(entry).port;

test('a second platform on the same port ends with that sentence; on another port it has its own files', async () => {
  const first = start('--port', '0', '--json');
  const firstInfo = await ready(first);
  const announced = readFileSync(infoPath(), 'utf8');
  const log = readFileSync(local('local.log'), 'utf8');
  expect(log).toContain('/v1/register');

  const same = start('--port', portOf(firstInfo), '--json');
  expect(await same.ended).toBe(1);
  expect(same.stderr()).toMatch(/^error: port \d+ is in use[^\n]*\n$/);

  const other = start('--port', '0', '--no-demo');
  await other.shows('Ctrl-C stops the platform.');
  const port = /--local (\d+)/.exec(other.stdout())![1]!;
  expect(other.stdout()).toContain(`npx countersign register examples/users.csv --local ${port}`);
  expect(other.stdout()).toContain(`add --local ${port} to commands for this one.`);
  expect(modeOf(local(`local-${port}.json`))).toBe('600');
  expect(modeOf(local(`local-${port}.log`))).toBe('600');
  expect(portOf(JSON.parse(readFileSync(local(`local-${port}.json`), 'utf8')))).toBe(port);
  other.child.kill('SIGINT');
  expect(await other.ended).toBe(0);
  expect(existsSync(local(`local-${port}.json`))).toBe(false);

  expect(readFileSync(infoPath(), 'utf8')).toBe(announced);
  expect(readFileSync(local('local.log'), 'utf8')).toBe(log);
  await send(`${firstInfo.regions[0]!.url}/v1/nonce?client_id=dev`);
  expect(readFileSync(local('local.log'), 'utf8').length).toBeGreaterThan(log.length);
  first.child.kill('SIGINT');
  expect(await first.ended).toBe(0);
  expect(existsSync(infoPath())).toBe(false);
});

test('the next platform takes over the files of a killed one', async () => {
  const killed = start('--port', '0', '--json', '--no-demo');
  await ready(killed);
  killed.child.kill('SIGKILL');
  await killed.ended;
  expect(existsSync(infoPath())).toBe(true);
  const next = start('--port', '0', '--json', '--no-demo');
  const info = await ready(next);
  expect(JSON.parse(readFileSync(infoPath(), 'utf8'))).toEqual(info);
  next.child.kill('SIGINT');
  expect(await next.ended).toBe(0);
  expect(readdirSync(local(''))).toEqual(['local.log']);
});

test('a page of an allowed origin may call the entry and the Regions, and not the AWS endpoint', async () => {
  const page = 'http://localhost:5173';
  const run = start(
    '--port',
    '0',
    '--json',
    '--no-demo',
    '--allow-origin',
    page,
    '--allow-origin',
    `${page}1/`,
  );
  const { entry, regions, awsEndpoint, vault } = await ready(run);
  const status = async (url: string, origin: string) =>
    (await send(`${url}/v1/nonce?client_id=dev`, { headers: ['Origin', origin] })).status;
  for (const url of [entry, ...regions.map((region) => region.url)]) {
    expect(await status(url, page)).toBe(200);
    expect(await status(url, `${page}1`)).toBe(200);
    expect(await status(url, 'http://localhost:5174')).toBe(403);
  }
  for (const url of [awsEndpoint, vault!]) {
    const { status: refused, text } = await send(url, { headers: ['Origin', page] });
    expect([refused, JSON.parse(text).title]).toEqual([403, 'Foreign origin']);
  }
  run.child.kill('SIGINT');
  expect(await run.ended).toBe(0);
});

test.each([
  [['--port', 'x'], '--port'],
  [['--port', '65476'], '65475'],
  [['--regions', '4'], 'Allowed choices are 2, 3'],
  [['--consistency', 'weak'], 'strong, eventual'],
  [['--vault', 'elsewhere'], 'embedded, openbao, or the URL'],
  [['--allow-origin', '*'], '--allow-origin'],
  [['--allow-origin', 'null'], '--allow-origin'],
  [['--allow-origin', 'http://localhost:5173/path'], '--allow-origin'],
  [['--allow-origin', 'file:///page.html'], '--allow-origin'],
  [['--bogus'], '--bogus'],
  [['extra'], 'extra'],
])('%j is refused in one sentence, and nothing is started', async (flags, mention) => {
  const run = start(...flags);
  expect(await run.ended).not.toBe(0);
  expect(run.stderr().trim().split('\n')).toHaveLength(1);
  expect(run.stderr()).toContain(mention);
  expect(run.stdout()).toBe('');
  expect(existsSync(join(directory, '.countersign'))).toBe(false);
});

test('--help names every flag', async () => {
  const run = start('--help');
  expect(await run.ended).toBe(0);
  for (const flag of [
    '--port',
    '--regions',
    '--consistency',
    '--vault',
    '--allow-origin',
    '--no-demo',
    '--json',
  ])
    expect(run.stdout()).toContain(flag);
});
