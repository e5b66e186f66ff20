/** Instances that register by their platform's identity token: nobody handed them a secret. */
import type { JsonWebKey } from 'node:crypto';
import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { CLIENT_CACHE_MS } from '../../../lambda/request/client-cache.ts';
import { type EnrolmentPolicy, keyAudience, policyId } from '../../../protocol/oauth/attestation.ts';
import { buildProof } from '../../../protocol/proof/build.ts';
import { makeKey, type TestKey } from '../../support/dpop.ts';
import {
  AWS,
  GITHUB,
  GITLAB,
  type IdentityIssuer,
  identityToken,
  KUBERNETES,
  type TokenWish,
} from '../../support/identity.ts';
import { call, fetchToken, prepareToken, registerUser, SETTINGS } from '../../support/oauth.ts';
import { ISSUER, type Region, regionsForFile } from '../../support/regions.ts';
import { type Asked, askRegistration, prepareRegistration } from '../../support/registration.ts';
import { registerAsk } from '../../support/signer.ts';

const policy = (
  client: string,
  from: IdentityIssuer,
  match: Record<string, string>,
  more: object = {},
): EnrolmentPolicy => ({
  client,
  issuer: from.issuer,
  keys: { kind: 'discovery' },
  algorithms: [from.alg],
  match,
  scopes: ['registrations:write', 'registrations:read'],
  limit: null,
  keyLifeS: 3600,
  instances: 100,
  binding: 'key',
  ...more,
});
const POLICIES = [
  policy(
    'aws-worker',
    AWS,
    { '/https:~1~1sts.amazonaws.com~1/principal_id': 'arn:aws:iam::123456789012:role/DataProcessingRole' },
    { limit: 7, scopes: ['registrations:write'] },
  ),
  policy('github-ci', GITHUB, { '/repository_id': '74', '/ref': 'refs/heads/main' }),
  policy(
    'gitlab-ci',
    GITLAB,
    { '/project_id': '20', '/ref_path': 'refs/heads/feature-branch-1' },
    { binding: 'once' },
  ),
  policy(
    'pod',
    KUBERNETES,
    { '/sub': 'system:serviceaccount:billing:worker' },
    { keys: { kind: 'inline', keys: KUBERNETES.keys } },
  ),
];

/** What the issuers answer, by URL. */
const web = new Map<string, unknown>();
let fetched: string[] = [];
const fetchJson = async (url: string) => {
  fetched.push(url);
  if (!web.has(url)) throw new Error('no answer');
  return web.get(url);
};
const publish = ({ issuer }: IdentityIssuer, keys: readonly JsonWebKey[]) => {
  web.set(`${issuer}/.well-known/openid-configuration`, { issuer, jwks_uri: `${issuer}/keys` });
  web.set(`${issuer}/keys`, { keys });
};
for (const from of [AWS, GITHUB, GITLAB]) publish(from, from.keys);

const { platform, a, b } = await regionsForFile(SETTINGS, { policies: POLICIES, fetchJson });
beforeEach(() => {
  fetched = [];
  platform.log.length = 0;
});

const tokenFor = (from: IdentityIssuer, { thumbprint }: TestKey, wish: Partial<TokenWish> = {}) =>
  identityToken(from, { audience: keyAudience(ISSUER, thumbprint), nowMs: platform.clock.nowMs, ...wish });
const enrol = (
  from: IdentityIssuer,
  key: TestKey,
  wish: Partial<TokenWish> = {},
  region = a,
  more: Partial<Asked> = {},
) => askRegistration(platform, region, { token: tokenFor(from, key, wish), key, ...more });
const used = async () => (await platform.items('ledger')).length;
const reasons = () => platform.log.filter(({ message }) => message === 'request').map(({ reason }) => reason);

/** Registers a user with a strict proof, as the SDK does. */
const strict = async (clientId: string, key: TestKey, region: Region, user_id = 'ada') => {
  const { json } = await region.send({ method: 'GET', path: `/v1/nonce?client_id=${clientId}` });
  const body = JSON.stringify({ user_id });
  const proof = await buildProof({
    key: key.privateKey,
    ...{ alg: key.alg, kid: key.thumbprint, clientId, issuer: ISSUER, nonce: json.nonce },
    ...{ method: 'POST', url: `${region.url}/v1/register`, body: Buffer.from(body) },
    nowS: platform.clock.nowMs / 1000,
    lifeS: 300,
  });
  const answer = await region.send(registerAsk(proof, body));
  return answer.code ?? answer.status;
};

describe.each<[string, IdentityIssuer, string]>([
  ['AWS', AWS, 'aws-worker'],
  ['GitHub Actions', GITHUB, 'github-ci'],
  ['Kubernetes', KUBERNETES, 'pod'],
])('a workload of %s', (_, from, clientId) => {
  it.each(['ES256', 'Ed25519'] as const)(
    'with %s registers, and registers users by proof and by token, in every Region',
    async (alg) => {
      const key = await makeKey(alg);
      const registered = await enrol(from, key);
      expect(registered.status).toBe(201);
      expect(registered.json).toMatchObject({
        client_id: clientId,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ kid: key.thumbprint, exp: Math.floor(platform.clock.nowMs / 1000) + 3600 }] },
      });
      expect(Object.keys(registered.json)).not.toContain('registration_access_token');
      for (const region of [a, b]) expect(await strict(clientId, key, region)).toBe(201);
      const access = await fetchToken(platform, b, { clientId, key });
      const answer = await call(platform, b, { clientId, key }, access, registerUser({ user_id: 'bob' }));
      expect(answer.status).toBe(201);
    },
  );
});

it('the policy says what the client may do, and the operator sees where it came from', async () => {
  const key = await makeKey();
  const { json } = await enrol(AWS, key);
  expect(json.scope).toBe('registrations:write');
  expect(await platform.operate('clients.show', { client_id: 'aws-worker' })).toMatchObject({
    origin: 'enrolment',
    limit: 7,
    scopes: ['registrations:write'],
    keys: [],
  });
  expect(platform.log).toContainEqual(
    expect.objectContaining({
      message: 'audit',
      action: 'clients.enrol',
      target: `aws-worker#${key.thumbprint}`,
    }),
  );
  expect(JSON.stringify(platform.log)).not.toContain('eyJ');
});

describe('many instances', () => {
  it('have a key each, and the end of one ends no other', async () => {
    const [first, second] = [await makeKey(), await makeKey()];
    await enrol(GITHUB, first);
    platform.clock.nowMs += 1_800_000;
    await enrol(GITHUB, second);
    platform.clock.nowMs += 1_800_000;
    expect(await strict('github-ci', first, a)).toBe('key_expired');
    expect(await strict('github-ci', second, a)).toBe(201);
  });

  it('renew the same key before its end', async () => {
    const key = await makeKey();
    await enrol(GITHUB, key);
    platform.clock.nowMs += 1_800_000;
    expect((await enrol(GITHUB, key)).status).toBe(201);
    platform.clock.nowMs += 2_000_000;
    expect(await strict('github-ci', key, b)).toBe(201);
  });

  it('of 25 that enrol at once each gets in, as one client', async () => {
    const keys = await Promise.all(Array.from({ length: 25 }, () => makeKey()));
    const asks = await Promise.all(
      keys.map((key, i) =>
        prepareRegistration(platform, i % 2 ? a : b, { token: tokenFor(GITHUB, key), key }),
      ),
    );
    const answers = await Promise.all(asks.map((ask, i) => (i % 2 ? a : b).send(ask)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 25 }, () => 201));
    for (const key of [keys[0]!, keys[24]!]) expect(await strict('github-ci', key, a)).toBe(201);
  });

  it('cost a request one read of a key, however many they are', async () => {
    const items = (await platform.items('clients')).map((item) => (item.pk as { S: string }).S);
    expect(items.filter((pk) => pk === '@enrolled#github-ci').length).toBeGreaterThan(25);
    expect(items.filter((pk) => pk === 'github-ci').length).toBeLessThan(3);
  });
});

describe('a stolen token', () => {
  it('gets nothing without the key that it names', async () => {
    const [own, thief] = [await makeKey(), await makeKey()];
    const token = tokenFor(GITHUB, own);
    const before = await used();
    for (const region of [a, b])
      expect(await askRegistration(platform, region, { token, key: thief })).toMatchObject({
        status: 401,
        json: { error: 'invalid_token' },
      });
    expect(reasons()).toContain('attestation_audience');
    expect(await used()).toBe(before);
  });

  it('that is bound to no key is taken once in its Region, and nowhere else', async () => {
    const [first, second] = [await makeKey(), await makeKey()];
    const token = tokenFor(GITLAB, first, { audience: a.url });
    expect((await askRegistration(platform, b, { token, key: first })).status).toBe(401);
    expect((await askRegistration(platform, a, { token, key: first })).status).toBe(201);
    expect(await askRegistration(platform, a, { token, key: second })).toMatchObject({ status: 401 });
    expect(reasons().at(-1)).toBe('attestation_used');
    expect(await strict('gitlab-ci', first, b)).toBe(201);
  });

  it('that is bound to no key lets one of 25 keys in', async () => {
    const keys = await Promise.all(Array.from({ length: 25 }, () => makeKey()));
    const token = tokenFor(GITLAB, keys[0]!, { audience: a.url });
    const asks = await Promise.all(keys.map((key) => prepareRegistration(platform, a, { token, key })));
    const answers = await Promise.all(asks.map((ask) => a.send(ask)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });
});

describe('stopping a workload', () => {
  it('is disabling its client: no instance gets in, and none that is in gets further', async () => {
    const key = await makeKey();
    await enrol(KUBERNETES, key);
    expect(await strict('pod', key, a)).toBe(201);
    await platform.operate('clients.disable', { client_id: 'pod' });
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect(await strict('pod', key, a)).toBe('client_disabled');
    expect(await enrol(KUBERNETES, await makeKey())).toMatchObject({
      status: 403,
      json: { error: 'access_denied' },
    });
    const token = await a.send(await prepareToken(platform, a, { clientId: 'pod', key }));
    expect([token.status, token.json.error]).toEqual([400, 'invalid_client']);
  });

  it('stays so when the client is deleted: it comes back disabled', async () => {
    await platform.operate('clients.disable', { client_id: 'pod' });
    await platform.operate('clients.delete', { client_id: 'pod' });
    const key = await makeKey();
    for (let i = 0; i < 2; i++) expect((await enrol(KUBERNETES, key)).status).toBeGreaterThanOrEqual(400);
    expect(await platform.operate('clients.show', { client_id: 'pod' })).toMatchObject({ disabled: true });
    await platform.operate('clients.enable', { client_id: 'pod' });
    expect((await enrol(KUBERNETES, key)).status).toBe(201);
  });

  it('a deleted client takes the keys of its instances with it', async () => {
    const key = await makeKey();
    await enrol(GITHUB, key);
    await platform.operate('clients.delete', { client_id: 'github-ci' });
    const other = await makeKey();
    await enrol(GITHUB, other);
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect(await strict('github-ci', key, a)).toBe('invalid_proof');
    expect(await strict('github-ci', other, a)).toBe(201);
  });

  it('a policy that is gone takes its keys with it', async () => {
    const key = await makeKey();
    await enrol(GITHUB, key);
    const without = a.instance({ COUNTERSIGN_ENROLMENT: JSON.stringify(POLICIES.slice(2).map(policyId)) });
    expect(await strict('github-ci', key, without)).toBe('invalid_proof');
    expect(await strict('github-ci', key, a.instance())).toBe(201);
  });
});

it('a client that an operator created has its name: no policy takes it over', async () => {
  const name = 'aws-worker';
  await platform.operate('clients.delete', { client_id: name });
  await platform.operate('clients.create', { client_id: name, profile: 'strict' });
  expect(await enrol(AWS, await makeKey())).toMatchObject({ status: 403, json: { error: 'access_denied' } });
  expect(reasons()).toContain('enrolment_client_taken');
  await platform.operate('clients.delete', { client_id: name });
  expect((await enrol(AWS, await makeKey())).status).toBe(201);
});

describe('each rule refuses, and uses nothing up', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  it.each<[string, IdentityIssuer, Partial<TokenWish>]>([
    ['attestation_form', GITHUB, { header: { alg: 'none' } }],
    ['attestation_issuer', GITHUB, { claims: { iss: 'https://evil.example' } }],
    ['attestation_issuer', { ...KUBERNETES, alg: 'ES256' }, { claims: { iss: AWS.issuer } }],
    ['attestation_key', GITHUB, { header: { kid: 'other' } }],
    ['attestation_signature', GITHUB, { key: privateKey }],
    ['attestation_time', GITHUB, { lifeS: 7200 }],
    ['attestation_match', GITHUB, { claims: { ref: 'refs/pull/1/merge' } }],
    ['attestation_audience', GITHUB, { audience: ISSUER }],
  ])('%s', async (reason, from, wish) => {
    const before = await used();
    const answer = await enrol(from, await makeKey(), wish);
    expect([answer.status, answer.json.error]).toEqual([401, 'invalid_token']);
    expect(reasons()).toContain(reason);
    expect(await used()).toBe(before);
  });

  it("metadata with another key than the proof's", async () => {
    const key = await makeKey();
    const body = { jwks: { keys: [(await makeKey()).jwk] } };
    expect(await enrol(GITHUB, key, {}, a, { body })).toMatchObject({
      status: 400,
      json: { error: 'invalid_client_metadata' },
    });
  });

  it('a token twice with one proof', async () => {
    const key = await makeKey();
    const asked = await prepareRegistration(platform, a, { token: tokenFor(GITHUB, key), key });
    expect((await a.send(asked)).status).toBe(201);
    expect((await a.send(asked)).status).toBe(400);
  });
});

describe("an issuer's keys", () => {
  const fresh = () => a.instance();

  it('are fetched once, and again when a token names another; forged names cause no load', async () => {
    const region = fresh();
    for (let i = 0; i < 3; i++) expect((await enrol(GITHUB, await makeKey(), {}, region)).status).toBe(201);
    expect(fetched).toEqual([`${GITHUB.issuer}/.well-known/openid-configuration`, `${GITHUB.issuer}/keys`]);
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    publish(GITHUB, [...GITHUB.keys, { ...publicKey.export({ format: 'jwk' }), kid: 'next' }]);
    const next = { key: privateKey, header: { kid: 'next' } };
    platform.clock.nowMs += 30_000;
    expect((await enrol(GITHUB, await makeKey(), next, region)).status).toBe(201);
    const before = fetched.length;
    for (let i = 0; i < 5; i++)
      await enrol(GITHUB, await makeKey(), { header: { kid: `forged-${i}` } }, region);
    expect(fetched).toHaveLength(before);
    publish(GITHUB, GITHUB.keys);
  });

  it('that cannot be fetched are no reason to let anybody in', async () => {
    web.delete(`${GITHUB.issuer}/keys`);
    expect(await enrol(GITHUB, await makeKey(), {}, fresh())).toMatchObject({
      status: 503,
      json: { error: 'temporarily_unavailable' },
    });
    expect(platform.log).toContainEqual(
      expect.objectContaining({ message: 'enrolment', reason: 'issuer_keys', target: 'github-ci' }),
    );
    publish(GITHUB, GITHUB.keys);
  });

  it('are used for an hour at most while the issuer does not answer', async () => {
    const region = fresh();
    expect((await enrol(GITHUB, await makeKey(), {}, region)).status).toBe(201);
    web.delete(`${GITHUB.issuer}/keys`);
    platform.clock.nowMs += 3_599_000;
    expect((await enrol(GITHUB, await makeKey(), {}, region)).status).toBe(201);
    platform.clock.nowMs += 2_000;
    expect((await enrol(GITHUB, await makeKey(), {}, region)).status).toBe(503);
    publish(GITHUB, GITHUB.keys);
  });

  it.each<[string, unknown]>([
    ['on another host', { issuer: GITHUB.issuer, jwks_uri: 'https://evil.example/keys' }],
    ['on another port', { issuer: GITHUB.issuer, jwks_uri: `${GITHUB.issuer}:8443/keys` }],
    [
      'by another scheme',
      { issuer: GITHUB.issuer, jwks_uri: `${GITHUB.issuer.replace('https', 'http')}/keys` },
    ],
    ['of another issuer', { issuer: 'https://evil.example', jwks_uri: `${GITHUB.issuer}/keys` }],
    ['nowhere', { issuer: GITHUB.issuer }],
  ])('%s are not read', async (_, document) => {
    web.set(`${GITHUB.issuer}/.well-known/openid-configuration`, document);
    expect((await enrol(GITHUB, await makeKey(), {}, fresh())).status).toBe(503);
    expect(fetched).toEqual([`${GITHUB.issuer}/.well-known/openid-configuration`]);
    publish(GITHUB, GITHUB.keys);
  });

  it('in a config are fetched from nobody', async () => {
    await platform.admin('clients.enable', { client_id: 'pod' });
    expect((await enrol(KUBERNETES, await makeKey(), {}, fresh())).status).toBe(201);
    expect(fetched).toEqual([]);
  });
});
