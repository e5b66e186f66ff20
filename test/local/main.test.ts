import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
  /** Resolves once stdout holds this. */
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

test('with --json it prints one line when ready, which lies in local.json until it is stopped', async () => {
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

test('it registers a first user, shows that a replay is refused, and says what to try next', async () => {
  const run = start('--port', '0', '--regions', '3', '--consistency', 'eventual');
  await run.shows('Ctrl-C stops it.');
  expect(run.stdout()).toMatch(/POST \/v1\/register +201/);
  expect(run.stdout()).toMatch(/the same request again +401 +use_nonce/);
  expect(run.stdout()).toContain('local-c');
  expect(run.stdout()).toContain('npx countersign register examples/users.csv');
  const { clients } = JSON.parse(readFileSync(infoPath(), 'utf8')) as PlatformInfo;
  const log = readFileSync(join(directory, '.countersign/local.log'), 'utf8');
  expect(log).toContain('"route":"/v1/register"');
  for (const { api_key } of clients) expect(run.stdout() + log).not.toContain(api_key);
  run.child.kill('SIGTERM');
  expect(await run.ended).toBe(0);
});

test('with --no-demo nobody is registered', async () => {
  const run = start('--port', '0', '--no-demo');
  await run.shows('Ctrl-C stops it.');
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

test.each([
  [['--port', 'x'], '--port'],
  [['--port', '65476'], '65475'],
  [['--regions', '4'], 'Allowed choices are 2, 3'],
  [['--consistency', 'weak'], 'strong, eventual'],
  [['--vault', 'elsewhere'], 'embedded, openbao, or the URL'],
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
  for (const flag of ['--port', '--regions', '--consistency', '--vault', '--no-demo', '--json'])
    expect(run.stdout()).toContain(flag);
});
