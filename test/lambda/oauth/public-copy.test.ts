/** The public copy of the keys of tokens, which whoever verifies reads. */
import { decodeProtectedHeader } from 'jose';
import { expect, it } from 'vitest';
import { createPublishedKeys } from '../../../lambda/adapters/published-keys.ts';
import { createRevokedKids } from '../../../lambda/adapters/revoked-kids.ts';
import { tableName } from '../../../lambda/contract/names.ts';
import { STAGE } from '../../support/dynalite.ts';
import { call, fetchToken, makeOAuthClient, registerUser, SETTINGS } from '../../support/oauth.ts';
import { regionsForFile } from '../../support/regions.ts';

const { platform, a } = await regionsForFile(SETTINGS);
const LIMITS = tableName(STAGE, 'limits');
const client = await makeOAuthClient(platform);
const jwks = async (region = a) => {
  const { json } = await region.send({ method: 'GET', path: '/.well-known/jwks.json' });
  return (json.keys as { kid: string; alg: string }[]).filter(({ alg }) => alg === 'ES256');
};

it('holds nothing that signs', async () => {
  const [key] = platform.secrets.token.keyset.keys;
  const limits = JSON.stringify(await platform.items('limits'));
  expect(limits).toContain(key!.jwk.x);
  expect(limits).not.toContain(key!.jwk.d);
});

it('verifies and publishes a token without the secret', async () => {
  const token = await fetchToken(platform, a, client);
  platform.secrets.token.fail = true;
  const reads = platform.secrets.token.reads;
  const fresh = a.instance();
  const answer = await call(platform, fresh, client, token, registerUser({ user_id: 'by-copy' }));
  const keys = await jwks(fresh);
  platform.secrets.token.fail = false;
  expect(answer.status).toBe(201);
  expect(keys).toMatchObject([{ kid: decodeProtectedHeader(token).kid }]);
  expect(platform.secrets.token.reads).toBe(reads);
});

it('a key that an operator revoked verifies nothing, ten seconds later', async () => {
  const token = await fetchToken(platform, a, client);
  const user = registerUser({ user_id: 'by-a-revoked-key' });
  const kid = decodeProtectedHeader(token).kid!;
  await createRevokedKids(a.dynamodb, LIMITS).add('token', [kid], platform.clock.nowMs);
  platform.clock.nowMs += 10_000;
  expect((await call(platform, a, client, token, user)).code).toBe('invalid_proof');
  expect(await jwks()).toEqual([]);
});

it('no memory yet, as after an upgrade: no token is valid, and the set of keys is empty', async () => {
  const { regions } = platform;
  const b = regions[1];
  await createPublishedKeys(b.dynamodb, LIMITS, 'token').change(
    ({ keys: _, ...memory }) => memory,
    platform.clock.nowMs,
  );
  expect(await jwks(b.instance())).toEqual([]);
});
