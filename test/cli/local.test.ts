/** Which of several local platforms in one folder a command uses. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { findLocalPlatform } from '../../cli/local.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { Directory } from './cli.ts';

let first: Platform;
let second: Platform;
const directory = new Directory();
const portOf = ({ info }: Platform) => new URL(info.entry).port;

beforeAll(async () => {
  [first, second] = await Promise.all([startPlatform({ port: 0 }), startPlatform({ port: 0 })]);
  directory.announce(first.info);
  directory.write(`.countersign/local-${portOf(second)}.json`, JSON.stringify(second.info));
});
afterAll(async () => {
  directory.remove();
  await first?.stop();
  await second?.stop();
});

const local = (platform: Platform) => ['--local', portOf(platform)];

test('--local names a platform by its port; without it a command uses the first', async () => {
  const register = async (...more: string[]) => {
    const args = ['register', '-', '--format', 'jsonl', '--json', ...more];
    const { json } = await directory.run(args, { stdin: '{"user_id":"ada"}\n' });
    return [json.registered, json.replayed];
  };
  expect(await register()).toEqual([1, 0]);
  expect(await register(...local(second))).toEqual([1, 0]);
  expect(await register(...local(first))).toEqual([1, 1]);
  expect(await register(...local(second))).toEqual([1, 1]);

  await directory.run(['clients', 'create', 'only-here', ...local(second)]);
  const shown = async (...more: string[]) =>
    (await directory.run(['clients', 'show', 'only-here', ...more])).code;
  expect(await shown(...local(second))).toBe(0);
  expect(await shown()).toBe(1);
});

test('--local overrides the environment, also from a subfolder and for doctor', async () => {
  const env = { COUNTERSIGN_URL: 'https://api.example.com', COUNTERSIGN_API_KEY: 'csk_other' };
  const { code, stdout } = await directory.run(['doctor', ...local(second)], { env });
  expect(code).toBe(0);
  expect(stdout).toContain(second.info.entry);
  const path = `${directory.path}/below`;
  mkdirSync(path);
  expect(findLocalPlatform(path, '', portOf(second)).entry).toBe(second.info.entry);
});

test.each([
  [['register', '-', '--local', '1', '--url', 'https://api.example.com'], '--local cannot be combined with'],
  [['doctor', '--local', '1', '--api-key-file', 'key.txt'], '--local cannot be combined with'],
  [
    ['clients', 'list', '--local', '1', '--stage', 'dev', '--region', 'eu-west-1'],
    '--local cannot be combined with',
  ],
  [['doctor', '--local', '1', '--regions', 'https://a.example'], '--local cannot be combined with'],
  [['doctor', '--regions', 'https://a.example'], '--regions goes with a URL'],
  [['clients', 'list', '--local', '../x'], '--local takes the port'],
  [['clients', 'list', '--local', '0'], '--local takes the port'],
])('%j is wrong usage', async (args, mention) => {
  const { code, stderr } = await directory.run(args);
  expect(code).toBe(2);
  expect(stderr).toContain(mention);
});

test('if the first platform was killed and another one runs, a command uses the running one', async () => {
  const killed = spawnSync(process.execPath, ['-e', '']).pid;
  const { entry } = findLocalPlatform(directory.path, '');
  for (const [pid, meant] of [
    [process.pid, entry],
    [killed, second.info.entry],
  ]) {
    directory.write('.countersign/local.lock', `${portOf(first)} ${pid}\n`);
    expect(findLocalPlatform(directory.path, '').entry).toBe(meant);
  }
  rmSync(`${directory.path}/.countersign/local.lock`);
});

describe('a file that another user may have written', () => {
  const elsewhere = new Directory();
  const file = '.countersign/local.json';
  const list = async () => {
    const { code, stdout, stderr } = await elsewhere.run(['clients', 'list']);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    return stderr;
  };
  beforeAll(() => {
    mkdirSync(`${elsewhere.path}/.countersign`);
    elsewhere.write(file, JSON.stringify(first.info));
  });
  afterAll(() => elsewhere.remove());

  test('is refused if another user owns it', async () => {
    const owner = process.getuid!();
    const user = vi.spyOn(process, 'getuid').mockReturnValue(owner + 1);
    const stderr = await list().finally(() => user.mockRestore());
    expect(stderr).toMatch(/^error: cannot use .*local\.json: it belongs to another user\n$/);
  });

  test.each([
    ['entry', (url: string) => ({ entry: url })],
    ['AWS endpoint', (url: string) => ({ awsEndpoint: url })],
    ['Region', (url: string) => ({ regions: [...first.info.regions, { name: 'x', url }] })],
  ])('is refused if an %s is on another machine', async (_, change) => {
    for (const url of [
      'http://evil.example:4100',
      'https://evil.example',
      'http://127.0.0.1:4100@evil.example',
      'http://127.0.0.1.evil.example:4100',
      'http://127.0.0.1:4100/?a',
    ]) {
      elsewhere.write(file, JSON.stringify({ ...first.info, ...change(url) }));
      expect(await list()).toContain('is broken');
    }
    elsewhere.write(file, JSON.stringify(first.info));
  });

  test('may name a Region’s URL with a path, as on an emulator', () => {
    const regions = first.info.regions.map(({ name, url }) => ({
      name,
      url: `${url}/_aws/execute-api/x/live`,
    }));
    elsewhere.write(file, JSON.stringify({ ...first.info, regions }));
    expect(findLocalPlatform(elsewhere.path, '').regions).toEqual(regions);
    elsewhere.write(file, JSON.stringify(first.info));
  });

  test('is refused if it or its folder is a link', async () => {
    const path = `${elsewhere.path}/${file}`;
    renameSync(path, `${path}.real`);
    symlinkSync(`${path}.real`, path);
    expect(await list()).toContain('it is a symbolic link');
    rmSync(path);
    renameSync(`${path}.real`, path);
    renameSync(`${elsewhere.path}/.countersign`, `${elsewhere.path}/real`);
    symlinkSync(`${elsewhere.path}/real`, `${elsewhere.path}/.countersign`);
    expect(await list()).toContain('it is not a file in a folder');
  });
});

test('a port where no platform runs is reported, and the first platform is not used instead', async () => {
  const { code, stdout, stderr } = await directory.run(['clients', 'list', '--local', '1']);
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  expect(stderr).toMatch(
    /^error: no platform runs here on port 1 .*`npm start -- --port 1`, or name another with `--local \d+` or `--local \d+`\n$/,
  );
  rmSync(`${directory.path}/.countersign/local.json`);
  expect((await directory.run(['clients', 'list', ...local(second)])).code).toBe(0);
});

test('the only platform that still runs needs no port; if several run, the message names their ports', async () => {
  rmSync(`${directory.path}/.countersign/local.json`, { force: true });
  const { stdout } = await directory.run(['doctor']);
  expect(stdout).toContain(second.info.entry);
  expect((await directory.run(['clients', 'list', '--local', '1'])).stderr).toContain(
    `or name another with \`--local ${portOf(second)}\``,
  );
  directory.write(`.countersign/local-${portOf(first)}.json`, JSON.stringify(first.info));
  const { code, stderr } = await directory.run(['clients', 'list']);
  expect(code).toBe(3);
  const ports = [portOf(first), portOf(second)].sort().map((port) => `\`--local ${port}\``);
  expect(stderr).toBe(`error: several platforms run here: name one with ${ports.join(' or ')}\n`);
  expect((await directory.run(['clients', 'list', ...local(first)])).code).toBe(0);
});
