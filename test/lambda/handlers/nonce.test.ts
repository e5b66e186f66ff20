/** `GET /v1/nonce`, and the other routes without a proof. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { KeysetKey } from '../../../protocol/keyset.ts';
import { readNonce } from '../../../protocol/nonce.ts';
import { type Region, regionsForFile } from '../../support/regions.ts';
import { makeBasicClient, makeClient, prepare } from '../../support/signer.ts';

const { platform, a } = await regionsForFile();
const strict = await makeClient(platform);
const basic = await makeBasicClient(platform);

const ask = (query: string, headers: Record<string, string | string[]> = {}) =>
  a.send({ method: 'GET', path: `/v1/nonce${query}`, headers });

const nonceOf = (region: Region) =>
  region.send({ method: 'GET', path: `/v1/nonce?client_id=${strict.clientId}` });

describe('a nonce', () => {
  it('is issued for a client_id, must not be cached, and states its life', async () => {
    const { json, headers } = await ask(`?client_id=${strict.clientId}`);
    expect(json).toEqual({ nonce: expect.stringMatching(/^[\w-]{60,79}$/), expires_in: 300 });
    expect(headers['cache-control']).toBe('no-store');
  });

  it('is issued to a client that does not exist like to any other', async () => {
    const known = await ask(`?client_id=${strict.clientId}`);
    const unknown = await ask('?client_id=nobody-at-all');
    const shape = ({ status, headers, json }: typeof known) => ({
      status,
      names: Object.keys(headers),
      members: Object.keys(json),
    });
    expect(shape(unknown)).toEqual(shape(known));
  });

  it('comes in the requested number, all different, all valid', async () => {
    const { json, headers } = await ask(`?client_id=${strict.clientId}&count=100`);
    expect(new Set(json.nonces).size).toBe(100);
    expect(headers['replay-nonce']).toBe(json.nonces[0]);
    expect((await ask(`?client_id=${strict.clientId}&count=1`)).json.nonces).toHaveLength(1);
    for (const i of [0, 99]) {
      const sent = await prepare(platform, a, strict, { user_id: `n${i}` }, { nonce: json.nonces[i] });
      expect((await a.send(sent)).status).toBe(201);
    }
  });

  it('costs no table access: revoked kids are read once in 5 s, however many nonces are requested', async () => {
    const calls: string[] = [];
    const counting = {
      send: (command: { constructor: { name: string }; input: { Key?: { pk: { S: string } } } }) => {
        calls.push(`${command.constructor.name} ${command.input.Key?.pk.S}`);
        return a.dynamodb.send(command as never);
      },
    };
    const instance = a.instance({}, { dynamodb: counting as never });
    const tables = async () => [await platform.items('ledger'), await platform.items('limits')];
    const before = await tables();
    for (const ms of [0, 1, 4_999]) {
      platform.clock.nowMs += ms;
      for (let i = 0; i < 50; i++) expect((await nonceOf(instance)).status).toBe(200);
    }
    expect(calls).toEqual(['GetItemCommand revoked#nonce']);
    expect(await tables()).toEqual(before);
  });

  it.each([
    ['max_life', { max_life: 60_000 }],
    ['retires_at', { retires_at: 60_000 }],
  ] as const)("lives no longer than its key's %s allows", async (member, change) => {
    const { nonce } = platform.secrets;
    const { keyset } = nonce;
    const nowMs = platform.clock.nowMs;
    const limit = member === 'retires_at' ? { retires_at: nowMs + change.retires_at } : change;
    nonce.keyset = { ...keyset, keys: [{ ...keyset.keys[0]!, ...limit }] };
    const { json } = await nonceOf(a.instance());
    nonce.keyset = keyset;
    expect(json.expires_in).toBe(60);
    expect(readNonce(json.nonce)).toMatchObject({ issuedMs: nowMs, lifeMs: 60_000 });
  });

  it.each([
    '',
    '?client_id=',
    '?client_id=X',
    '?client_id=a_b_c',
    '?client_id=ab',
    '?client_id=dev&client_id=dev2',
  ])('%j: malformed_request', async (query) => {
    expect((await ask(query)).code).toBe('malformed_request');
  });

  it.each(['0', '101', '-1', '1.5', '01', 'ten', '1e2', ''])('count=%s: malformed_request', async (count) => {
    expect((await ask(`?client_id=dev&count=${count}`)).code).toBe('malformed_request');
  });

  it('two counts: malformed_request', async () => {
    expect((await ask('?client_id=dev&count=2&count=3')).code).toBe('malformed_request');
  });
});

describe('Bearer', () => {
  it('names a basic client by its key', async () => {
    expect((await ask('', { Authorization: `Bearer ${basic.apiKey}` })).status).toBe(200);
  });

  it('with a strict key is not_allowed, and the log line has the reason, for the alarm', async () => {
    const answer = await ask('', { Authorization: `Bearer ${strict.apiKey}` });
    expect([answer.status, answer.code]).toEqual([403, 'not_allowed']);
    expect(platform.log.at(-1)).toMatchObject({ reason: 'strict_key_as_bearer' });
  });

  it('with an invalid key, another client_id or a second header: malformed_request', async () => {
    const flipped = basic.apiKey.slice(0, -1) + (basic.apiKey.endsWith('0') ? '1' : '0');
    expect((await ask('', { Authorization: `Bearer ${flipped}` })).code).toBe('malformed_request');
    expect((await ask('', { Authorization: 'Bearer x' })).code).toBe('malformed_request');
    expect((await ask('', { Authorization: 'Basic eDp5' })).code).toBe('malformed_request');
    expect((await ask('?client_id=other', { Authorization: `Bearer ${basic.apiKey}` })).code).toBe(
      'malformed_request',
    );
    const bearer = `Bearer ${basic.apiKey}`;
    expect((await ask('', { Authorization: [bearer, bearer] })).code).toBe('malformed_request');
  });
});

describe('discovery', () => {
  it('has all that a client needs, and may be cached for a minute', async () => {
    const { json, headers } = await a.send({ method: 'GET', path: '/.well-known/countersign' });
    expect(headers['cache-control']).toContain('max-age=60');
    expect(json).toMatchObject({
      issuer: 'https://api.example.com',
      regions: [{ name: 'eu-west-1', url: a.url }, { name: 'eu-central-1' }],
      proof_algorithms: ['HS256', 'ES256', 'Ed25519', 'EdDSA'],
      proof_max_life: 300,
      nonce_life: 300,
      max_body_bytes: 16384,
      max_nonce_count: 100,
    });
  });

  it('publishes public halves only', async () => {
    const { json, text } = await a.send({ method: 'GET', path: '/.well-known/jwks.json' });
    expect(json.keys.map(({ alg, use }: Record<string, string>) => [alg, use])).toEqual([
      ['ES256', 'sig'],
      ['Ed25519', 'sig'],
    ]);
    for (const [i, purpose] of (['token', 'webhook'] as const).entries()) {
      const [{ kid, jwk }] = platform.secrets[purpose].keyset.keys as [KeysetKey];
      expect(json.keys[i]).toMatchObject({ kid, x: jwk.x });
      expect(json.keys[i]).not.toHaveProperty('d');
      expect(text).not.toContain(jwk.d);
    }
  });
});

describe('health', () => {
  it('passes while ledger, registry and keys can be used', async () => {
    const { status, json } = await a.instance().send({ method: 'GET', path: '/v1/health' });
    expect([status, json]).toEqual([
      200,
      { status: 'pass', checks: { ledger: 'pass', registry: 'pass', keys: 'pass' }, region: 'eu-west-1' },
    ]);
  });

  it('turns red after two failures in a row, and green after two successes', async () => {
    let down = false;
    const flaky = {
      send: (command: never) => (down ? Promise.reject(new Error('down')) : a.dynamodb.send(command)),
    };
    const instance = a.instance({}, { dynamodb: flaky as never });
    const look = async () => {
      platform.clock.nowMs += 5_000;
      return (await instance.send({ method: 'GET', path: '/v1/health' })).status;
    };
    expect(await look()).toBe(200);
    down = true;
    expect([await look(), await look()]).toEqual([200, 503]);
    down = false;
    expect([await look(), await look()]).toEqual([503, 200]);
  });

  it('writes once for many requests', async () => {
    let writes = 0;
    const counting = {
      send: (command: { input: object }) => {
        if ('Item' in command.input) writes += 1;
        return a.dynamodb.send(command as never);
      },
    };
    const instance = a.instance({}, { dynamodb: counting as never });
    await Promise.all(Array.from({ length: 50 }, () => instance.send({ method: 'GET', path: '/v1/health' })));
    expect(writes).toBe(1);
  });
});

describe('a part that fails', () => {
  const asks = async (region: Region) =>
    region.send(await prepare(platform, a, strict, { user_id: 'while-down' }));

  it('the ledger: 503 with Retry-After, and nothing is registered', async () => {
    const before = await platform.items('registry');
    const down = a.instance({}, { dynamodb: { send: () => Promise.reject(new Error('down')) } as never });
    const answer = await asks(down);
    expect([answer.status, answer.code, answer.headers['retry-after']]).toEqual([503, 'unavailable', '1']);
    expect(await platform.items('registry')).toEqual(before);
  });

  it('a key of another type in a keyset: 503 and red health at a cold start, no effect with a copy in memory', async () => {
    const warm = a.instance();
    expect((await asks(warm)).status).toBe(201);
    const { nonce } = platform.secrets;
    const right = nonce.keyset;
    const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    const wrong = { ...right.keys[0]!, alg: 'Ed25519' as const, jwk };
    nonce.keyset = { ...right, seq: right.seq + 1, keys: [wrong] };
    try {
      platform.clock.nowMs += 61_000;
      expect((await asks(warm)).status).toBe(201);
      const cold = a.instance();
      expect((await cold.send(await prepare(platform, a, strict, { user_id: 'wrong-type' }))).status).toBe(
        503,
      );
      const health = await cold.send({ method: 'GET', path: '/v1/health' });
      expect([health.status, health.json.checks]).toMatchObject([503, { keys: 'fail' }]);
    } finally {
      nonce.keyset = right;
    }
  });

  it('the secrets: 503 at a cold start; no effect with a copy in memory, up to the hard limit', async () => {
    const warm = a.instance();
    const registers = async () => {
      const { status, json } = await nonceOf(warm);
      if (status !== 200) return status;
      const ask = await prepare(
        platform,
        a,
        strict,
        { user_id: 'while-secrets-are-down' },
        { nonce: json.nonce },
      );
      return (await warm.send(ask)).status;
    };
    expect(await registers()).toBe(201);
    platform.secrets.nonce.fail = platform.secrets['client-root'].fail = true;
    const cold = await nonceOf(a.instance());
    expect([cold.status, cold.code]).toEqual([503, 'unavailable']);
    platform.clock.nowMs += 86_400_000;
    expect(await registers()).toBe(201);
    platform.clock.nowMs += 1;
    expect(await registers()).toBe(503);
    platform.secrets.nonce.fail = platform.secrets['client-root'].fail = false;
    expect(await registers()).toBe(201);
  });
});
