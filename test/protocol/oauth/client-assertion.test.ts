/** Client assertions: RFC 7523 §3, as this platform narrows it. */

import type { JsonWebKey } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isAssertedBy, readAssertion } from '../../../protocol/oauth/client-assertion.ts';
import { assertion, type JwsChange, makeKey, type TestKey } from '../../support/dpop.ts';

const ISSUER = 'https://api.example.com';
const NOW_MS = Date.UTC(2026, 10, 28, 9);
const NOW_S = NOW_MS / 1000;
const key = await makeKey();

const make = (changes: JwsChange = {}, signer = key) =>
  assertion(signer, { clientId: 'orders', issuer: ISSUER, nowS: NOW_S }, changes);
const readText = (text: string) => {
  const read = readAssertion(text, { issuer: ISSUER, nowMs: NOW_MS });
  return read.ok ? read.assertion : read.reason;
};
const read = (changes: JwsChange = {}) => readText(make(changes));
const publicKey = ({ jwk }: TestKey) => createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });

describe('each rule refuses', () => {
  it.each<[string, string, JwsChange]>([
    ['assertion_typ', 'a DPoP proof', { header: { typ: 'dpop+jwt' } }],
    ['assertion_typ', 'an access token', { header: { typ: 'at+jwt' } }],
    ['assertion_form', 'an extension that must be understood', { header: { crit: ['b64'], b64: false } }],
    ['assertion_iss', 'no iss', { claims: { iss: undefined } }],
    ['assertion_iss', 'another sub', { claims: { sub: 'billing' } }],
    ['assertion_iss', 'no sub', { claims: { sub: undefined } }],
    ['assertion_iss', 'what is no name of a client', { claims: { iss: '@dpop', sub: '@dpop' } }],
    ['assertion_aud', 'no aud', { claims: { aud: undefined } }],
    ['assertion_aud', 'the token endpoint', { claims: { aud: `${ISSUER}/v1/oauth/token` } }],
    ['assertion_aud', 'a list', { claims: { aud: [ISSUER] } }],
    ['assertion_exp', 'no exp', { claims: { exp: undefined } }],
    ['assertion_exp', 'an exp that is past', { claims: { exp: NOW_S - 60 } }],
    ['assertion_exp', 'an exp too far ahead', { claims: { exp: NOW_S + 361 } }],
    ['assertion_exp', 'an exp that is no number', { claims: { exp: '2027' } }],
    ['assertion_nbf', 'an nbf ahead', { claims: { nbf: NOW_S + 61 } }],
    ['assertion_iat', 'an iat ahead', { claims: { iat: NOW_S + 61 } }],
    ['assertion_jti', 'a jti that is no text', { claims: { jti: 7 } }],
  ])('%s: %s', (reason, _, changes) => expect(read(changes)).toBe(reason));

  it('other spellings', () => {
    const text = make();
    for (const spelled of [`${text}=`, ` ${text}`, text.slice(0, text.lastIndexOf('.'))])
      expect(readText(spelled)).toBe('assertion_form');
  });
});

it.each([undefined, 'JWT', 'client-authentication+jwt'])('takes typ %s', (typ) => {
  expect(read({ header: { typ } })).toMatchObject({ clientId: 'orders' });
});

it('takes one without jti, nbf and iat', () => {
  expect(read({ claims: { jti: undefined, nbf: undefined, iat: undefined } })).toMatchObject({
    jti: undefined,
  });
});

it.each(['ES256', 'Ed25519'] as const)('%s: tells whether a key signed it', async (alg) => {
  const own = await makeKey(alg);
  const parsed = readText(make({}, own));
  if (typeof parsed === 'string') throw new Error(parsed);
  expect(isAssertedBy(parsed, publicKey(own))).toBe(true);
  expect(isAssertedBy(parsed, publicKey(await makeKey(alg)))).toBe(false);
  expect(isAssertedBy(parsed, publicKey(await makeKey(alg === 'ES256' ? 'Ed25519' : 'ES256')))).toBe(false);
});

it.each(['none', 'HS256', 'RS256', 'Ed25519'])('an ES256 key signs nothing with alg %s', (alg) => {
  const parsed = read({ header: { alg } });
  if (typeof parsed === 'string') throw new Error(parsed);
  expect(isAssertedBy(parsed, publicKey(key))).toBe(false);
});

describe('what the ledger remembers', () => {
  const use = (text: string) => {
    const parsed = readText(text);
    if (typeof parsed === 'string') throw new Error(parsed);
    return parsed.use;
  };

  it('is client and jti', () => {
    const jti = 'the-same';
    expect(use(make({ claims: { jti } })).text).toBe(use(make({ claims: { jti, exp: NOW_S + 90 } })).text);
    expect(use(make({ claims: { jti, iss: 'billing', sub: 'billing' } })).text).not.toBe(
      use(make({ claims: { jti } })).text,
    );
  });

  it('without jti is what was signed, never the signature: ECDSA has a twin for each', () => {
    const text = make({ claims: { jti: undefined } });
    const at = text.lastIndexOf('.') + 1;
    const signature = Buffer.from(text.slice(at), 'base64url');
    const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
    const s = order - BigInt(`0x${signature.subarray(32).toString('hex')}`);
    const twin = Buffer.concat([
      signature.subarray(0, 32),
      Buffer.from(s.toString(16).padStart(64, '0'), 'hex'),
    ]).toString('base64url');
    const parsed = readText(text.slice(0, at) + twin);
    if (typeof parsed === 'string') throw new Error(parsed);
    expect(isAssertedBy(parsed, publicKey(key))).toBe(true);
    expect(parsed.use.text).toBe(use(text).text);
    expect(use(make({ claims: { jti: undefined, exp: NOW_S + 61 } })).text).not.toBe(use(text).text);
  });

  it('lasts until no clock can take the assertion any more', () => {
    expect(use(make({ claims: { exp: NOW_S + 300 } }))).toMatchObject({ issuedMs: NOW_MS, lifeMs: 360_000 });
  });
});
