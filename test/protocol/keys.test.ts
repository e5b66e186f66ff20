import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deriveApiKey, looksLikeStrictKey, parseApiKey } from '../../protocol/api-key.ts';
import { base62, decodeBase64url, lengthPrefixed } from '../../protocol/bytes.ts';
import { type ClientRecord, candidateKeys, isRevoked } from '../../protocol/client.ts';
import { isClientId } from '../../protocol/client-id.ts';
import { keyWindows } from '../../protocol/key-windows.ts';
import {
  newerKeyset,
  parseKeyset,
  signingKey,
  verificationKey,
  verificationKeys,
} from '../../protocol/keyset.ts';
import { PROBLEMS } from '../../protocol/problem.ts';
import { registrationId } from '../../protocol/registration.ts';
import { LAGS } from '../support/key-lags.ts';
import { initialKeyset } from '../support/keyset.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const clientId = fc.stringMatching(/^[a-z][a-z0-9-]{2,31}$/);

describe('bytes', () => {
  it('length prefixes distinguish any two lists of parts', () => {
    const parts = fc.array(fc.string(), { maxLength: 4 });
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        expect(lengthPrefixed(...a).equals(lengthPrefixed(...b))).toBe(
          JSON.stringify(a) === JSON.stringify(b),
        );
      }),
    );
    expect(() => lengthPrefixed('x'.repeat(65_536))).toThrow(RangeError);
  });

  it('base64url has one spelling of each value', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const decoded = decodeBase64url(text);
        if (decoded) expect(decoded.toString('base64url')).toBe(text);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array(), (value) => {
        const text = Buffer.from(value).toString('base64url');
        expect(decodeBase64url(text)).toEqual(Buffer.from(value));
        for (const other of [`${text}=`, ` ${text}`, `${text}\n`])
          expect(decodeBase64url(other)).toBeUndefined();
      }),
    );
  });

  it('base62 holds 32 bytes in 43 characters', () => {
    expect(base62(2n ** 256n - 1n, 43)).toHaveLength(43);
    expect(base62(0n, 43)).toBe('0'.repeat(43));
    expect(base62(61n, 1)).toBe('z');
  });
});

describe('an API key', () => {
  const made = fc.record({
    root: bytes(32),
    salt: bytes(16),
    clientId,
    generation: fc.integer({ min: 1, max: 1e6 }),
    profile: fc.constantFrom('strict' as const, 'basic' as const),
  });

  it('names what it was derived for, and differs from every other', () => {
    fc.assert(
      fc.property(made, made, (a, b) => {
        const { clientId, generation, profile } = a;
        expect(parseApiKey(deriveApiKey(a))).toEqual({ clientId, generation, profile });
        expect(looksLikeStrictKey(deriveApiKey(a))).toBe(profile === 'strict');
        const changes = [{ salt: b.salt }, { root: b.root }, { generation: a.generation + 1 }];
        for (const change of changes) expect(deriveApiKey({ ...a, ...change })).not.toBe(deriveApiKey(a));
      }),
    );
  });

  it('with any one character changed fails its checksum', () => {
    fc.assert(
      fc.property(made, fc.nat(), fc.constantFrom(...'0Az_-é'), (a, position, character) => {
        const key = deriveApiKey(a);
        const at = position % key.length;
        fc.pre(key[at] !== character);
        expect(parseApiKey(key.slice(0, at) + character + key.slice(at + 1))).toBeUndefined();
      }),
    );
  });

  it.each(['ab', 'Abc', '1abc', 'a'.repeat(33), 'a_b', 'abc ', ''])('%j is no client_id', (id) => {
    expect(isClientId(id)).toBe(false);
  });
});

describe('a registration id', () => {
  it('differs for every other client or user, even if the bytes of their names join to the same text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(5), (a, b, cut) => {
        const all = a + b;
        fc.pre(cut !== a.length && cut <= all.length);
        expect(registrationId(a, b)).not.toBe(registrationId(all.slice(0, cut), all.slice(cut)));
      }),
    );
  });
});

describe('a keyset', () => {
  const oct = {
    alg: 'HKDF-SHA-256' as const,
    jwk: { kty: 'oct', k: Buffer.alloc(32, 7).toString('base64url') },
    maxLifeMs: 1000,
  };
  const key = (kid: string, activates_at: number, retires_at: number | null) => ({
    ...initialKeyset(oct, 0).keys[0]!,
    kid,
    activates_at,
    retires_at,
  });
  const keyset = {
    version: 1,
    seq: 3,
    based_on: 'v2',
    revoked: ['CCCCCA'],
    fingerprints: ['A'.repeat(22)],
    keys: [key('AAAAAA', 0, 200), key('BBBBBA', 100, null), key('CCCCCA', 150, null)],
  };

  it('signs with the latest active key, or with the earliest if none is active yet', () => {
    expect(signingKey(keyset, 50)?.kid).toBe('AAAAAA');
    expect(signingKey(keyset, 100)?.kid).toBe('BBBBBA');
    expect(
      signingKey({ ...keyset, keys: [key('DDDDDA', 900, null), key('EEEEEA', 800, null)] }, 5)?.kid,
    ).toBe('EEEEEA');
    expect(signingKey({ ...keyset, keys: [] }, 5)).toBeUndefined();
  });

  it('verifies with every key that is not retired or revoked, even before it is active', () => {
    const at = (nowMs: number) => verificationKeys(keyset, nowMs).map(({ kid }) => kid);
    expect(at(0)).toEqual(['AAAAAA', 'BBBBBA']);
    expect(at(199)).toEqual(['AAAAAA', 'BBBBBA']);
    expect(at(200)).toEqual(['BBBBBA']);
    expect(verificationKey(keyset, 'CCCCCA', 160)).toBeUndefined();
  });

  it('with a lower seq never replaces one with a higher seq', () => {
    const older = { ...keyset, seq: 2 };
    expect(newerKeyset(keyset, older)).toBe(keyset);
    expect(newerKeyset(older, keyset)).toBe(keyset);
    expect(newerKeyset(undefined, older)).toBe(older);
  });

  it('is refused: %s', () => {
    expect(parseKeyset(JSON.stringify(keyset))).toEqual(keyset);
    expect(parseKeyset('{"keys":[]}')).toEqual({
      version: 1,
      seq: 0,
      based_on: null,
      revoked: [],
      fingerprints: [],
      keys: [],
    });
  });

  it.each([
    ['', 'not JSON'],
    ['secret-text-that-is-no-json', 'not JSON'],
    ['[]', 'not an object'],
    ['{}', 'keys'],
    ['{"keys":[],"seq":"1"}', 'seq'],
    ['{"keys":[],"revoked":[1]}', 'revoked'],
    ['{"keys":[],"fingerprints":[1]}', 'fingerprints'],
    ['{"keys":[],"version":0}', 'version'],
    ['{"keys":[],"version":"1"}', 'version'],
    ['{"keys":[{"kid":"AAAA"}]}', 'kid'],
    [JSON.stringify({ keys: [keyset.keys[0], keyset.keys[0]] }), 'twice'],
    [
      JSON.stringify({ keys: [{ ...keyset.keys[0], jwk: { kty: 'oct', k: 'c2hvcnQ' } }] }),
      'no whole HKDF-SHA-256 key',
    ],
    [JSON.stringify({ keys: [{ ...keyset.keys[0], max_life: 0 }] }), 'max_life'],
  ])('is refused as %j, by a message without a value', (text, says) => {
    const read = () => parseKeyset(text);
    expect(read).toThrow(SyntaxError);
    expect(read).toThrow(says);
    if (text.length > 10) expect(read).not.toThrow('secret-text');
  });

  it('in a newer format is read as far as this release knows it', () => {
    const newer = JSON.stringify({ ...keyset, version: 7, tomorrow: [1] });
    expect(parseKeyset(newer)).toEqual({ ...keyset, version: 7 });
  });

  describe('holds only keys for its purpose', () => {
    const keys = {
      'HKDF-SHA-256': oct.jwk,
      ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
      Ed25519: generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }),
    };
    const kinds = Object.keys(keys) as (keyof typeof keys)[];
    const text = (alg: string, jwk: object) =>
      JSON.stringify({ ...keyset, keys: [{ ...keyset.keys[0], alg, jwk }] });

    it.each(kinds)('%s', (alg) => {
      expect(parseKeyset(text(alg, keys[alg]), alg).keys).toHaveLength(1);
      for (const other of kinds.filter((kind) => kind !== alg)) {
        expect(() => parseKeyset(text(alg, keys[alg]), other)).toThrow(`is ${alg}, not ${other}`);
        expect(() => parseKeyset(text(other, keys[alg]))).toThrow(`no whole ${other} key`);
      }
    });

    it.each<[string, keyof typeof keys, object]>([
      ['padded', 'HKDF-SHA-256', { k: `${oct.jwk.k}=` }],
      ['short', 'HKDF-SHA-256', { k: 'AAAA' }],
      ['without a private half', 'ES256', { d: undefined }],
      ['of another curve', 'ES256', { crv: 'P-384' }],
      ['with a padded coordinate', 'ES256', { x: `${keys.ES256.x}=` }],
      ['with half a coordinate', 'ES256', { y: 'AAAA' }],
      ['of another curve', 'Ed25519', { crv: 'X25519' }],
      ['without a public half', 'Ed25519', { x: undefined }],
    ])('%s %s is refused', (_, alg, change) => {
      expect(() => parseKeyset(text(alg, { ...keys[alg], ...change }))).toThrow(`no whole ${alg} key`);
    });
  });

  it('windows are the sums of docs/key-life-cycle.md', () => {
    expect(keyWindows(LAGS)).toEqual({
      finishMarginMs: 20_011,
      publishToSignMs: 120_011,
      signToRemoveMs: 11_101,
      minRotationMs: 131_112,
    });
  });
});

describe('candidate keys', () => {
  const key = (kid: string, usableAtS: number, expiresAtS: number) => ({
    kid,
    alg: 'HS256',
    usableAtS,
    expiresAtS,
    issuedBy: null,
    rootKid: 'AAAAAA',
    jwk: null,
  });
  const client: ClientRecord = {
    clientId: 'dev',
    profile: 'basic',
    salt: new Uint8Array(16),
    disabled: false,
    limit: null,
    createdAtMs: 0,
    keys: [key('1', 0, 10), key('2', 5, 20), key('3', 6, 30), key('4', 40, 50)],
    revoked: new Set(),
  };

  it('of a basic client are at most two, usable ones first', () => {
    const kids = (nowS: number) =>
      candidateKeys(client, { profile: 'basic', alg: 'HS256' }, nowS * 1000).map(({ kid }) => kid);
    expect(kids(8)).toEqual(['3', '2']);
    expect(kids(25)).toEqual(['3', '4']);
  });

  it('of a basic client come after all live ones if they are revoked', () => {
    const some = { ...client, revoked: new Set(['3']) };
    const kids = candidateKeys(some, { profile: 'basic', alg: 'HS256' }, 8_000).map(({ kid }) => kid);
    expect(kids[0]).toBe('2');
  });

  it('are revoked with any generation that they descend from; a missing or circular one counts as revoked', () => {
    const issued = (kid: string, issuedBy: string | null) => ({ ...key(kid, 0, 10), issuedBy });
    const keys = [
      issued('1', null),
      issued('2', '1'),
      issued('3', '2'),
      issued('4', null),
      issued('5', 'gone'),
      issued('6', '7'),
      issued('7', '6'),
    ];
    const dead = (...revoked: string[]) =>
      keys.filter((each) => isRevoked({ keys, revoked: new Set(revoked) }, each)).map(({ kid }) => kid);
    expect(dead()).toEqual(['5', '6', '7']);
    expect(dead('2')).toEqual(['2', '3', '5', '6', '7']);
    expect(dead('1')).toEqual(['1', '2', '3', '5', '6', '7']);
  });

  it('of a strict client are the key of that kid, with its alg', () => {
    const strict = { ...client, profile: 'strict' as const };
    const find = (alg: string, kid: string) =>
      candidateKeys(strict, { profile: 'strict', alg, kid }, 0).length;
    expect([find('HS256', '2'), find('ES256', '2'), find('HS256', '02')]).toEqual([1, 0, 0]);
    expect(candidateKeys(client, { profile: 'strict', alg: 'HS256', kid: '2' }, 0)).toEqual([]);
  });
});

describe('problems', () => {
  it('carry a fresh nonce exactly where docs/protocol.md says', () => {
    const withNonce = Object.entries(PROBLEMS)
      .filter(([, { nonce }]) => nonce)
      .map(([code]) => code);
    expect(withNonce).toEqual([
      'use_nonce',
      'clock_skew',
      'registration_conflict',
      'key_exists',
      'invalid_registration',
      'quota_exceeded',
    ]);
  });
});
