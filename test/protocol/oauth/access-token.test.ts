/** Access tokens: RFC 9068 §4, and scopes: RFC 6749 §3.3. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import {
  type AccessToken,
  signAccessToken,
  verifyAccessToken,
} from '../../../protocol/oauth/access-token.ts';
import { DEFAULT_SCOPES, grantedScopes, parseScope } from '../../../protocol/oauth/scope.ts';
import { type JwsChange, jws, makeKey } from '../../support/dpop.ts';

const ISSUER = 'https://api.example.com';
const NOW_MS = Date.UTC(2026, 10, 28, 9);
const NOW_S = NOW_MS / 1000;
const key = await makeKey();
const client = await makeKey('Ed25519');
const publicKey = createPublicKey({ key: key.jwk as JsonWebKey, format: 'jwk' });

const TOKEN: AccessToken = {
  clientId: 'orders',
  audience: ISSUER,
  scopes: ['registrations:write', 'registrations:read'],
  jti: 'one-token',
  jkt: client.thumbprint,
  issuedAtS: NOW_S,
  expiresAtS: NOW_S + 600,
};
const signed = signAccessToken(TOKEN, ISSUER, 'AAAAAA', key.privateKey);

async function verify(text: string, nowMs = NOW_MS) {
  const outcome = await verifyAccessToken(text, { issuer: ISSUER, nowMs }, async (kid) =>
    kid === 'AAAAAA' ? publicKey : undefined,
  );
  return outcome.ok ? outcome.token : outcome.reason;
}

it('has the header and claims of RFC 9068, and another library verifies it', async () => {
  await jwtVerify(signed, publicKey, {
    issuer: ISSUER,
    audience: ISSUER,
    typ: 'at+jwt',
    currentDate: new Date(NOW_MS),
  });
  expect(decodeProtectedHeader(signed)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: 'AAAAAA' });
  expect(decodeJwt(signed)).toEqual({
    iss: ISSUER,
    sub: 'orders',
    client_id: 'orders',
    aud: ISSUER,
    scope: 'registrations:write registrations:read',
    jti: 'one-token',
    iat: NOW_S,
    exp: NOW_S + 600,
    cnf: { jkt: client.thumbprint },
  });
});

it('is read as it was signed, until its end', async () => {
  expect(await verify(signed)).toEqual(TOKEN);
  expect(await verify(signed, NOW_MS + 599_999)).toEqual(TOKEN);
  expect(await verify(signed, NOW_MS + 600_000)).toBe('token_expired');
});

it.each<[string, string, JwsChange]>([
  ['token_header', 'another typ', { header: { typ: 'JWT' } }],
  ['token_header', 'another alg', { header: { alg: 'Ed25519' } }],
  ['token_header', 'no kid', { header: { kid: undefined } }],
  ['token_kid', 'an unknown kid', { header: { kid: 'BBBBBB' } }],
  ['token_signature', 'another key', { signer: await makeKey() }],
  ['token_form', 'an extension that must be understood', { header: { crit: ['x'], x: 1 } }],
  ['token_claims', 'another issuer', { claims: { iss: 'https://evil.example' } }],
  ['token_claims', 'another sub', { claims: { sub: 'billing' } }],
  ['token_claims', 'no jti', { claims: { jti: undefined } }],
  ['token_claims', 'no key', { claims: { cnf: undefined } }],
  ['token_claims', 'no scope', { claims: { scope: undefined } }],
  ['token_claims', 'no end', { claims: { exp: undefined } }],
  ['token_claims', 'a list of audiences', { claims: { aud: [ISSUER] } }],
])('%s: %s', async (reason, _, { header, claims, signer = key }) => {
  const text = jws(
    signer,
    { ...decodeProtectedHeader(signed), ...header },
    { ...decodeJwt(signed), ...claims },
  );
  expect(await verify(text)).toBe(reason);
});

describe('scopes', () => {
  it.each(['', ' ', 'a  b', 'a"b', 'a\\b', 'é', 'x'.repeat(65), undefined, 7])('%j is none', (text) => {
    expect(parseScope(text)).toBeUndefined();
  });
  it('counts one that comes twice once', () => expect(parseScope('a b a')).toEqual(['a', 'b']));
  it('grants what the client has, and all of it where it asks for none', () => {
    expect(grantedScopes('registrations:read', DEFAULT_SCOPES)).toEqual(['registrations:read']);
    expect(grantedScopes(undefined, DEFAULT_SCOPES)).toEqual(DEFAULT_SCOPES);
    expect(grantedScopes('registrations:read tokens:introspect', DEFAULT_SCOPES)).toBeUndefined();
    expect(grantedScopes(undefined, [])).toBeUndefined();
  });
});
