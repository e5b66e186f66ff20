/** `countersign doctor` names the fault between this machine and a platform, and how to fix it. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { CheckResult } from '../../cli/doctor/check-result.ts';
import { checkTls } from '../../cli/doctor/tls.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { deriveApiKey } from '../../protocol/api-key.ts';
import { type Certificate, issueCertificate } from '../support/certificate.ts';
import { closedUrl, Directory } from './cli.ts';

let platform: Platform;
let aheadMs = 0;
const directory = new Directory();

beforeAll(async () => {
  platform = await startPlatform({ port: 0, nowMs: () => Date.now() + aheadMs });
  directory.announce(platform.info);
});
afterAll(async () => {
  directory.remove();
  await platform?.stop();
});

async function doctor(env: Record<string, string> = {}, ...more: string[]) {
  const { code, stdout, stderr } = await directory.run(['doctor', '--json', ...more], { env });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { code, stderr, found: lines.map((line) => JSON.parse(line) as CheckResult) };
}
const summary = (found: readonly CheckResult[]) => found.map(({ check, status }) => `${check} ${status}`);
const access = (url: string, key = platform.info.clients[0]!.api_key) => ({
  COUNTERSIGN_URL: url,
  COUNTERSIGN_API_KEY: key,
});

test('a platform that works passes every check; nothing is registered and no nonce is used', async () => {
  const { code, found } = await doctor();
  expect(code).toBe(0);
  expect(summary(found)).toEqual([
    ...['tcp ok', 'discovery ok', 'clock ok', 'health ok', 'health ok', 'nonce ok', 'nonce ok', 'proof ok'],
  ]);
  const text = await directory.run(['doctor']);
  expect(text.stdout).toMatch(/^ok {4}tcp .*\n(.*\n)+All is well\.\n$/);
});

test('on a terminal of 40 columns a finding is folded between words, and says the same', async () => {
  const env = access(await closedUrl());
  const wide = await directory.run(['doctor'], { env });
  const narrow = await directory.run(['doctor'], { env, columns: 40 });
  // A URL, and a command, stays whole.
  for (const line of narrow.stdout.split('\n'))
    if (!/https?:|countersign [a-z]/.test(line)) expect(line.length, line).toBeLessThanOrEqual(40);
  const words = (text: string) => text.split(/\s+/);
  expect(words(narrow.stdout)).toEqual(words(wide.stdout));
  expect(narrow.stdout.split('\n').length).toBeGreaterThan(wide.stdout.split('\n').length);
});

describe('a platform that refuses registrations', () => {
  const own = new Directory();
  let refusing: Platform;
  let laterMs = 0;
  beforeAll(async () => {
    refusing = await startPlatform({ port: 0, nowMs: () => Date.now() + laterMs });
    own.announce(refusing.info);
  });
  afterAll(async () => {
    own.remove();
    await refusing?.stop();
  });
  const unhealthy = async (...more: string[]) => {
    // What instances hold is older than it may be.
    laterMs += 11_000;
    const { code, stdout } = await own.run(['doctor', '--json', ...more]);
    const found = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as CheckResult);
    return { code, found: found.filter(({ check, status }) => check === 'health' && status !== 'ok') };
  };

  test('because writes are stopped: it says so, and who ends that', async () => {
    own.write('one.jsonl', '{"user_id":"doctor-1"}\n');
    expect((await own.run(['registry', 'stop-writes'])).code).toBe(0);
    const { code, found } = await unhealthy();
    expect(code).toBe(1);
    expect(found).toMatchObject(
      ['local-a', 'local-b'].map((of) => ({
        ...{ status: 'fail', of },
        detail: 'an operator stopped registrations, deletions and changes of clients',
        fix: expect.stringContaining('countersign registry resume-writes'),
      })),
    );
    expect((await own.run(['register', 'one.jsonl'])).stderr).toMatch(
      /^error: Unavailable: An operator stopped registrations, .* for a while; try again later; stopped at line 1: /,
    );
    await own.run(['registry', 'resume-writes']);
    expect((await unhealthy()).found).toEqual([]);
  });

  test('because it is evacuated: it says so, with the way back', async () => {
    expect((await own.run(['evacuate', 'local-a', '--yes'])).code).toBe(0);
    // One bad look moves no traffic; the second one does.
    await unhealthy();
    const { port } = new URL(refusing.info.entry);
    const { code, found } = await unhealthy('--local', port);
    expect(code).toBe(1);
    const back = `(countersign return local-a --local ${port})`;
    expect(found).toMatchObject([{ status: 'fail', of: 'local-a', fix: expect.stringContaining(back) }]);
  });
});

test('a port where nothing listens is reported', async () => {
  const { code, found } = await doctor(access(await closedUrl()));
  expect(code).toBe(3);
  expect(found[0]).toMatchObject({ check: 'tcp', status: 'fail', detail: 'ECONNREFUSED' });
  expect(summary(found)).toEqual([
    'tcp fail',
    'discovery skip',
    'clock skip',
    'health skip',
    'nonce skip',
    'proof skip',
  ]);
  const text = await directory.run(['doctor'], { env: access(await closedUrl()) });
  expect(text.stdout).toMatch(/\nskip {2}proof .*not checked.*\n1 to fix, 5 not checked\.\n$/);
});

test('a host name without an address is reported', async () => {
  const { code, found } = await doctor(access('https://no-such-host.invalid'));
  expect(code).toBe(3);
  expect(summary(found).slice(0, 3)).toEqual(['dns fail', 'tcp skip', 'tls skip']);
});

test('a server that is not a platform is reported', async () => {
  const { code, found } = await doctor(access(platform.info.awsEndpoint));
  expect(code).toBe(3);
  expect(summary(found)).toEqual([
    'tcp ok',
    'discovery fail',
    'clock skip',
    'health skip',
    'nonce skip',
    'proof skip',
  ]);
});

test.each([
  ['localhost:4100', 'did you mean http://localhost:4100?'],
  ['127.0.0.1:4100/v1', 'did you mean http://127.0.0.1:4100?'],
  ['api.example.com', 'did you mean https://api.example.com?'],
  ['foo:bar', 'must begin with https://'],
  ['mailto:a@b', 'must begin with https://'],
  ['', 'the URL is missing: --url URL, or COUNTERSIGN_URL'],
  ['http://api.example.com', 'COUNTERSIGN_URL must be a base URL'],
  ['http://127.0.0.1:4100/?a', 'COUNTERSIGN_URL must be a base URL'],
])('the URL %j is wrong usage: nothing is checked, and nothing is well', async (url, message) => {
  for (const command of [['doctor'], ['register', 'in.csv']]) {
    directory.write('in.csv', 'user_id\n1\n');
    const { code, stdout, stderr } = await directory.run(command, { env: access(url) });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  }
});

test('an empty variable counts as missing', async () => {
  const { code, found } = await doctor({ COUNTERSIGN_URL: '', COUNTERSIGN_API_KEY: '' });
  expect(code).toBe(0);
  expect(found.at(-1)).toMatchObject({ check: 'proof', of: platform.info.entry });
  const half = await doctor({ ...access(platform.info.entry), COUNTERSIGN_API_KEY: '' });
  expect(half.stderr).toContain('the API key is missing: --api-key-file FILE, or COUNTERSIGN_API_KEY');
});

test('no URL is quoted: it may contain a password', async () => {
  const { stderr } = await directory.run(['doctor', '--url', 'me:secret@host'], { env: access('') });
  expect(stderr).toMatch(/^error: --url: the URL must begin with/);
  expect(stderr).not.toContain('secret');
});

/** A server that serves this document, and answers `{}` to a request for a nonce. */
async function against(document: (url: string) => unknown, ...more: string[]) {
  let url = '';
  const server = createHttpServer((request, response) =>
    response.end(JSON.stringify(request.url?.startsWith('/v1/nonce') ? {} : document(url))),
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    return await doctor(access(url), ...more);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test.each([
  ['no Region', { issuer: 'i', regions: [] }],
  ['a Region that is none', { issuer: 'i', regions: [null] }],
  ['a Region without a URL', { issuer: 'i', regions: [{ name: 'a', url: 'a' }] }],
  [
    'more Regions than a client takes',
    { issuer: 'i', regions: Array(33).fill({ name: 'a', url: 'https://a.example' }) },
  ],
  ['too much', { issuer: 'i'.repeat(1_100_000), regions: [{ name: 'a', url: 'https://a.example' }] }],
])('a document with %s is refused', async (_, document) => {
  const { code, found } = await against(() => document);
  expect(code).toBe(3);
  expect(summary(found)).toEqual([
    'tcp ok',
    'discovery fail',
    'clock skip',
    'health skip',
    'nonce skip',
    'proof skip',
  ]);
});

test('a Region on another host is named, and gets no request', async () => {
  let asked = 0;
  const foreign = createHttpServer((_, response) => {
    asked += 1;
    response.end('{"nonce":"n"}');
  });
  await once(foreign.listen(0, '127.0.0.2'), 'listening');
  try {
    const elsewhere = `http://127.0.0.2:${(foreign.address() as AddressInfo).port}`;
    const regions = [{ name: 'evil', url: 'https://evil.example' }];
    const { code, found } = await against((url) => ({
      issuer: 'i',
      regions: [{ name: 'a', url }, ...regions],
    }));
    expect(code).toBe(1);
    expect(found.find(({ status }) => status === 'warn')).toMatchObject({
      check: 'discovery',
      detail: expect.stringContaining('https://evil.example'),
    });
    expect(found.filter(({ check }) => check === 'nonce')).toMatchObject([
      { of: 'evil', status: 'skip', detail: 'not checked, because its URL is on another host' },
      { of: 'a', status: 'fail' },
    ]);
    expect(found.find(({ check, status }) => `${check} ${status}` === 'discovery ok')!.detail).toBe(
      'issuer i; Regions a',
    );
    // These fields only: nothing is sent, and the remedy is a flag of this command.
    const alone = await against(() => ({ issuer: 'i', regions }));
    expect(alone.code).toBe(3);
    expect(summary(alone.found)).toEqual([
      'tcp ok',
      'discovery fail',
      'clock ok',
      'health skip',
      'nonce skip',
      'proof skip',
    ]);
    expect(alone.found[1]!.fix).toBe('name those that are yours with --regions https://evil.example');
    // A base URL is https, or names this machine.
    const { found: none } = await against(() => ({ issuer: 'i', regions: [{ name: 'a', url: elsewhere }] }));
    expect(none.find(({ check }) => check === 'discovery')).toMatchObject({ status: 'fail' });
    expect(asked).toBe(0);
  } finally {
    foreign.close();
  }
});

test('a document is read up to the size limit of a client', async () => {
  const { found } = await against((url) => ({ issuer: 'i'.repeat(900_000), regions: [{ name: 'a', url }] }));
  expect(found.find(({ check }) => check === 'discovery')).toMatchObject({ status: 'ok' });
});

test('if the platform cannot be reached, a proxy that is set but not used is named', async () => {
  const url = await closedUrl();
  const fix = async (env: Record<string, string>) => (await doctor({ ...access(url), ...env })).found[0]!.fix;
  expect(await fix({ HTTPS_PROXY: 'http://p', http_proxy: '' })).not.toContain('proxy:');
  for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY'])
    expect(await fix({ [name]: 'http://user:secret@p' })).toMatch(
      new RegExp(`; ${name} is set, but this command uses no proxy: [^@]*$`),
    );
  const { found } = await doctor({ HTTP_PROXY: 'http://p' });
  expect(found.every(({ status }) => status === 'ok')).toBe(true);
});

test('a Region on another host is used if --regions names it', async () => {
  const { found } = await against(
    () => ({ issuer: 'i', regions: [{ name: 'a', url: 'https://a.invalid' }] }),
    '--regions',
    'https://b.invalid,https://a.invalid/',
  );
  expect(found.find(({ check }) => check === 'discovery')).toMatchObject({ status: 'ok' });
  expect(found.find(({ check }) => check === 'nonce')).toMatchObject({
    of: 'a',
    detail: expect.stringMatching(/^no answer/),
  });
});

test('the check of the proof links only to pages that exist, and says where URL and key come from', async () => {
  const key = deriveApiKey({
    ...{ root: Buffer.alloc(32), salt: Buffer.alloc(16) },
    ...{ clientId: 'dev', generation: 1, profile: 'strict' },
  });
  directory.write('key.txt', key);
  const proof = async (env: Record<string, string>, ...more: string[]) =>
    (await doctor(env, ...more)).found.at(-1)!;
  const both = await proof(access(platform.info.entry, key));
  expect(both).toMatchObject({ check: 'proof', status: 'fail' });
  expect(both.fix).toContain('the URL is that of COUNTERSIGN_URL, the key that of COUNTERSIGN_API_KEY');
  expect(both.fix).toContain('each `npm start` makes new keys');
  const typed = await proof({}, '--url', platform.info.entry, '--api-key-file', 'key.txt');
  expect(typed.fix).toContain('the URL is that of --url, the key that of key.txt');
  const broken = { ...platform.info, clients: [{ ...platform.info.clients[0]!, api_key: key }] };
  directory.announce(broken);
  expect((await proof({})).fix).toContain('.countersign/local.json)');
  directory.announce(platform.info);
});

test('an answer without a nonce fails the check', async () => {
  const { code, found } = await against((url) => ({ issuer: 'i', regions: [{ name: 'a', url }] }));
  expect(code).toBe(1);
  expect(found.find(({ check }) => check === 'nonce')).toMatchObject({
    status: 'fail',
    detail: '200 unknown: no nonce',
  });
});

test('a clock that is off is measured', async () => {
  aheadMs = 90_000;
  const { code, found } = await doctor();
  aheadMs = 0;
  expect(code).toBe(1);
  expect(found.find(({ check }) => check === 'clock')).toMatchObject({
    status: 'fail',
    detail: expect.stringMatching(/^this machine is (89|90) s behind; /),
    fix: expect.stringContaining('NTP'),
  });
});

test('doctor distinguishes a key that ends soon, has ended, is disabled or is unknown', async () => {
  const { json } = await directory.run(['clients', 'create', 'patient', '--json']);
  const env = access(platform.info.entry, json.api_key);
  const proof = async () => (await doctor(env)).found.at(-1);
  expect(await proof()).toMatchObject({ check: 'proof', status: 'ok' });
  await directory.run(['clients', 'rotate-key', 'patient', '--overlap', '7d']);
  aheadMs += 11_000;
  expect(await proof()).toMatchObject({
    status: 'warn',
    detail: expect.stringMatching(/accepts the key until .* GMT$/),
  });
  const warned = await directory.run(['doctor'], { env });
  expect(warned.stdout).toMatch(/\n0 to fix, [1-4] to look at\.\n$/);
  expect(warned.code).toBe(0);
  await directory.run(['revoke', 'key', 'patient', '1']);
  aheadMs += 11_000;
  expect(await proof()).toMatchObject({ status: 'fail', fix: expect.stringContaining('rotate-key') });
  await directory.run(['clients', 'delete', 'patient']);
  aheadMs += 11_000;
  expect(await proof()).toMatchObject({ status: 'fail', fix: expect.stringContaining('not deleted') });
  aheadMs = 0;
  expect((await doctor(access(platform.info.entry, json.api_key.slice(0, -1)))).code).toBe(2);
});

describe('certificates', () => {
  const root = issueCertificate('Root Authority', undefined, true);
  const intermediate = issueCertificate('Middle Authority', root, true);
  const leaf = issueCertificate('server', intermediate);
  const NOW = Date.UTC(2026, 10, 23);

  async function served(
    certificate: Certificate,
    chain: readonly Certificate[],
    ca: string,
    host = '127.0.0.1',
  ) {
    const cert = [certificate, ...chain].map(({ cert }) => cert).join('');
    const server = createServer({ key: certificate.key, cert });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      return await checkTls(host, (server.address() as AddressInfo).port, NOW, ca);
    } finally {
      server.close();
    }
  }

  it('a complete chain passes', async () => {
    expect(await served(leaf, [intermediate], root.cert)).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/^TLSv1\.3, server ← Middle Authority/),
    });
  });

  it('a missing intermediate is named', async () => {
    expect(await served(leaf, [], root.cert)).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('"Middle Authority", which signed "server", is missing'),
    });
  });

  it('an untrusted authority and a name that the certificate lacks are reported', async () => {
    const own = issueCertificate('lonely');
    expect(await served(own, [], root.cert)).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
    expect(await served(leaf, [intermediate], root.cert, 'localhost')).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('not for localhost'),
    });
  });

  it('a port that does not speak TLS is reported', async () => {
    const { port } = new URL(platform.info.entry);
    expect(await checkTls('127.0.0.1', Number(port), NOW)).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('no TLS connection'),
    });
  });
});
