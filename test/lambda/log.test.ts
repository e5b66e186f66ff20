/** No log line holds a proof, key, nonce or Authorization value: every path runs with marked values. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { Unavailable } from '../../lambda/adapters/call.ts';
import type { LogEntry } from '../../lambda/contract/log-entry.ts';
import { allowedFields, describeError } from '../../lambda/log.ts';
import { regionsForFile } from '../support/regions.ts';
import {
  fetchNonce,
  makeBasicClient,
  makeClient,
  prepare,
  read,
  registerAsk,
  remove,
} from '../support/signer.ts';

const { platform, a } = await regionsForFile();
const secrets = new Set<string>();
/** Remembers a value and its parts: no line may hold them. */
const mark = <T extends string | undefined>(value: T): T => {
  for (const part of (value ?? '').split('.')) if (part.length >= 12) secrets.add(part);
  return value;
};

it('on any path', async () => {
  const strict = await makeClient(platform);
  const basic = await makeBasicClient(platform);
  for (const { apiKey } of [strict, basic]) mark(apiKey);
  for (const { keyset } of Object.values(platform.secrets))
    for (const { jwk } of keyset.keys) for (const value of [jwk.k, jwk.d]) mark(value);

  const failing = (name: string, quote: (input: unknown) => string) =>
    a.instance(
      {},
      {
        dynamodb: {
          send: async ({ input }: { input: unknown }) => {
            throw Object.assign(new Error(quote(input)), { name });
          },
        } as never,
      },
    );
  const regions = [
    a,
    // A store that quotes the request in its error, and one that fails in an unforeseen way.
    failing('ValidationException', (input) => JSON.stringify(input)),
    failing('TypeError', (input) => JSON.stringify(input)),
  ];
  const personal = mark(`user-${randomBytes(9).toString('base64url')}`);
  const user = { user_id: personal, email: mark(`${randomBytes(9).toString('hex')}@example.com`) };
  for (const region of regions) {
    const good = await prepare(platform, a, strict, user);
    const proofs = [
      good,
      await prepare(platform, a, strict, user, { key: 'wrong' }),
      await prepare(platform, a, strict, user, { claims: { iss: strict.apiKey } }),
      await prepare(platform, a, strict, user, {
        claims: { htu: mark('https://marked.example/v1/register') },
      }),
      await prepare(platform, a, strict, { user_id: 5 }),
      await prepare(platform, a, strict, mark('{"not json, but personal')),
      await prepare(platform, a, strict, user, { header: { kid: strict.apiKey } }),
    ];
    for (const ask of proofs) {
      mark(ask.nonce);
      mark(ask.proof);
      await region.send(ask);
      await region.send({ ...ask, headers: { ...ask.headers, Authorization: `Bearer ${ask.proof}` } });
      await region.send({
        ...ask,
        headers: { ...ask.headers, Authorization: [`JWT ${ask.proof}`, 'JWT x'] },
      });
      await region.send({ ...ask, path: `/v1/register?proof=${ask.proof}` });
    }
    await region.send(registerAsk(mark(randomBytes(40).toString('base64url')), '{}'));
    for (const key of [strict.apiKey, basic.apiKey, mark(`csk_${randomBytes(30).toString('hex')}`)])
      await region.send({ method: 'GET', path: '/v1/nonce', headers: { Authorization: `Bearer ${key}` } });
    await region.send({ method: 'GET', path: `/v1/nonce?client_id=${strict.apiKey}` });
    mark(await fetchNonce(a, strict.clientId));
    const id = 'i'.repeat(43);
    await read(platform, region, strict, id).catch(() => undefined);
    await remove(platform, region, strict, id).catch(() => undefined);
    await region.send({ method: 'GET', path: '/v1/health' });
  }
  await platform.admin('clients.create', {
    profile: 'strict',
    jwk: { kty: 'oct', k: mark('super-secret-key-material') },
  });
  platform.secrets.nonce.fail = true;
  await a.instance().send({ method: 'GET', path: '/v1/nonce?client_id=dev' });
  platform.secrets.nonce.fail = false;
  platform.secrets.nonce.keyset = mark('corrupt-keyset-with-key-material') as never;
  await a.instance().send({ method: 'GET', path: '/v1/nonce?client_id=dev' });

  expect(platform.log.length).toBeGreaterThan(50);
  const lines = platform.log.map((entry) => JSON.stringify(entry));
  for (const secret of secrets) for (const line of lines) expect(line).not.toContain(secret);
});

it('an error is described by its class and place, and those of its causes', () => {
  const cause = Object.assign(new Error('secret-in-a-cause'), { name: 'TimeoutError' });
  const described = describeError(new Unavailable('ledger', cause));
  expect(described.error).toBe('Unavailable < TimeoutError');
  expect(described.stack?.[0]).toMatch(/^at /);
  expect(JSON.stringify(described)).not.toContain('secret');
  const multiline = describeError(new Error('first\n    at secret-that-looks-like-a-frame'));
  expect(JSON.stringify(multiline)).not.toContain('secret');
});

it('a field that is not on the list is not logged by the functions as shipped', () => {
  const entry = {
    level: 'ERROR',
    message: 'request',
    code: 'internal',
    authorization: 'JWT secret',
  } as LogEntry;
  expect(allowedFields(entry)).toEqual({ code: 'internal' });
  const script = `
    const { runtime } = await import('./lambda/entry/process.ts');
    runtime.log(${JSON.stringify(entry)});`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  const line = JSON.parse((stdout + stderr).trim().split('\n').at(-1)!);
  expect(line).toMatchObject({
    level: 'ERROR',
    message: 'request',
    code: 'internal',
    service: 'countersign',
  });
  expect(stdout + stderr).not.toContain('secret');
});
