/** How operators create, disable and remove clients, and when the request path sees each change. */
import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { createEndpoints } from '../../../lambda/adapters/endpoints.ts';
import { tableName } from '../../../lambda/contract/names.ts';
import { CLIENT_CACHE_MS, ClientCache } from '../../../lambda/request/client-cache.ts';
import type { ClientRecord } from '../../../protocol/client.ts';
import { newEndpoint } from '../../support/delivery.ts';
import { STAGE } from '../../support/dynalite.ts';
import { regionsForFile } from '../../support/regions.ts';
import { makeClient, prepare, register, type Signer } from '../../support/signer.ts';

const { platform, a } = await regionsForFile();

const DAY_MS = 24 * 3600 * 1000;
const tryWith = async (signer: Signer) => {
  const answer = await register(platform, a, signer, { user_id: 'of-a-client' });
  return answer.code ?? answer.status;
};

describe('disabling', () => {
  it(`is seen within ${CLIENT_CACHE_MS} ms by an instance that holds the client, and so is enabling`, async () => {
    const signer = await makeClient(platform);
    expect(await tryWith(signer)).toBe(201);
    await platform.operate('clients.disable', { client_id: signer.clientId });
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect(await tryWith(signer)).toBe('client_disabled');
    await platform.operate('clients.enable', { client_id: signer.clientId });
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect(await tryWith(signer)).toBe(201);
  });

  it('is also seen if an instance cached the client at a time that now lies in the future', async () => {
    const signer = await makeClient(platform);
    platform.clock.nowMs += DAY_MS;
    expect(await tryWith(signer)).toBe(201);
    // The clock was wrong, and is set back.
    platform.clock.nowMs -= DAY_MS;
    await platform.operate('clients.disable', { client_id: signer.clientId });
    expect(await tryWith(signer)).toBe('client_disabled');
  });

  it('needs an existing client: one that does not exist cannot be disabled', async () => {
    expect(await platform.admin('clients.disable', { client_id: 'never-made' })).toMatchObject({
      ok: false,
      problem: { status: 404, code: 'not_found' },
    });
    expect(await platform.items('clients')).not.toContainEqual(
      expect.objectContaining({ pk: { S: 'never-made' } }),
    );
  });
});

describe('a client created again under the same name', () => {
  it('accepts the new key at once, and never the old one', async () => {
    const old = await makeClient(platform, 'made-again');
    expect(await tryWith(old)).toBe(201);
    await platform.operate('clients.disable', { client_id: 'made-again' });
    await platform.operate('clients.delete', { client_id: 'made-again' });
    const renewed = await makeClient(platform, 'made-again');
    expect(renewed.apiKey).not.toBe(old.apiKey);
    // The instance still caches the old record: a fresh read makes the new key work.
    platform.clock.nowMs += 1_000;
    expect(await tryWith(renewed)).toBe(201);
    expect(await tryWith(old)).toBe('invalid_proof');
  });

  it('no longer has the public key of the old client', async () => {
    const { jwk, sign } = await keyPair('ES256');
    await platform.operate('clients.create', { client_id: 'made-twice', profile: 'strict', jwk });
    expect((await sign('made-twice')).status).toBe(201);
    await platform.operate('clients.delete', { client_id: 'made-twice' });
    const left = (await platform.items('clients')).filter(
      (item) => (item.pk as { S: string }).S === 'made-twice',
    );
    // The trace holds neither the key nor any data of the client, only that it existed.
    expect(left.map(({ sk }) => (sk as { S: string }).S)).toEqual([
      'deleted',
      `revoked#${await calculateJwkThumbprint(jwk as JWK, 'sha256')}`,
    ]);
    await makeClient(platform, 'made-twice');
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect((await sign('made-twice')).code).toBe('invalid_proof');
  });

  it.each([
    ['revoked before', true],
    ['good until then', false],
  ])('does not accept a key pair of the old one (%s), nor a proof that was held back', async (_, revoked) => {
    const client_id = `pair-${revoked ? 'revoked' : 'good'}`;
    const { jwk, ...pair } = await keyPair('ES256');
    const create = () => platform.admin('clients.create', { client_id, profile: 'strict', jwk });
    const refusal = { ok: false, problem: { status: 409, code: 'key_exists' } };
    const made = await create();
    const held = await pair.held(client_id);
    const { kid } = (made as { result: { kid: string } }).result;
    if (revoked) await platform.operate('clients.revoke-key', { client_id, kid });
    await platform.operate('clients.delete', { client_id });
    for (let n = 0; n < 2; n++) expect(await create()).toMatchObject(refusal);
    // Nor does the pair return through a client created without it.
    await makeClient(platform, client_id);
    expect(await platform.admin('clients.rotate-key', { client_id, jwk })).toMatchObject(refusal);
    await platform.operate('clients.delete', { client_id });
    expect(await create()).toMatchObject(refusal);
    await makeClient(platform, client_id);
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect((await a.send(held)).status).toBe(401);
  });

  it('is refused while the name is in use, and that client keeps its key', async () => {
    const signer = await makeClient(platform, 'in-use');
    const again = await platform.admin('clients.create', { client_id: 'in-use', profile: 'strict' });
    expect(again).toMatchObject({ ok: false, problem: { status: 409, code: 'client_exists' } });
    expect(await tryWith(signer)).toBe(201);
  });

  it('does not inherit the remains of an interrupted deletion', async () => {
    const client_id = 'left-behind';
    const pk = { S: client_id };
    const old = { alg: { S: 'HS256' }, usable_at: { N: '0' }, expires_at: { N: '9999999999' } };
    const leftover = [
      { pk, sk: { S: 'key#7' }, ...old, issued_by: { S: 'operator' }, root_kid: { S: 'AAAAAA' } },
      { pk, sk: { S: 'state' }, disabled: { BOOL: true }, changed_at: { N: '0' } },
      { pk, sk: { S: 'revoked#1' }, revoked_at: { N: '0' } },
    ];
    for (const Item of leftover)
      await platform.shared.send(new PutItemCommand({ TableName: tableName(STAGE, 'clients'), Item }));
    const { api_key } = await platform.operate('clients.create', { client_id, profile: 'strict' });
    expect(await platform.operate('clients.show', { client_id })).toMatchObject({
      disabled: false,
      keys: [{ kid: '1', revoked: false }],
    });
    expect(await tryWith({ clientId: client_id, apiKey: api_key!, kid: '1' })).toBe(201);
  });

  it('does not inherit a key pair that such a deletion left', async () => {
    const { jwk } = await keyPair('ES256');
    const [client_id, kid] = ['pair-left-behind', await calculateJwkThumbprint(jwk as JWK, 'sha256')];
    const Item = {
      pk: { S: client_id },
      sk: { S: `key#${kid}` },
      alg: { S: 'ES256' },
      usable_at: { N: '0' },
      expires_at: { N: '9999999999' },
      issued_by: { S: 'operator' },
      jwk: { S: JSON.stringify(jwk) },
    };
    await platform.shared.send(new PutItemCommand({ TableName: tableName(STAGE, 'clients'), Item }));
    for (let n = 0; n < 2; n++)
      expect(await platform.admin('clients.create', { client_id, profile: 'strict', jwk })).toMatchObject({
        ok: false,
        problem: { code: 'key_exists' },
      });
  });

  it('is created once, out of 10 attempts at the same time', async () => {
    const made = await Promise.all(
      Array.from({ length: 10 }, () =>
        platform.admin('clients.create', { client_id: 'race', profile: 'strict' }),
      ),
    );
    const winners = made.filter(({ ok }) => ok);
    expect(winners).toHaveLength(1);
    const { api_key } = (winners[0] as { result: { api_key: string } }).result;
    expect(await tryWith({ clientId: 'race', apiKey: api_key, kid: '1' })).toBe(201);
  });
});

async function keyPair(alg: 'ES256' | 'EdDSA' | 'Ed25519') {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), alg } as Record<string, unknown>;
  const held = async (clientId: string) => {
    const { keys } = await platform.operate('clients.show', { client_id: clientId });
    const kid = keys.find((key) => key.alg === alg)?.kid ?? 'none';
    const template = await prepare(platform, a, { clientId, apiKey: 'unused', kid }, { user_id: 'signed' });
    const claims = JSON.parse(Buffer.from(template.proof.split('.')[1]!, 'base64url').toString());
    const proof = await new SignJWT(claims)
      .setProtectedHeader({ alg, typ: 'countersign-proof+jwt', kid })
      .sign(privateKey);
    return { ...template, headers: { ...template.headers, Authorization: `JWT ${proof}` } };
  };
  const sign = async (clientId: string) => a.send(await held(clientId));
  const privateJwk = { ...(await exportJWK(privateKey)), alg } as Record<string, unknown>;
  return { jwk, privateJwk, held, sign };
}

describe('a client that brings its own public key', () => {
  it.each(['ES256', 'Ed25519', 'EdDSA'] as const)(
    '%s registers, and no secret is made for it',
    async (alg) => {
      const { jwk, sign } = await keyPair(alg);
      const client_id = `own-key-${alg.toLowerCase()}`;
      const made = await platform.operate('clients.create', { client_id, profile: 'strict', jwk });
      expect(made.api_key).toBeUndefined();
      expect((await sign(client_id)).status).toBe(201);
    },
  );

  it('may bring neither a private key, nor a basic profile, nor an invalid key', async () => {
    const { jwk, privateJwk } = await keyPair('ES256');
    const bad = [
      { profile: 'strict', jwk: privateJwk },
      { profile: 'basic', jwk, expires_at: new Date(platform.clock.nowMs + DAY_MS).toISOString() },
      { profile: 'strict', jwk: { ...jwk, x: jwk.y, y: jwk.x } },
      { profile: 'strict', jwk: { kty: 'oct', k: 'AAAA', alg: 'HS256' } },
      { profile: 'strict', jwk: { ...jwk, x: 'A'.repeat(43) } },
      { profile: 'strict', jwk: { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(42), alg: 'EdDSA' } },
    ] as const;
    for (const params of bad) {
      const answer = await platform.admin('clients.create', { client_id: 'own-key-bad', ...params });
      expect(answer).toMatchObject({ ok: false, problem: { code: 'malformed_request' } });
    }
    expect(await platform.admin('clients.show', { client_id: 'own-key-bad' })).toMatchObject({ ok: false });
  });
});

describe('a key pair that was revoked', () => {
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  /** Node reads all of these as the same bytes, or the same number. */
  const spellings: [string, (coordinate: string) => string][] = [
    ['as it was', (x) => x],
    ['with padding', (x) => `${x}=`],
    ['with a space before', (x) => ` ${x}`],
    ['with a line feed behind', (x) => `${x}\n`],
    ['with a space in it', (x) => `${x.slice(0, 9)} ${x.slice(9)}`],
    ['with spare bits', (x) => x.slice(0, -1) + ALPHABET[ALPHABET.indexOf(x.at(-1)!) ^ 1]],
    ['in base64', (x) => Buffer.from(x, 'base64url').toString('base64')],
    [
      'with a leading zero',
      (x) => Buffer.concat([Buffer.alloc(1), Buffer.from(x, 'base64url')]).toString('base64url'),
    ],
  ];
  it.each(['ES256', 'Ed25519', 'EdDSA'] as const)(
    'of %s stays revoked, in whatever encoding it returns',
    async (alg) => {
      const { jwk, sign } = await keyPair(alg);
      const name = `back-${alg.toLowerCase()}`;
      const other = `other-${alg.toLowerCase()}`;
      await platform.operate('clients.create', { client_id: other, profile: 'strict' });
      const { kid } = await platform.operate('clients.create', { client_id: name, profile: 'strict', jwk });
      await platform.operate('clients.revoke-key', { client_id: name, kid });
      for (const [how, spell] of spellings)
        for (const member of alg === 'ES256' ? ['x', 'y'] : ['x']) {
          const spelled = { ...jwk, [member]: spell(jwk[member] as string) };
          if (how === 'in base64' && spelled[member] === `${jwk[member]}=`) continue;
          const rotated = await platform.admin('clients.rotate-key', { client_id: name, jwk: spelled });
          const expected = how === 'as it was' ? 'key_exists' : 'malformed_request';
          expect([how, rotated]).toMatchObject([how, { ok: false, problem: { code: expected } }]);
          if (how === 'as it was') continue;
          const elsewhere = await platform.admin('clients.rotate-key', { client_id: other, jwk: spelled });
          const made = await platform.admin('clients.create', { profile: 'strict', jwk: spelled });
          for (const answer of [elsewhere, made])
            expect([how, answer]).toMatchObject([how, { ok: false, problem: { code: 'malformed_request' } }]);
        }
      platform.clock.nowMs += 10_000;
      expect((await sign(name)).status).toBe(401);
    },
  );

  it('that is acceptable keeps the thumbprint of RFC 7638', async () => {
    const { jwk } = await keyPair('ES256');
    const made = await platform.operate('clients.create', { profile: 'strict', jwk });
    expect(made.kid).toBe(await calculateJwkThumbprint(jwk as JWK, 'sha256'));
  });
});

describe('a key', () => {
  it('ends at its set time, and warns of that for its last 14 days', async () => {
    const signer = await makeClient(platform);
    const { keys } = await platform.operate('clients.show', { client_id: signer.clientId });
    const expiresMs = Date.parse(keys[0]!.expires_at);
    expect(expiresMs - platform.clock.nowMs).toBeCloseTo(90 * DAY_MS, -4);
    const start = platform.clock.nowMs;
    platform.clock.nowMs = expiresMs - 14 * DAY_MS - 1000;
    const before = await register(platform, a, signer, { user_id: 'k1' });
    expect(before.headers['countersign-key-expires']).toBeUndefined();
    platform.clock.nowMs = expiresMs - 14 * DAY_MS;
    const within = await register(platform, a, signer, { user_id: 'k2' });
    expect(within.headers['countersign-key-expires']).toBe(new Date(expiresMs).toUTCString());
    platform.clock.nowMs = expiresMs;
    expect(await tryWith(signer)).toBe('key_expired');
    platform.clock.nowMs = start;
  });

  it('of a basic client has an explicit end, and no key outlives the longest life', async () => {
    const at = (ms: number) => new Date(platform.clock.nowMs + ms).toISOString();
    for (const expires_at of [undefined, at(91 * DAY_MS), at(-1_000), 'tomorrow']) {
      const params = { profile: 'basic' as const, ...(expires_at !== undefined && { expires_at }) };
      expect(await platform.admin('clients.create', params)).toMatchObject({
        ok: false,
        problem: { code: 'malformed_request', detail: expect.stringContaining('params.expires_at') },
      });
    }
  });
});

describe('a client root', () => {
  it('whose life is shorter than client keys may have limits the keys derived from it', async () => {
    const secret = platform.secrets['client-root'];
    const short = { ...secret.keyset.keys[0]!, kid: 'EEEEEA', max_life: DAY_MS };
    const before = secret.keyset;
    secret.keyset = { ...before, keys: [short] };
    const write = a.instance().functions['admin-write'];
    const made = await write(
      { action: 'clients.create', params: { profile: 'strict' } },
      { awsRequestId: 'r' },
    );
    secret.keyset = before;
    const { expires_at } = (made as { result: { expires_at: string } }).result;
    expect(Date.parse(expires_at)).toBeLessThanOrEqual(platform.clock.nowMs + DAY_MS);
  });

  it('that is about to end derives no key that would outlive it; shortening a key is never silent', async () => {
    const secret = platform.secrets['client-root'];
    const before = secret.keyset;
    const endMs = platform.clock.nowMs + 2 * DAY_MS;
    secret.keyset = { ...before, keys: [{ ...before.keys[0]!, retires_at: endMs }] };
    const write = a.instance().functions['admin-write'];
    const create = (params: object) =>
      write(
        { action: 'clients.create', params: { profile: 'strict', ...params } },
        { awsRequestId: 'r' },
      ) as Promise<unknown>;
    const at = (ms: number) => new Date(ms).toISOString();
    const long = [await create({}), await create({ expires_at: at(endMs + 1_000) })];
    const short = await create({ expires_at: at(endMs - 1_000) });
    const { publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256' };
    const own = await create({ jwk });
    secret.keyset = before;
    for (const answer of long)
      expect(answer).toMatchObject({
        ok: false,
        problem: { status: 503, code: 'unavailable', detail: expect.stringContaining('--force') },
      });
    expect([short, own]).toMatchObject([{ ok: true }, { ok: true }]);
  });
});

describe('the client cache', () => {
  it('reads the store at most once a second for a client whose signatures fail, known or not', async () => {
    let reads = 0;
    let nowMs = 0;
    const cache = new ClientCache({ load: async () => void reads++ }, () => nowMs);
    for (; nowMs < 5_000; nowMs += 10) {
      await (await cache.get('nobody')).again();
    }
    expect(reads).toBe(5);
  });

  it('caches a missing client like an existing one, and does not cache a failed read', async () => {
    let reads = 0;
    let nowMs = 0;
    const load = async () => {
      reads += 1;
      if (reads === 1) throw new Error('down');
      return undefined;
    };
    const cache = new ClientCache({ load }, () => nowMs);
    await expect(cache.get('someone')).rejects.toThrow('down');
    for (; nowMs < CLIENT_CACHE_MS; nowMs += 100) await cache.get('someone');
    expect(reads).toBe(2);
    await cache.get('someone');
    expect(reads).toBe(3);
  });

  it('reads again after a failure, even if the client was just read; one read is enough if it was not cached', async () => {
    let reads = 0;
    let nowMs = 0;
    const cache = new ClientCache({ load: async () => void reads++ }, () => nowMs);
    await (await cache.get('new here')).again();
    expect(reads).toBe(1);
    await cache.get('busy');
    for (const expected of [3, 4, 5]) {
      nowMs += 1_000;
      await cache.get('busy');
      expect(await (await cache.get('busy')).again()).toEqual({ kind: 'read', client: undefined });
      expect(await (await cache.get('busy')).again()).toEqual({ kind: 'held_back' });
      expect(reads).toBe(expected);
    }
  });

  it('shares the read of one failure with all failures at the same time', async () => {
    let record = { clientId: 'before' } as ClientRecord;
    let reads = 0;
    const load = async () => {
      reads += 1;
      return record;
    };
    const cache = new ClientCache({ load }, () => 0);
    await cache.get('made-again');
    record = { clientId: 'after' } as ClientRecord;
    const beside = await Promise.all(Array.from({ length: 8 }, () => cache.get('made-again')));
    const found = await Promise.all(beside.map(({ again }) => again()));
    expect(found).toEqual(Array(8).fill({ kind: 'read', client: record }));
    expect(reads).toBe(2);
  });

  it('is bounded: 20,000 names that do not exist do not fill 20,000 entries', async () => {
    let reads = 0;
    const cache = new ClientCache({ load: async () => void reads++ }, () => 0);
    for (let i = 0; i < 20_000; i++) await cache.get(`nobody-${i}`);
    await cache.get('nobody-0');
    expect(reads).toBe(20_001);
  });
});

const placeOf = (pk: string, sk: string) => Buffer.from(JSON.stringify({ pk, sk })).toString('base64url');

describe('operators', () => {
  it('list every client, page by page', async () => {
    const names = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await platform.operate('clients.list', {
        limit: 3,
        ...(cursor !== undefined && { cursor }),
      });
      for (const { client_id } of page.clients) names.add(client_id);
      cursor = page.cursor;
    } while (cursor !== undefined);
    const stored = (await platform.items('clients')).filter(
      (item) => (item.sk as { S: string }).S === 'client',
    );
    expect(names.size).toBe(stored.length);
  });

  it.each([
    ['clients.show', {}, 'params.client_id'],
    ['clients.show', { client_id: 'No' }, 'params.client_id'],
    ['clients.create', { profile: 'lax' }, 'params.profile'],
    ['clients.create', { profile: 'strict', limit: 0 }, 'params.limit'],
    ['clients.create', { profile: 'strict', color: 'red' }, 'color'],
    ['clients.list', { cursor: '!' }, 'params.cursor'],
    ['clients.list', { cursor: placeOf('dev', 'x'.repeat(257)) }, 'params.cursor'],
  ] as const)('are refused with the reason: %s %j', async (action, params, named) => {
    expect(await platform.admin(action, params as never)).toMatchObject({
      ok: false,
      problem: { status: 400, code: 'malformed_request', detail: expect.stringContaining(named) },
    });
  });

  it('get an error that names the function for an action, or the existing actions', async () => {
    const write = a.functions['admin-write'];
    const detail = async (event: unknown) => {
      const answer = await write(event, { awsRequestId: 'r' });
      return answer.ok ? '' : answer.problem.detail;
    };
    expect(await detail({ action: 'clients.list' })).toContain('admin-read');
    expect(await detail({ action: 'toString' })).toContain('clients.create');
    expect(await detail('nonsense')).toContain('event');
  });

  it('leave an audit record of each action', async () => {
    await platform.operate('clients.create', { client_id: 'audited', profile: 'strict' });
    expect(platform.log.at(-1)).toMatchObject({
      message: 'audit',
      action: 'clients.create',
      target: 'audited',
      request_id: expect.any(String),
    });
  });
});

it('a client that has callback endpoints is not deleted: the next one of its name would get them', async () => {
  const { clientId } = await makeClient(platform);
  const endpoints = createEndpoints(platform.shared, tableName(STAGE, 'clients'));
  await endpoints.create(newEndpoint('ep_0000000000000001', { client: clientId }));
  const { problem } = (await platform.admin('clients.delete', { client_id: clientId })) as never;
  expect(problem).toMatchObject({ code: 'endpoints_exist', detail: expect.stringContaining('ep_0000') });
  expect((await platform.operate('clients.show', { client_id: clientId })).client_id).toBe(clientId);
  await endpoints.remove('ep_0000000000000001');
  await platform.operate('clients.delete', { client_id: clientId });
});

it.each(['clients.create', 'clients.invite'] as const)(
  'endpoints that a client left behind when it deleted itself are not for the next of its name: %s',
  async (act) => {
    const clientId = act.replace('.', '-');
    const params = { client_id: clientId, ...(act === 'clients.create' && { profile: 'strict' }) };
    const endpoints = createEndpoints(platform.shared, tableName(STAGE, 'clients'));
    await endpoints.create(newEndpoint('ep_0000000000000002', { client: clientId }));
    const { problem } = (await platform.admin(act, params as never)) as never;
    expect(problem).toMatchObject({ code: 'endpoints_exist', detail: expect.stringContaining('ep_0000') });
    expect(await platform.admin('clients.show', { client_id: clientId })).toMatchObject({ ok: false });
    await endpoints.remove('ep_0000000000000002');
    await platform.operate(act, params as never);
  },
);
