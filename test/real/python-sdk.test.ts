/**
 * The Python SDK: its form, its tests without a platform, and its tests against the whole platform, also
 * through weak networks.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { DIRECTORY } from '../../local/real/install.ts';
import { pythonWith } from '../../local/real/python.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';

const SDK = fileURLToPath(new URL('../../sdk/python', import.meta.url));
/** The longest time that a test waits for its batch, on a machine that is busy with others. */
const BATCH_MS = 300_000;
let python: string;

beforeAll(async () => {
  python = await pythonWith(join(SDK, 'requirements-dev.txt'));
});

/** @returns what a Python module printed. It has no bytecode, cache or setting of the user's. */
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(python, args, {
    cwd: SDK,
    env: {
      ...process.env,
      PATH: `${dirname(python)}:${process.env.PATH}`,
      PYTHONPATH: join(SDK, 'src'),
      PYTHONDONTWRITEBYTECODE: '1',
      PYRIGHT_PYTHON_CACHE_DIR: join(DIRECTORY, 'pyright'),
      PYRIGHT_PYTHON_IGNORE_WARNINGS: '1',
      ...env,
    },
    maxBuffer: 2 ** 24,
  }).catch((error: { stdout?: string; stderr?: string }) => {
    throw new Error(`python ${args.join(' ')}\n${error.stdout}\n${error.stderr}`, { cause: error });
  });
  return stdout;
}

it.each([
  [['-m', 'ruff', 'check', '--no-cache'], 'All checks passed!'],
  [['-m', 'ruff', 'format', '--no-cache', '--check'], 'already formatted'],
  [['-m', 'mypy', '--cache-dir', '/dev/null'], 'Success: no issues found'],
  [['-m', 'pyright', '--pythonpath', 'python'], '0 errors, 0 warnings'],
])('%j finds nothing', async (args, message) => {
  const given = args.map((arg) => (arg === 'python' ? python : arg));
  expect(await run(given)).toContain(message);
});

it('passes the tests that need no platform', async () => {
  expect(await run(['-m', 'pytest', '-q'])).toMatch(/\n\d{3,} passed in /);
});

it('is a wheel that installs, with its types', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-wheel-'));
  try {
    const quiet = ['--quiet', '--no-deps', '--disable-pip-version-check'];
    await run(['-m', 'pip', 'wheel', ...quiet, '--no-build-isolation', '-w', folder, SDK]);
    const [wheel, ...others] = await readdir(folder);
    expect([wheel, others]).toEqual(['countersign_sdk-0.1.0-py3-none-any.whl', []]);
    const installed = join(folder, 'installed');
    await run(['-m', 'pip', 'install', ...quiet, '--target', installed, join(folder, wheel!)]);
    expect((await readdir(installed)).sort()).toEqual(['countersign', 'countersign_sdk-0.1.0.dist-info']);
    expect(await readdir(join(installed, 'countersign'))).toContain('py.typed');
    const text = 'import countersign, countersign.testing as t; print(countersign.__version__, t.__file__)';
    expect(await run(['-c', text], { PYTHONPATH: installed })).toContain(`0.1.0 ${installed}`);
  } finally {
    await rm(folder, { recursive: true });
  }
});

let platform: Platform;
const proxies: Record<string, FaultProxy> = {};
const servers: Server[] = [];
let told: string;

beforeAll(async () => {
  platform = await startPlatform({ port: 0 });
  for (const share of ['0.1', '0.3']) proxies[share] = await startFaultProxy(Number(share));
  const silent = await listen(() => undefined);
  const trickle = await listen((write) => {
    write('HTTP/1.1 200 OK\r\n');
    const timer = setInterval(() => write('X: y\r\n'), 100);
    return () => clearInterval(timer);
  });
  told = JSON.stringify({
    ...platform.info,
    proxies: Object.fromEntries(Object.entries(proxies).map(([share, { port }]) => [share, port])),
    silent,
    trickle: `http://127.0.0.1:${trickle}/v1/nonce`,
    ...(await moreClients(platform)),
  });
});
afterAll(async () => {
  for (const server of servers) server.close();
  for (const proxy of Object.values(proxies)) await proxy.close();
  await platform?.stop();
});

it.each([
  'not weak',
  'weak_network and 0.1 and not asyncio',
  'weak_network and 0.1 and asyncio',
  'weak_network and 0.3 and not asyncio',
  'weak_network and 0.3 and asyncio',
])('passes its tests against the running platform: %s', { timeout: BATCH_MS }, async (which) => {
  const tests = ['-m', 'pytest', '-q', 'tests/platform', '-k', which];
  expect(await run(tests, { COUNTERSIGN_TEST_PLATFORM: told })).toMatch(/\n\d+ passed/);
  for (const { connections } of Object.values(proxies)) await expect.poll(connections).toBe(0);
});

it('met each fault of a weak network', () => {
  for (const { counts } of Object.values(proxies))
    for (const fault of ['none', 'drop', 'lose', 'half-open', 'truncate', 'unavailable', 'late'])
      expect(counts[fault], fault).toBeGreaterThan(0);
});

/** @returns clients whose keys end soon enough to roll over, and one whose events are read */
async function moreClients({ info: { awsEndpoint, regions } }: Platform) {
  const region = regions[0]!.name;
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const lambda = new LambdaClient({ endpoint: awsEndpoint, region, credentials });
  const create = async (params: object) => {
    const expires_at = new Date(Date.now() + 7 * 24 * 3_600_000).toISOString();
    const input = { action: 'clients.create', params: { profile: 'strict', expires_at, ...params } };
    const command = new InvokeCommand({
      FunctionName: 'countersign-local-admin-write',
      Payload: Buffer.from(JSON.stringify(input)),
    });
    const { ok, result } = JSON.parse(Buffer.from((await lambda.send(command)).Payload!).toString());
    expect(ok).toBe(true);
    return result;
  };
  const { privateKey, publicKey } = await generateKeyPair('Ed25519', { extractable: true });
  const [jwk, secret] = await Promise.all([exportJWK(publicKey), exportJWK(privateKey)]);
  const { api_key: ending } = await create({});
  const { api_key: events } = await create({ expires_at: undefined });
  const { client_id } = await create({ jwk: { ...jwk, alg: 'Ed25519' } });
  lambda.destroy();
  return { ending, events, pair: { client_id, jwk: { ...secret, alg: 'Ed25519' } } };
}

/** @returns the port of a server that takes connections, and says what `speak` writes */
async function listen(speak: (write: (text: string) => void) => (() => void) | undefined): Promise<number> {
  const server = createServer((socket) => {
    const stop = speak((text) => socket.write(text));
    socket.on('error', () => {});
    socket.on('close', () => stop?.());
    socket.resume();
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
