/** `countersign doctor` names what is wrong on the way to a platform, and what to fix. */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { Finding } from '../../cli/doctor/finding.ts';
import { checkTls } from '../../cli/doctor/tls.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { type Certificate, issueCertificate } from '../support/certificate.ts';
import { closedUrl, Directory } from './cli.ts';

let platform: Platform;
let aheadMs = 0;
const directory = new Directory();

beforeAll(async () => {
  platform = await startPlatform({ port: 0, nowMs: () => Date.now() + aheadMs });
  mkdirSync(`${directory.path}/.countersign`);
  directory.write('.countersign/local.json', JSON.stringify(platform.info));
});
afterAll(async () => {
  directory.remove();
  await platform?.stop();
});

async function doctor(env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await directory.run(['doctor', '--json'], { env });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { code, stderr, found: lines.map((line) => JSON.parse(line) as Finding) };
}
const summary = (found: readonly Finding[]) => found.map(({ check, status }) => `${check} ${status}`);
const access = (url: string, key = platform.info.clients[0]!.api_key) => ({
  COUNTERSIGN_URL: url,
  COUNTERSIGN_API_KEY: key,
});

test('a platform that works passes every check, and nothing is registered or used up', async () => {
  const { code, found } = await doctor();
  expect(code).toBe(0);
  expect(summary(found)).toEqual(['tcp ok', 'discovery ok', 'clock ok', 'nonce ok', 'nonce ok', 'proof ok']);
  const text = await directory.run(['doctor']);
  expect(text.stdout).toMatch(/^ok {4}tcp .*\n(.*\n)+All is well\.\n$/);
});

test('where nothing listens, that is what is found', async () => {
  const { code, found } = await doctor(access(await closedUrl()));
  expect(code).toBe(3);
  expect(found[0]).toMatchObject({ check: 'tcp', status: 'fail', detail: 'ECONNREFUSED' });
  expect(summary(found)).toEqual(['tcp fail', 'discovery skip', 'clock skip', 'nonce skip', 'proof skip']);
  const text = await directory.run(['doctor'], { env: access(await closedUrl()) });
  expect(text.stdout).toMatch(/\nskip {2}proof .*not checked.*\n1 to fix, 4 not checked\.\n$/);
});

test('a name without an address is said so', async () => {
  const { code, found } = await doctor(access('https://no-such-host.invalid'));
  expect(code).toBe(3);
  expect(summary(found).slice(0, 3)).toEqual(['dns fail', 'tcp skip', 'tls skip']);
});

test('something else than a platform is said so', async () => {
  const { code, found } = await doctor(access(platform.info.awsEndpoint));
  expect(code).toBe(3);
  expect(summary(found)).toEqual(['tcp ok', 'discovery fail', 'clock skip', 'nonce skip', 'proof skip']);
});

test.each([
  ['localhost:4100', 'did you mean http://localhost:4100?'],
  ['127.0.0.1:4100/v1', 'did you mean http://127.0.0.1:4100?'],
  ['api.example.com', 'did you mean https://api.example.com?'],
  ['foo:bar', 'must begin with https://'],
  ['mailto:a@b', 'must begin with https://'],
  ['', 'must begin with https://'],
  ['http://api.example.com', 'url must be a base URL'],
  ['http://127.0.0.1:4100/?a', 'url must be a base URL'],
])('the URL %j is wrong usage: nothing is checked, and nothing is well', async (url, message) => {
  for (const command of [['doctor'], ['register', 'in.csv']]) {
    directory.write('in.csv', 'user_id\n1\n');
    const { code, stdout, stderr } = await directory.run(command, { env: access(url) });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  }
});

test('no URL is quoted: it may hold a password', async () => {
  const { stderr } = await directory.run(['doctor', '--url', 'me:secret@host'], { env: access('') });
  expect(stderr).toMatch(/^error: the URL must begin with/);
  expect(stderr).not.toContain('secret');
});

/** A server with that document, which answers `{}` for a nonce. */
async function against(document: (url: string) => unknown) {
  let url = '';
  const server = createHttpServer((request, response) =>
    response.end(JSON.stringify(request.url?.startsWith('/v1/nonce') ? {} : document(url))),
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    return await doctor(access(url));
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test.each([
  ['no Region', { issuer: 'i', regions: [] }],
  ['a Region that is none', { issuer: 'i', regions: [null] }],
  ['a Region without a URL', { issuer: 'i', regions: [{ name: 'a', url: 'a' }] }],
  ['too much', { issuer: 'i'.repeat(100_000), regions: [{ name: 'a', url: 'https://a.example' }] }],
])('a document with %s is refused', async (_, document) => {
  const { code, found } = await against(() => document);
  expect(code).toBe(3);
  expect(summary(found)).toEqual(['tcp ok', 'discovery fail', 'clock skip', 'nonce skip', 'proof skip']);
});

test('an answer without a nonce is no nonce', async () => {
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

test('a key that ended soon, ended, is disabled or unknown is told apart', async () => {
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

  it('a whole chain is good', async () => {
    expect(await served(leaf, [intermediate], root.cert)).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/^TLSv1\.3, server ← Middle Authority/),
    });
  });

  it('the intermediate that is missing is named', async () => {
    expect(await served(leaf, [], root.cert)).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('"Middle Authority", which signed "server", is missing'),
    });
  });

  it('an authority that is not trusted here, a name that is not in it', async () => {
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

  it('a port that speaks no TLS is said so', async () => {
    const { port } = new URL(platform.info.entry);
    expect(await checkTls('127.0.0.1', Number(port), NOW)).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('no TLS connection'),
    });
  });
});
