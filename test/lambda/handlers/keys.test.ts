/** `POST /v1/keys`: a client's next key, by the real handler over real stores. */
import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, it, test } from 'vitest';
import { CLIENT_CACHE_MS } from '../../../lambda/request/client-cache.ts';
import { openApiKey } from '../../../protocol/roll-over.ts';
import { type HttpAnswer, ISSUER, type Region, regionsForFile } from '../../support/regions.ts';
import {
  fetchNonce,
  makeBasicClient,
  makeClient,
  proofFor,
  register,
  type Signer,
} from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile();
const DAY_MS = 24 * 3600 * 1000;

const ask = (proof: string, body: string) => ({
  method: 'POST',
  path: '/v1/keys',
  headers: { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' },
  body,
});

async function rollOver(signer: Signer, region: Region = a, body = '{}'): Promise<HttpAnswer> {
  const nonce = await fetchNonce(region, signer.clientId);
  const request = { method: 'POST', url: `${region.url}/v1/keys`, body, nonce };
  return region.send(ask(proofFor(signer, platform.clock.nowMs, request), body));
}

async function nextOf(signer: Signer, { json }: HttpAnswer): Promise<Signer> {
  const apiKey = await openApiKey(signer.apiKey, signer.clientId, json.kid, json.api_key_jwe);
  return { clientId: signer.clientId, kid: json.kid, apiKey };
}

const tryWith = async (signer: Signer, region = a): Promise<string | number> => {
  const answer = await register(platform, region, signer, { user_id: randomUUID() });
  return answer.code ?? answer.status;
};

it('gives the next API key: both work at once, in every Region, and the old one ends as before', async () => {
  const old = await makeClient(platform);
  platform.clock.nowMs += 80 * DAY_MS;
  const answer = await rollOver(old);
  expect(answer.status).toBe(201);
  expect(answer.json.kid).toBe('2');
  expect(Date.parse(answer.json.expires_at)).toBe(
    Math.floor(platform.clock.nowMs / 1000) * 1000 + 90 * DAY_MS,
  );
  expect(answer.headers['cache-control']).toBe('no-store');
  expect(answer.text).not.toContain('csk_');
  const next = await nextOf(old, answer);
  for (const signer of [old, next])
    for (const region of [a, b]) expect(await tryWith(signer, region)).toBe(201);
  platform.clock.nowMs += 10 * DAY_MS;
  expect(await tryWith(old)).toBe('key_expired');
  expect(await tryWith(next)).toBe(201);
});

it('gives the same key again, from either Region, and 100 at once make one', async () => {
  const old = await makeClient(platform);
  const first = await nextOf(old, await rollOver(old));
  expect(await nextOf(old, await rollOver(old, b))).toEqual(first);
  const other = await makeClient(platform);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => rollOver(other, platform.regions[i % 2]!)),
  );
  const keys = await Promise.all(answers.map((answer) => nextOf(other, answer)));
  expect(new Set(keys.map(({ apiKey }) => apiKey)).size).toBe(1);
  const shown = await platform.operate('clients.show', { client_id: other.clientId });
  expect(shown.keys.map(({ kid, issued_by }) => [kid, issued_by])).toEqual([
    ['1', null],
    ['2', '1'],
  ]);
});

it('refuses a third live key', async () => {
  const first = await makeClient(platform);
  const second = await nextOf(first, await rollOver(first));
  const answer = await rollOver(second);
  expect(answer.code).toBe('key_exists');
  expect(answer.headers['replay-nonce']).toBeDefined();
});

it('a stolen key that rolled itself over ends with its whole line, by one revocation', async () => {
  const stolen = await makeClient(platform);
  platform.clock.nowMs += 80 * DAY_MS;
  const second = await nextOf(stolen, await rollOver(stolen));
  platform.clock.nowMs += 11 * DAY_MS;
  const third = await nextOf(second, await rollOver(second));
  expect(await tryWith(third)).toBe(201);
  await platform.operate('clients.revoke-key', { client_id: stolen.clientId, kid: '1' });
  platform.clock.nowMs += CLIENT_CACHE_MS;
  for (const signer of [stolen, second, third])
    for (const region of [a, b]) expect(await tryWith(signer, region)).toBe('key_expired');
  expect((await rollOver(third)).code).toBe('key_expired');
});

it('a key that was revoked a moment ago gets none, though an instance still holds the client', async () => {
  const signer = await makeClient(platform);
  expect(await tryWith(signer)).toBe(201);
  await rollOver(signer);
  await platform.operate('clients.revoke-key', { client_id: signer.clientId, kid: '1' });
  expect((await rollOver(signer)).code).toBe('key_expired');
  const disabled = await makeClient(platform);
  expect((await rollOver(disabled)).status).toBe(201);
  await platform.operate('clients.disable', { client_id: disabled.clientId });
  expect((await rollOver(disabled)).code).toBe('client_disabled');
});

it('a basic client cannot: its operator makes its key', async () => {
  const basic = await makeBasicClient(platform);
  const nonce = await fetchNonce(a, basic.clientId);
  const request = { method: 'POST', url: '', body: '{}', nonce };
  const proof = proofFor(basic, platform.clock.nowMs, request, {
    header: { typ: undefined, kid: undefined },
  });
  expect((await a.send(ask(proof, '{}'))).code).toBe('not_allowed');
});

it('is replay-proof and charged like a registration', async () => {
  const signer = await makeClient(platform, undefined, 1);
  const nonce = await fetchNonce(a, signer.clientId);
  const request = { method: 'POST', url: `${a.url}/v1/keys`, body: '{}', nonce };
  const sent = ask(proofFor(signer, platform.clock.nowMs, request), '{}');
  expect((await a.send(sent)).status).toBe(201);
  expect((await a.send(sent)).code).toMatch(/^(use_nonce|quota_exceeded)$/);
  expect((await rollOver(signer)).code).toBe('quota_exceeded');
});

test.each(['', '[]', '{"jwk":{}}', 'null', '{"a":1}'])('a body of %j spends no nonce', async (body) => {
  const signer = await makeClient(platform);
  const nonce = await fetchNonce(a, signer.clientId);
  const request = { method: 'POST', url: `${a.url}/v1/keys`, nonce };
  const bad = await a.send(ask(proofFor(signer, platform.clock.nowMs, { ...request, body }), body));
  expect(bad.code).toBe('malformed_request');
  const good = proofFor(signer, platform.clock.nowMs, { ...request, body: '{}' });
  expect((await a.send(ask(good, '{}'))).status).toBe(201);
});

async function keyPair(alg: 'ES256' | 'Ed25519') {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  const jwk = { ...(await exportJWK(publicKey)), alg };
  return { alg, jwk, privateKey, kid: await calculateJwkThumbprint(jwk) };
}
type Pair = Awaited<ReturnType<typeof keyPair>>;

async function proofBy(pair: Pair, clientId: string, path: string, body: string, nonce: string, region = a) {
  const iat = Math.floor(platform.clock.nowMs / 1000);
  return new SignJWT({
    jti: randomUUID(),
    htm: 'POST',
    htu: region.url + path,
    nonce,
    fingerprint: createHash('sha256').update(body).digest('base64url'),
  })
    .setProtectedHeader({ alg: pair.alg, typ: 'countersign-proof+jwt', kid: pair.kid })
    .setIssuer(clientId)
    .setAudience(ISSUER)
    .setIssuedAt(iat)
    .setExpirationTime(iat + 60)
    .sign(pair.privateKey);
}

const bring = async (...of: Parameters<typeof toBring>): Promise<HttpAnswer> => a.send(await toBring(...of));

async function toBring(clientId: string, current: Pair, next: Pair, signer = next, region = a) {
  const nonce = await fetchNonce(region, clientId);
  const possession = await new SignJWT({ nonce, old: current.kid })
    .setProtectedHeader({ alg: next.alg, typ: 'countersign-possession+jwt' })
    .setIssuer(clientId)
    .setAudience(ISSUER)
    .setIssuedAt(Math.floor(platform.clock.nowMs / 1000))
    .sign(signer.privateKey);
  const body = JSON.stringify({ jwk: next.jwk, possession });
  return ask(await proofBy(current, clientId, '/v1/keys', body, nonce, region), body);
}

test.each([
  ['ES256', 'ES256'],
  ['Ed25519', 'Ed25519'],
  ['ES256', 'Ed25519'],
] as const)('a client with a key pair brings its next public key: %s, %s', async (from, to) => {
  const clientId = `p-${randomUUID().slice(0, 8)}`;
  const [current, next, thief] = await Promise.all([keyPair(from), keyPair(to), keyPair(to)]);
  await platform.operate('clients.create', { client_id: clientId, profile: 'strict', jwk: current.jwk });
  // Somebody else's key is not brought: its holder did not vouch for it.
  expect((await bring(clientId, current, next, thief)).code).toBe('invalid_proof');
  const answer = await bring(clientId, current, next);
  expect(answer.status).toBe(201);
  expect(answer.json.kid).toBe(next.kid);
  expect(answer.json.api_key_jwe).toBeUndefined();
  expect((await bring(clientId, current, next)).json.kid).toBe(next.kid);
  expect((await bring(clientId, current, thief)).code).toBe('key_exists');
  for (const pair of [current, next]) {
    const body = JSON.stringify({ user_id: randomUUID() });
    const nonce = await fetchNonce(a, clientId);
    const proof = await proofBy(pair, clientId, '/v1/register', body, nonce);
    expect((await a.send({ ...ask(proof, body), path: '/v1/register' })).status).toBe(201);
  }
});

it('of two public keys at once, one becomes the next; where that is revoked, another may', async () => {
  const clientId = `p-${randomUUID().slice(0, 8)}`;
  const [current, other, ...next] = (await Promise.all(
    Array.from({ length: 4 }, () => keyPair('Ed25519')),
  )) as [Pair, Pair, Pair, Pair];
  await platform.operate('clients.create', { client_id: clientId, profile: 'strict', jwk: current.jwk });
  // In two Regions, which are warm: else the quota's counter, or a first request, puts them into a row.
  const warm = await makeClient(platform);
  for (const region of platform.regions) await rollOver(warm, region);
  const asks = await Promise.all(
    next.map((each, i) => toBring(clientId, current, each, each, platform.regions[i])),
  );
  const answers = await Promise.all(asks.map((each, i) => platform.regions[i]!.send(each)));
  expect(answers.map(({ code, status }) => String(code ?? status)).sort()).toEqual(['201', 'key_exists']);
  const { kid } = answers.find(({ status }) => status === 201)!.json;
  expect((await bring(clientId, current, other)).code).toBe('key_exists');
  await platform.operate('clients.revoke-key', { client_id: clientId, kid });
  expect((await bring(clientId, current, other)).json.kid).toBe(other.kid);
});

it('with eventual consistency the next key is usable once the other Regions have had a minute', async () => {
  const eventual = a.instance({ COUNTERSIGN_CONSISTENCY: 'eventual' });
  const signer = await makeClient(platform);
  const answer = await rollOver(signer, eventual);
  const next = await nextOf(signer, answer);
  expect(Date.parse(answer.json.usable_at)).toBe(Math.floor(platform.clock.nowMs / 1000) * 1000 + 60_000);
  expect(await tryWith(next, eventual)).toBe('key_expired');
  platform.clock.nowMs += 60_000;
  expect(await tryWith(next, eventual)).toBe(201);
});
