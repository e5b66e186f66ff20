/** What a registration may say, what is refused, and what the answer states (RFC 7591 §2, §3.2). */
import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { clientInformation, readClientMetadata } from '../../../protocol/oauth/client-metadata.ts';
import { makeKey } from '../../support/dpop.ts';

const es256 = await makeKey('ES256');
const ed25519 = await makeKey('Ed25519');
const third = await makeKey();
const metadata = (more: object = {}) => ({ jwks: { keys: [es256.jwk] }, ...more });
const read = (body: unknown, mostKeys?: number) => {
  const result = readClientMetadata(body, mostKeys);
  return result.ok ? result.metadata : result.description;
};

describe('a registration', () => {
  it('needs a key alone', async () => {
    expect(read(metadata())).toEqual({
      keys: [{ kid: es256.thumbprint, alg: 'ES256', jwk: { ...es256.jwk, alg: 'ES256' } }],
      clientId: undefined,
    });
  });

  it('takes a key as WebCrypto exports it, and drops what else it has', async () => {
    const exported = { ...ed25519.jwk, key_ops: ['verify'], ext: true, use: 'sig', kid: 'my-key' };
    expect(read({ jwks: { keys: [exported] } })).toMatchObject({
      keys: [{ kid: ed25519.thumbprint, alg: 'Ed25519', jwk: { ...ed25519.jwk, alg: 'Ed25519' } }],
    });
  });

  it.each([
    ['alg of the key', { jwks: { keys: [{ ...ed25519.jwk, alg: 'EdDSA' }] } }],
    [
      'token_endpoint_auth_signing_alg',
      { jwks: { keys: [ed25519.jwk] }, token_endpoint_auth_signing_alg: 'EdDSA' },
    ],
  ])('takes the name EdDSA for Ed25519, as %s', async (_, body) => {
    expect(read(body)).toMatchObject({ keys: [{ alg: 'EdDSA' }] });
  });

  it('ignores what it does not know (RFC 7591 §2)', async () => {
    const body = metadata({ client_name: 'Billing', redirect_uris: ['https://x.example'], contacts: [] });
    expect(read(body)).toMatchObject({ keys: [{ kid: es256.thumbprint }] });
  });

  it('takes the grant among others, and any scope', async () => {
    const body = metadata({
      grant_types: ['authorization_code', 'client_credentials'],
      scope: 'registrations:write everything',
    });
    expect(read(body)).toMatchObject({ keys: [{ kid: es256.thumbprint }] });
  });

  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
  const keys = (...list: unknown[]) => metadata({ jwks: { keys: list } });
  it.each<[string, unknown, RegExp]>([
    ['no object', [], /JSON object/],
    ['a secret', metadata({ token_endpoint_auth_method: 'client_secret_basic' }), /private_key_jwt/],
    ['no authentication', metadata({ token_endpoint_auth_method: 'none' }), /private_key_jwt/],
    ['a secret of its own', metadata({ client_secret: 'x' }), /client_secret/],
    ['the address of its keys', metadata({ jwks_uri: 'https://x.example/jwks' }), /jwks_uri/],
    ['another grant', metadata({ grant_types: ['authorization_code'] }), /client_credentials/],
    ['a grant that is no list', metadata({ grant_types: 'client_credentials' }), /client_credentials/],
    ['a scope that is none', metadata({ scope: 'a  b' }), /scope/],
    ['a client_id that is none', metadata({ client_id: 5 }), /client_id/],
    ['no key', metadata({ jwks: undefined }), /jwks is missing/],
    ['an empty set', keys(), /1 to 2 keys/],
    ['three keys', keys(es256.jwk, ed25519.jwk, third.jwk), /1 to 2 keys/],
    ['one key twice', keys(es256.jwk, { ...es256.jwk, kid: 'b' }), /twice/],
    ['a private key', keys(privateKey.export({ format: 'jwk' })), /private/],
    ['a symmetric key', keys({ kty: 'oct', k: 'AAAA' }), /private/],
    ['another curve', keys(p384), /P-256/],
    ['RSA', keys(rsa), /P-256/],
    ['a curve of another type', keys({ ...es256.jwk, kty: 'OKP' }), /P-256/],
    ['another alg', keys({ ...es256.jwk, alg: 'ES384' }), /ES256/],
    ['another alg for the endpoint', metadata({ token_endpoint_auth_signing_alg: 'RS256' }), /ES256/],
    ['a key for encryption', keys({ ...es256.jwk, use: 'enc' }), /use/],
    ['another spelling', keys({ ...es256.jwk, x: `${es256.jwk.x}=` }), /base64url/],
    ['a point that is none', keys({ ...es256.jwk, y: es256.jwk.x }), /P-256/],
  ])('with %s is refused with a description', async (_, body, description) => {
    expect(readClientMetadata(body)).toMatchObject({
      error: 'invalid_client_metadata',
      description: expect.stringMatching(description),
    });
  });

  it('has one key where the proof names one', async () => {
    expect(read(keys(es256.jwk, ed25519.jwk), 1)).toMatch(/exactly one key/);
  });
});

it('the answer states what stands in place of the defaults of RFC 7591', async () => {
  const jwk = { ...es256.jwk, alg: 'ES256' } as JWK;
  const kid = await calculateJwkThumbprint(jwk);
  expect(
    clientInformation({
      clientId: 'billing',
      createdAtMs: 1_999,
      keys: [{ kid, jwk, expiresAtS: 9 }],
      scopes: ['a', 'b'],
    }),
  ).toEqual({
    client_id: 'billing',
    client_id_issued_at: 1,
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: ['client_credentials'],
    response_types: [],
    scope: 'a b',
    jwks: { keys: [{ ...jwk, kid, use: 'sig', exp: 9 }] },
    dpop_bound_access_tokens: true,
  });
});
