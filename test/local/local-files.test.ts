import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLocalFiles } from '../../local/local-files.ts';
import type { PlatformInfo } from '../../local/platform.ts';
import { type LocalServer, startServer } from '../../local/server.ts';

let parent: string;
let servers: LocalServer[];
const path = (name: string) => join(parent, '.countersign', name);

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'countersign-'));
  servers = [];
});
afterEach(async () => {
  for (const server of servers) await server.stop();
  rmSync(parent, { recursive: true });
});

/** A platform's files, and the port that it listens on. */
async function open() {
  const server = await startServer(0, new Set());
  servers.push(server);
  return { server, files: await openLocalFiles(parent, server.port) };
}

const info = (entry: string): PlatformInfo => ({
  entry,
  regions: [],
  awsEndpoint: entry,
  vault: null,
  console: null,
  clients: [],
});

test("the first platform has the file names without a port, later ones add theirs, and none touches another's", async () => {
  const one = await open();
  one.files.log({ level: 'info', message: 'one' } as never);
  one.files.announce(info(one.server.url), 'token');
  const before = [path('local.json'), path('local.log')].map((file) => readFileSync(file, 'utf8'));

  const two = await open();
  two.files.announce(info(two.server.url), 'token');
  expect([one.files.isFirst, two.files.isFirst]).toEqual([true, false]);
  expect(two.files.infoPath).toBe(path(`local-${two.server.port}.json`));
  expect(JSON.parse(readFileSync(two.files.infoPath, 'utf8')).entry).toBe(two.server.url);
  two.files.close();
  expect(existsSync(two.files.infoPath)).toBe(false);
  expect([path('local.json'), path('local.log')].map((file) => readFileSync(file, 'utf8'))).toEqual(before);

  one.files.close();
  expect(readdirSync(path('')).sort()).toEqual(['local.log', `local-${two.server.port}.log`].sort());
  const three = await open();
  expect(three.files.isFirst).toBe(true);
  three.files.close();
});

test.each([
  ['of a port that nobody listens on', async () => '1 1\n'],
  ['of no port', async () => 'x\n'],
  ['of port 0', async () => '0 1\n'],
  ['that is empty', async () => ''],
])('a lock %s belongs to a dead platform, whose files are removed', async (_, lock) => {
  mkdirSync(path(''));
  writeFileSync(path('local.lock'), await lock());
  writeFileSync(path('local.json'), '{"entry":"http://127.0.0.1:1"}');
  const { files } = await open();
  expect(files.isFirst).toBe(true);
  expect(existsSync(path('local.json'))).toBe(false);
  files.close();
  expect(readdirSync(path(''))).toEqual(['local.log']);
});

test("a lock with this platform's own port belongs to a dead platform that had the port before", async () => {
  const server = await startServer(0, new Set());
  servers.push(server);
  mkdirSync(path(''));
  // Its process id now belongs to another process.
  writeFileSync(path('local.lock'), `${server.port} ${process.pid}\n`);
  const files = await openLocalFiles(parent, server.port);
  expect(files.isFirst).toBe(true);
  files.close();
});

test("a program on a dead platform's port is not that platform", async () => {
  const another = await startServer(0, new Set());
  servers.push(another);
  const { pid, status } = spawnSync(process.execPath, ['--eval', '']);
  expect(status).toBe(0);
  mkdirSync(path(''));
  writeFileSync(path('local.lock'), `${another.port} ${pid}\n`);
  const { files } = await open();
  expect(files.isFirst).toBe(true);
  files.close();
});

test("of many that find a dead platform's lock at once, one takes it", async () => {
  mkdirSync(path(''));
  writeFileSync(path('local.lock'), '1 1\n');
  const opened = await Promise.all(Array.from({ length: 20 }, open));
  expect(opened.filter(({ files }) => files.isFirst)).toHaveLength(1);
  for (const { files } of opened) files.close();
  expect(readdirSync(path('')).filter((name) => !name.endsWith('.log'))).toEqual([]);
});

test('a lock that another platform has taken since then stays', async () => {
  const { files } = await open();
  writeFileSync(path('local.lock'), '2 2\n');
  files.close();
  expect(readFileSync(path('local.lock'), 'utf8')).toBe('2 2\n');
});
