/** Platforms' identity tokens: which are taken, for which key, and as which client. */
import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  attestationKey,
  attestationUse,
  choosePolicy,
  type EnrolmentPolicy,
  isAttestedBy,
  keyAudience,
  readAttestation,
} from '../../../protocol/oauth/attestation.ts';
import { makeKey } from '../../support/dpop.ts';
import {
  AWS,
  GITHUB,
  GITLAB,
  type IdentityIssuer,
  identityToken,
  KUBERNETES,
  type TokenWish,
} from '../../support/identity.ts';

const nowMs = Date.UTC(2026, 10, 28, 9);
const { thumbprint } = await makeKey();
const other = await makeKey();
const issuer = 'https://api.example.com';
const context = { issuer, baseUrl: 'https://eu-west-1.api.example.com', thumbprint, nowMs };
const audience = keyAudience(issuer, thumbprint);

const policy = (from: IdentityIssuer, match: Record<string, string>, more: object = {}): EnrolmentPolicy => ({
  client: 'billing',
  issuer: from.issuer,
  keys: { kind: 'discovery' },
  algorithms: [from.alg],
  match,
  scopes: [],
  limit: null,
  keyLifeS: 3600,
  instances: 100,
  binding: 'key',
  ...more,
});
const REPOSITORY = { '/repository_id': '74', '/ref': 'refs/heads/main' };

const token = (from: IdentityIssuer, wish: Partial<TokenWish> = {}) =>
  identityToken(from, { audience, nowMs, ...wish });
const attested = (from: IdentityIssuer, wish: Partial<TokenWish> = {}) => {
  const attestation = readAttestation(token(from, wish));
  const key = attestation && attestationKey(from.keys, attestation);
  return attestation && key && isAttestedBy(attestation, key) ? attestation : undefined;
};
const decided = (policies: EnrolmentPolicy[], from = GITHUB, wish: Partial<TokenWish> = {}) => {
  const chosen = choosePolicy(attested(from, wish)!, policies, context);
  return chosen.ok ? chosen.policy.client : chosen.reason;
};

describe('each platform', () => {
  it.each<[string, IdentityIssuer, Record<string, string>]>([
    [
      'AWS',
      AWS,
      { '/https:~1~1sts.amazonaws.com~1/principal_id': 'arn:aws:iam::123456789012:role/DataProcessingRole' },
    ],
    ['GitHub', GITHUB, REPOSITORY],
    ['GitLab', GITLAB, { '/project_id': '20', '/ref_path': 'refs/heads/feature-branch-1' }],
    [
      'Kubernetes',
      KUBERNETES,
      { '/kubernetes.io/namespace': 'billing', '/kubernetes.io/serviceaccount/name': 'worker' },
    ],
  ])('%s lets its workload in', (_, from, match) => {
    expect(decided([policy(from, match)], from)).toBe('billing');
  });
});

describe('the form and the signature', () => {
  it.each<[string, (text: string) => string]>([
    ['two parts', (text) => text.split('.').slice(0, 2).join('.')],
    ['another spelling', (text) => `${text}=`],
    ['no signature algorithm', () => token(GITHUB, { header: { alg: 'none' } })],
    ['a MAC', () => token(GITHUB, { header: { alg: 'HS256' } })],
    ['PSS', () => token(GITHUB, { header: { alg: 'PS256' } })],
    ['another type', () => token(GITHUB, { header: { typ: 'at+jwt' } })],
    ['an extension', () => token(GITHUB, { header: { crit: ['b64'], b64: false } })],
    ['a kid that is none', () => token(GITHUB, { header: { kid: 5 } })],
    ['no issuer', () => token(GITHUB, { claims: { iss: undefined } })],
    ['9 KB', () => token(GITHUB, { claims: { sub: 'x'.repeat(9_000) } })],
  ])('with %s it is no token', (_, change) => {
    expect(readAttestation(change(token(GITHUB)))).toBeUndefined();
  });

  it('type and kid may be left out', () => {
    expect(attested(KUBERNETES, { header: { typ: undefined, kid: undefined } })).toBeDefined();
    expect(attested(GITHUB, { header: { typ: 'jwt' } })).toBeDefined();
  });

  it('a signature by another key does not verify, nor do changed claims', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    expect(attested(GITHUB, { key: privateKey })).toBeUndefined();
    const [header, , signature] = token(GITHUB).split('.');
    const [, claims] = token(GITHUB, { claims: { ref: 'refs/heads/main' } }).split('.');
    const attestation = readAttestation([header, claims, signature].join('.'))!;
    expect(isAttestedBy(attestation, attestationKey(GITHUB.keys, attestation)!)).toBe(false);
  });

  it('has exactly one key: of its kid, algorithm, use, type, and of 2048 bits or more', () => {
    const of = { alg: 'RS256', kid: 'example-key-id' } as const;
    const [key] = GITHUB.keys;
    const found = (keys: JsonWebKey[]) => attestationKey(keys, of) !== undefined;
    expect(found([key!, ...AWS.keys, { kty: 'oct', kid: 'example-key-id' }])).toBe(true);
    expect(found([])).toBe(false);
    expect(found([key!, { ...key!, e: 'Aw' }])).toBe(false);
    for (const change of [{ kid: 'other' }, { alg: 'PS256' }, { use: 'enc' }, { kty: 'EC' }, { n: 'x' }])
      expect(found([{ ...key!, ...change }])).toBe(false);
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    expect(found([{ ...short, kid: 'example-key-id' }])).toBe(false);
    // Without a kid, two keys that fit leave it open whose signature it is.
    const nameless = (keys: JsonWebKey[]) => attestationKey(keys, { alg: 'RS256', kid: undefined });
    expect(nameless([key!])).toBeDefined();
    expect(nameless([key!, { ...key!, kid: 'b' }])).toBeUndefined();
    expect(attestationKey(KUBERNETES.keys, { alg: 'ES384', kid: 'cluster-key' })).toBeUndefined();
  });
});

describe('the claims', () => {
  const nowS = nowMs / 1000;
  it.each<[string, Partial<TokenWish>, string]>([
    ['an hour', { lifeS: 3_600 }, 'billing'],
    ['more than an hour', { lifeS: 3_601 }, 'attestation_time'],
    ['no life', { lifeS: 0 }, 'attestation_time'],
    ['an end within the leeway', { nowMs: nowMs - 359_000 }, 'billing'],
    ['an end before', { nowMs: nowMs - 360_000 }, 'attestation_time'],
    ['a time ahead within the leeway', { nowMs: nowMs + 60_000 }, 'billing'],
    ['a time ahead', { nowMs: nowMs + 61_000 }, 'attestation_time'],
    ['a time that it is not valid before', { claims: { nbf: nowS + 61 } }, 'attestation_time'],
    ['a text as that time', { claims: { nbf: 'now' } }, 'attestation_time'],
    ['no time before which it is not valid', { claims: { nbf: undefined } }, 'billing'],
    ['no end', { claims: { exp: undefined } }, 'attestation_time'],
    ['no beginning', { claims: { iat: undefined } }, 'attestation_time'],
    ['a list of one audience', { audience: [audience] }, 'billing'],
    ['a list of two', { audience: [audience, 'https://other.example'] }, 'attestation_audience'],
    ['an empty list', { audience: [] }, 'attestation_audience'],
    [
      'the audience of another key',
      { audience: keyAudience(issuer, other.thumbprint) },
      'attestation_audience',
    ],
    [
      'the audience of another platform',
      { audience: keyAudience('https://b.example', thumbprint) },
      'attestation_audience',
    ],
    ['the issuer as audience', { audience: issuer }, 'attestation_audience'],
    ["a Region's URL as audience", { audience: context.baseUrl }, 'attestation_audience'],
    ['no audience', { audience: undefined }, 'attestation_audience'],
    ['another repository', { claims: { repository_id: '75' } }, 'attestation_match'],
    ['a number in place of the text', { claims: { repository_id: 74 } }, 'attestation_match'],
    ['another branch', { claims: { ref: 'refs/heads/mainly' } }, 'attestation_match'],
    ['no such claim', { claims: { ref: undefined } }, 'attestation_match'],
  ])('with %s', (_, wish, outcome) => {
    expect(decided([policy(GITHUB, REPOSITORY)], GITHUB, wish)).toBe(outcome);
  });

  it('a token that fits two policies is refused, and so is one that fits none', () => {
    const byRef = policy(GITHUB, REPOSITORY);
    const byEnvironment = policy(GITHUB, { '/repository_id': '74', '/environment': 'prod' }, { client: 'b' });
    expect(decided([byRef, byEnvironment])).toBe('attestation_ambiguous');
    expect(decided([byEnvironment])).toBe('b');
    expect(decided([])).toBe('attestation_match');
  });
});

describe('a token that is bound to no key', () => {
  const once = [policy(GITLAB, { '/project_id': '20' }, { binding: 'once' })];
  it.each<[unknown, string]>([
    [context.baseUrl, 'billing'],
    [issuer, 'attestation_audience'],
    [audience, 'attestation_audience'],
    ['https://eu-central-1.api.example.com', 'attestation_audience'],
  ])('has the URL of this Region as its audience: %s', (aud, outcome) => {
    expect(decided(once, GITLAB, { audience: aud })).toBe(outcome);
  });

  it('is known by its issuer and jti, else by what was signed, and never by its signature', () => {
    const use = (text: string) => attestationUse(readAttestation(text)!, nowMs).text;
    const jti = { claims: { jti: 'one' } };
    expect(use(token(GITLAB, jti))).toBe(use(token(GITLAB, { claims: { jti: 'one', ref: 'other' } })));
    expect(use(token(GITHUB, jti))).not.toBe(use(token(GITLAB, jti)));
    const nameless = token(KUBERNETES, { claims: { jti: undefined } });
    const twin = nameless.replace(/[^.]*$/, '') + 'A'.repeat(86);
    expect(use(nameless)).toBe(use(twin));
    expect(use(nameless)).not.toBe(use(token(KUBERNETES, { claims: { jti: undefined, sub: 'b' } })));
  });

  it('is remembered until it has ended on every clock', () => {
    const use = attestationUse(readAttestation(token(GITLAB, { lifeS: 300 }))!, nowMs);
    expect(use.issuedMs + use.lifeMs).toBe(nowMs + 360_000);
  });
});
