/**
 * The checks of docs/protocol.md at the handlers: each refusal, their order, and the effects of a refusal.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { PROBLEMS, type ProblemCode } from '../../../protocol/problem.ts';
import { ISSUER, regionsForFile } from '../../support/regions.ts';
import {
  b64,
  fetchNonce,
  hs256,
  makeBasicClient,
  makeClient,
  type ProofChange,
  prepare,
  proofFor,
  read,
  register,
  registerAsk,
  remove,
} from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile();
const signer = await makeClient(platform);

const USER = { user_id: 'checked', email: 'checked@example.com' };
const stored = async () => ({
  ledger: (await platform.items('ledger')).length,
  registry: (await platform.items('registry')).length,
});

describe('each rule refuses, and stores nothing', () => {
  let before: Awaited<ReturnType<typeof stored>>;
  beforeEach(async () => {
    before = await stored();
  });

  const hour = 3600;
  const claims: [string, ProblemCode, (nowS: number) => ProofChange][] = [
    ['aud of another issuer', 'invalid_proof', () => ({ claims: { aud: 'https://evil.example' } })],
    ['aud as a list', 'invalid_proof', () => ({ claims: { aud: [ISSUER] } })],
    ['jti too short', 'invalid_proof', () => ({ claims: { jti: 'x'.repeat(15) } })],
    ['jti too long', 'invalid_proof', () => ({ claims: { jti: 'x'.repeat(65) } })],
    ['htm of another method', 'invalid_proof', () => ({ claims: { htm: 'PUT' } })],
    ['htu of the other Region', 'invalid_proof', () => ({ claims: { htu: `${b.url}/v1/register` } })],
    ['htu of another path', 'invalid_proof', () => ({ claims: { htu: `${a.url}/v1/nonce` } })],
    ['fingerprint of another body', 'invalid_proof', () => ({ claims: { fingerprint: 'A'.repeat(43) } })],
    ['exp an hour past', 'clock_skew', (now) => ({ claims: { iat: now - hour, exp: now - hour + 60 } })],
    ['iat an hour ahead', 'clock_skew', (now) => ({ claims: { iat: now + hour, exp: now + hour + 60 } })],
    ['nbf that is no number', 'invalid_proof', () => ({ claims: { nbf: 'soon' } })],
    ['nbf an hour ahead', 'clock_skew', (now) => ({ claims: { nbf: now + hour } })],
    ['exp over 300 s after iat', 'invalid_proof', (now) => ({ claims: { iat: now, exp: now + 301 } })],
    ['no nonce', 'use_nonce', () => ({ claims: { nonce: undefined } })],
    ['a nonce of one changed bit', 'use_nonce', () => ({ claims: { nonce: 'AWJSov4JZXUtd2VzdC0x' } })],
    ['an unknown kid', 'invalid_proof', () => ({ header: { kid: '7' } })],
    ['an unknown client', 'invalid_proof', () => ({ claims: { iss: 'nobody-here' } })],
    ['a wrong key', 'invalid_proof', () => ({ key: 'wrong' })],
    ['an alg that is not on the list', 'malformed_proof', () => ({ header: { alg: 'HS512' } })],
    ['alg none', 'malformed_proof', () => ({ header: { alg: 'none' } })],
    ['a header member more', 'malformed_proof', () => ({ header: { crit: ['x'] } })],
    ['another typ', 'malformed_proof', () => ({ header: { typ: 'at+jwt' } })],
  ];
  it.each(claims)('%s: %s', async (_, code, change) => {
    const ask = await prepare(platform, a, signer, USER, change(platform.clock.nowMs / 1000));
    const answer = await a.send(ask);
    expect(answer.code).toBe(code);
    expect(await stored()).toEqual(before);
    // Each code has one fixed text, whichever rule refused.
    const now = code === 'clock_skew' ? ` It is ${new Date(platform.clock.nowMs).toISOString()}.` : '';
    expect(answer.json).toEqual({
      type: expect.stringMatching(`/${code}$`),
      title: PROBLEMS[code].title,
      status: PROBLEMS[code].status,
      detail: PROBLEMS[code].detail + now,
      instance: expect.stringMatching(/^urn:uuid:/),
      code,
    });
  });

  it("another client's nonce: use_nonce", async () => {
    const other = await makeClient(platform);
    const nonce = await fetchNonce(a, other.clientId);
    expect((await a.send(await prepare(platform, a, signer, USER, { nonce }))).code).toBe('use_nonce');
    expect(await stored()).toEqual(before);
  });

  it("the other Region's nonce: use_nonce with one that works here", async () => {
    const nonce = await fetchNonce(b, signer.clientId);
    const answer = await a.send(await prepare(platform, a, signer, USER, { nonce }));
    expect(answer.code).toBe('use_nonce');
    expect(await stored()).toEqual(before);
    const fresh = answer.headers['replay-nonce']!;
    const user = { user_id: 'moved-here' };
    expect((await a.send(await prepare(platform, a, signer, user, { nonce: fresh }))).status).toBe(201);
  });

  it('a nonce that has expired, or is from the future: use_nonce', async () => {
    const old = await fetchNonce(a, signer.clientId);
    platform.clock.nowMs += 300_001;
    expect((await a.send(await prepare(platform, a, signer, USER, { nonce: old }))).code).toBe('use_nonce');
    platform.clock.nowMs += 10_000;
    const ahead = await fetchNonce(a, signer.clientId);
    platform.clock.nowMs -= 2_001;
    expect((await a.send(await prepare(platform, a, signer, USER, { nonce: ahead }))).code).toBe('use_nonce');
    expect(await stored()).toEqual(before);
  });

  it('encodings that a JOSE library would accept: malformed_proof', async () => {
    const { proof, body } = await prepare(platform, a, signer, USER);
    const at = proof.lastIndexOf('.') + 1;
    const last = proof.at(-1)!;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // 32 bytes leave two spare bits in the last character.
    const spare = proof.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1];
    const spellings = [
      `${proof.slice(0, at)} ${proof.slice(at)}`,
      `${proof.slice(0, at)}\n${proof.slice(at)}`,
      `${proof}=`,
      spare,
    ];
    for (const spelling of spellings)
      expect((await a.send(registerAsk(spelling, body!))).code).toBe('malformed_proof');
    expect(await stored()).toEqual(before);
    expect((await a.send(registerAsk(proof, body!))).status).toBe(201);
  });

  it('a query, another spelling of the path, an unknown resource id', async () => {
    const ask = await prepare(platform, a, signer, USER);
    expect((await a.send({ ...ask, path: '/v1/register?x=1' })).code).toBe('malformed_request');
    for (const path of ['/v1/register/', '/v1/%72egister', '/live/v1/register'])
      expect((await a.send({ ...ask, path, resource: '/v1/register' })).code).toBe('not_found');
    expect((await a.send({ method: 'GET', path: '/v1/registrations/short' })).code).toBe('not_found');
    expect(await stored()).toEqual(before);
  });

  it('no Authorization, two of them (one hidden by case), another scheme: malformed_request', async () => {
    const { proof, headers, ...ask } = await prepare(platform, a, signer, USER);
    const one = `JWT ${proof}`;
    const type = { 'Content-Type': 'application/json' };
    for (const authorization of [
      {},
      { Authorization: [one, one] },
      { Authorization: one, authorization: one },
      { Authorization: `Bearer ${proof}` },
      { Authorization: '' },
    ])
      expect((await a.send({ ...ask, headers: { ...type, ...authorization } })).code).toBe(
        'malformed_request',
      );
    expect(await stored()).toEqual(before);
  });
});

describe('order', () => {
  it('a bad signature uses up no nonce: the true proof still registers', async () => {
    const good = await prepare(platform, a, signer, { user_id: 'not-burnt' });
    const forged = await prepare(
      platform,
      a,
      signer,
      { user_id: 'not-burnt' },
      { nonce: good.nonce, key: 'wrong' },
    );
    expect((await a.send(forged)).code).toBe('invalid_proof');
    expect((await a.send(good)).status).toBe(201);
  });

  it('an unknown client, kid, alg or profile gets exactly the answer of a wrong signature', async () => {
    const nonce = await fetchNonce(a, signer.clientId);
    const es256 = (): string => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const { proof } = strict({});
      const input = `${b64({ alg: 'ES256', typ: 'countersign-proof+jwt', kid: '1' })}.${proof.split('.')[1]}`;
      const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return `${input}.${signature.toString('base64url')}`;
    };
    const strict = (change: ProofChange) => ({
      proof: proofFor(
        signer,
        platform.clock.nowMs,
        { method: 'POST', url: `${a.url}/v1/register`, body: '{}', nonce },
        change,
      ),
    });
    const exp = platform.clock.nowMs / 1000 + 60;
    const proofs = [
      strict({ key: 'wrong' }).proof,
      strict({ claims: { iss: 'nobody-here' } }).proof,
      strict({ claims: { iss: 'Not a client id' } }).proof,
      strict({ header: { kid: '9' } }).proof,
      es256(),
      hs256(signer.apiKey, { alg: 'HS256' }, { iss: signer.clientId, nonce, exp }),
    ];
    const answers = [];
    for (const proof of proofs) {
      const { json, headers } = await a.send(registerAsk(proof, '{}'));
      answers.push({ ...json, instance: '', headers: { ...headers, 'countersign-request-id': '' } });
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0].code).toBe('invalid_proof');
    expect(answers[0].headers['replay-nonce']).toBeUndefined();
  });

  it('a signature of any length, for any alg, counts as a wrong signature', async () => {
    for (const alg of ['HS256', 'ES256', 'Ed25519', 'EdDSA'])
      for (const length of [0, 1, 31, 32, 33, 63, 64, 65, 200]) {
        const header = b64({ alg, typ: 'countersign-proof+jwt', kid: signer.kid });
        const claims = b64({ iss: signer.clientId });
        const proof = `${header}.${claims}.${Buffer.alloc(length, 7).toString('base64url')}`;
        expect((await a.send(registerAsk(proof, '{}'))).code, `${alg}, ${length} bytes`).toBe(
          'invalid_proof',
        );
      }
  });

  it('a wrong key does not reveal that its client is disabled', async () => {
    const off = await makeClient(platform);
    await platform.operate('clients.disable', { client_id: off.clientId });
    expect((await a.send(await prepare(platform, a, off, USER, { key: 'wrong' }))).code).toBe(
      'invalid_proof',
    );
    expect((await a.send(await prepare(platform, a, off, USER))).code).toBe('client_disabled');
  });

  it('a bad body uses up no nonce', async () => {
    const bad = await prepare(platform, a, signer, { user_id: 5 });
    const answer = await a.send(bad);
    expect(answer.json.errors).toEqual([{ pointer: '/user_id', message: 'must be string' }]);
    const user = { user_id: 'after-a-bad-body' };
    expect((await a.send(await prepare(platform, a, signer, user, { nonce: bad.nonce }))).status).toBe(201);
  });
});

describe('binding', () => {
  it('forwarding headers change nothing', async () => {
    const forwarded = {
      'X-Forwarded-Host': 'evil.example',
      'X-Forwarded-Proto': 'http',
      Host: 'evil.example',
      Forwarded: 'host=evil.example',
    };
    const good = await prepare(platform, a, signer, { user_id: 'forwarded' });
    expect((await a.send({ ...good, headers: { ...good.headers, ...forwarded } })).status).toBe(201);
    const other = await prepare(
      platform,
      a,
      signer,
      { user_id: 'forwarded-2' },
      { claims: { htu: 'https://evil.example/v1/register' } },
    );
    expect((await a.send({ ...other, headers: { ...other.headers, ...forwarded } })).code).toBe(
      'invalid_proof',
    );
  });

  it('a proof for one method, URL, Region or body fails for every other', async () => {
    const first = await register(platform, a, signer, { user_id: 'bound' });
    const path = `/v1/registrations/${first.json.id}`;
    const good = await prepare(platform, a, signer, { user_id: 'bound-2' });
    expect((await b.send(good)).code).toBe('invalid_proof');
    expect((await a.send({ ...good, body: `${good.body} ` })).code).toBe('invalid_proof');
    expect((await a.send({ method: 'DELETE', path, headers: good.headers! })).code).toBe('invalid_proof');
    const readProof = proofFor(signer, platform.clock.nowMs, { method: 'GET', url: a.url + path });
    const authorization = { Authorization: `JWT ${readProof}` };
    expect((await b.send({ method: 'GET', path, headers: authorization })).code).toBe('invalid_proof');
    expect((await a.send({ method: 'DELETE', path, headers: authorization })).code).toBe('invalid_proof');
    expect((await a.send({ method: 'GET', path, headers: authorization })).status).toBe(200);
  });

  it('a used register proof reads nothing', async () => {
    const ask = await prepare(platform, a, signer, { user_id: 'used-to-read' });
    const { json } = await a.send(ask);
    const path = `/v1/registrations/${json.id}`;
    expect((await a.send({ method: 'GET', path, headers: ask.headers! })).code).toBe('invalid_proof');
    const basic = await makeBasicClient(platform);
    const nonce = await fetchNonce(a, basic.clientId);
    const exp = platform.clock.nowMs / 1000 + 60;
    const proof = hs256(basic.apiKey, { alg: 'HS256' }, { iss: basic.clientId, nonce, exp, iat: exp - 60 });
    const registered = await a.send(registerAsk(proof, '{"user_id":"basic-read"}'));
    expect(registered.status).toBe(201);
    const read = await a.send({
      method: 'GET',
      path: `/v1/registrations/${registered.json.id}`,
      headers: { Authorization: `JWT ${proof}` },
    });
    expect(read.code).toBe('invalid_proof');
  });

  it('no client reads, deletes or puts a tombstone on a registration of another', async () => {
    const other = await makeClient(platform);
    const user = { user_id: 'mine' };
    const { json } = await register(platform, a, signer, user);
    // Without the marks that say that the table is in use.
    const items = async () =>
      (await platform.items('registry')).filter(({ pk }) => !(pk as { S: string }).S.startsWith('#'));
    const before = await items();
    expect((await read(platform, a, other, json.id)).status).toBe(404);
    expect((await remove(platform, a, other, json.id)).status).toBe(404);
    const after = await items();
    // The other client has only a tombstone under its own name.
    expect(
      after.filter((item) => !before.some((old) => JSON.stringify(old) === JSON.stringify(item))),
    ).toEqual([expect.objectContaining({ pk: { S: `${other.clientId}#${json.id}` } })]);
    platform.clock.nowMs += 10_000;
    expect((await read(platform, a, signer, json.id)).json).toEqual(json);
    expect((await register(platform, a, signer, user)).headers['idempotency-replayed']).toBe('true');
  });

  it('the basic profile registers and reads, and cannot delete', async () => {
    const basic = await makeBasicClient(platform);
    const now = platform.clock.nowMs / 1000;
    const sign = (claims: object) =>
      hs256(basic.apiKey, { alg: 'HS256', typ: 'JWT' }, { iss: basic.clientId, ...claims });
    const nonceAnswer = await a.send({
      method: 'GET',
      path: '/v1/nonce',
      headers: { Authorization: `Bearer ${basic.apiKey}` },
    });
    const made = await a.send(
      registerAsk(sign({ nonce: nonceAnswer.json.nonce, exp: now + 300 }), '{"user_id":"b"}'),
    );
    expect(made.status).toBe(201);
    const numbered = async (jti: unknown) => {
      const nonce = await fetchNonce(a, basic.clientId);
      const proof = sign({ nonce, exp: now + 300, jti });
      return (await a.send(registerAsk(proof, '{"user_id":"b"}'))).code ?? 'registered';
    };
    for (const jti of ['', 'j', 'j'.repeat(64), 7, null]) expect(await numbered(jti)).toBe('registered');
    for (const length of [65, 1_000, 5_000]) expect(await numbered('j'.repeat(length))).toBe('invalid_proof');
    const path = `/v1/registrations/${made.json.id}`;
    const reading = { Authorization: `JWT ${sign({ iat: now, exp: now + 60 })}` };
    expect((await a.send({ method: 'GET', path, headers: reading })).json).toEqual(made.json);
    const nonce = made.headers['replay-nonce'];
    const deleting = { Authorization: `JWT ${sign({ nonce, iat: now, exp: now + 60 })}` };
    expect((await a.send({ method: 'DELETE', path, headers: deleting })).code).toBe('not_allowed');
    expect((await a.send({ method: 'GET', path, headers: reading })).status).toBe(200);
  });
});

describe('reading', () => {
  it('answers 304 to the entity tag that it returned', async () => {
    const { json, headers } = await register(platform, a, signer, { user_id: 'tagged' });
    const known = await read(platform, a, signer, json.id, { 'If-None-Match': headers.etag! });
    expect([known.status, known.text, known.headers.etag]).toEqual([304, '', headers.etag]);
    expect((await read(platform, a, signer, json.id, { 'If-None-Match': '"other"' })).status).toBe(200);
  });
});
