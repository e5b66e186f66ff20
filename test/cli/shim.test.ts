import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { API_KEY } from '../sdk/keys.ts';
import { Directory } from './cli.ts';

const run = promisify(execFile);
const directory = new Directory();
afterAll(() => directory.remove());
const shim = fileURLToPath(new URL('../../cli/countersign.mjs', import.meta.url));

test('the command runs as its own program, with its output and exit code', async () => {
  const { stdout } = await run(process.execPath, [shim, '--help']);
  expect(stdout).toContain('Usage: countersign');
  await expect(run(process.execPath, [shim, 'register'])).rejects.toMatchObject({ code: 2, stdout: '' });
});

test("the command keeps what Node compiled in this user's own folder, and runs without such a folder", async () => {
  const environment = (own: object) => ({ env: { PATH: process.env.PATH, ...own } });
  const cache = join(directory.path, 'cache');
  await run(process.execPath, [shim, '--help'], environment({ XDG_CACHE_HOME: cache }));
  expect(readdirSync(join(cache, 'countersign'))).not.toEqual([]);
  const nowhere = environment({ XDG_CACHE_HOME: '/dev/null' });
  const { stdout, stderr } = await run(process.execPath, [shim, '--version'], nowhere);
  expect([stdout, stderr]).toEqual([expect.stringMatching(/^\d/), '']);
});

test('help loads no command: neither the AWS SDK nor the SDK of clients', async () => {
  const loaded = `process.argv.splice(1, 0, ${JSON.stringify(shim)}, '--help');
    const { registerHooks } = await import('node:module');
    registerHooks({ load: (url, context, next) => (process.stderr.write(url + '\\n'), next(url, context)) });
    await import(${JSON.stringify(shim)});`;
  const { stderr } = await run(process.execPath, ['--input-type=module', '--eval', loaded]);
  expect(stderr).toContain('/cli/program.ts');
  expect(stderr).not.toMatch(/@aws-sdk|@smithy|sdk\/typescript|undici|\/ajv\//);
});

/** The shim looks at the version only. */
const older = `Object.defineProperty(process.versions, 'node', { value: '20.0.0' });
  process.argv.splice(1, 0, ${JSON.stringify(shim)});
  await import(${JSON.stringify(shim)});`;
const onOlder = (...args: string[]) => ['--input-type=module', '--eval', older, '--', ...args];

test('on an older Node, the shim runs the Node that the project installs', async () => {
  await expect(run(process.execPath, onOlder('register'))).rejects.toMatchObject({
    code: 2,
    stderr: "error: missing required argument 'file'\n",
  });
});

/**
 * A platform that answers a registration when signalled, and a command on an older Node that registers one
 * user.
 */
async function registering(): Promise<{
  readonly launcher: ChildProcess;
  readonly answer: () => void;
  /** The whole output, once launcher and command have ended. */
  readonly printed: Promise<string>;
}> {
  const asked = Promise.withResolvers<ServerResponse>();
  const server = createServer((request, response) => {
    const url = `http://${request.headers.host}`;
    if (request.method === 'POST') return asked.resolve(response);
    const document = { issuer: url, regions: [{ name: 'a', url }], nonce: 'x'.repeat(60) };
    response.end(JSON.stringify(document));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = onOlder('register', '-', '--format', 'jsonl', '--json', '--url', url);
  // In its own process group: Ctrl-C in a terminal reaches the whole group.
  const launcher = spawn(process.execPath, args, {
    cwd: directory.path,
    env: { ...process.env, COUNTERSIGN_API_KEY: API_KEY },
    detached: true,
  });
  onTestFinished(() => {
    try {
      process.kill(-launcher.pid!, 'SIGKILL');
    } catch {
      // The processes have already ended, as expected.
    }
    server.closeAllConnections();
    server.close();
  });
  let text = '';
  for (const stream of [launcher.stdout, launcher.stderr])
    stream.on('data', (data) => {
      text += data;
    });
  const printed = once(launcher, 'close').then(() => text);
  launcher.stdin.write('{"user_id":"ada"}\n');
  const response = await asked.promise;
  const data = { user_id: 'ada' };
  const registration = { id: 'i', client_id: 'test', user_id: 'ada', created_at: 't', data };
  const answer = () => response.writeHead(201).end(JSON.stringify(registration));
  return { launcher, answer, printed };
}

test.each<[string, (launcher: ChildProcess) => void]>([
  ["a terminal's Ctrl-C", (launcher) => process.kill(-launcher.pid!, 'SIGINT')],
  ['SIGINT to the launcher alone', (launcher) => launcher.kill('SIGINT')],
])('on an older Node %s lets finish what is under way', async (_, interrupt) => {
  const { launcher, answer, printed } = await registering();
  interrupt(launcher);
  // Leaves time for a second interrupt to arrive; that would abort the registration.
  await delay(300);
  answer();
  const [code] = await once(launcher, 'exit');
  expect(code).toBe(130);
  expect(JSON.parse((await printed).split('\n')[0]!)).toMatchObject({
    registered: 1,
    stopped: 'interrupted',
  });
});

test('on an older Node, a second Ctrl-C ends the command, too', async () => {
  const { launcher, printed } = await registering();
  launcher.kill('SIGINT');
  await delay(300);
  launcher.kill('SIGINT');
  expect((await once(launcher, 'exit'))[0]).toBe(130);
  expect(JSON.parse((await printed).split('\n')[0]!)).toMatchObject({ registered: 0 });
});

test.each([
  ['SIGTERM', 143],
  ['SIGHUP', 129],
  ['SIGKILL', null],
] as const)('on an older Node %s to the launcher alone ends the command', async (signal, code) => {
  const { launcher, printed } = await registering();
  launcher.kill(signal);
  expect((await once(launcher, 'exit'))[0]).toBe(code);
  // The command holds the same streams, so they close once it has ended. It gets no time to report anything.
  expect(await printed).toBe('');
});
