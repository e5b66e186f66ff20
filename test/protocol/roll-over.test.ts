/** The forms of a roll-over, against values that another implementation computed. */
import { readFileSync } from 'node:fs';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { describe, expect, it, test } from 'vitest';
import type { ClientKey, ClientRecord } from '../../protocol/client.ts';
import {
  decideRollOver,
  isPossessed,
  openApiKey,
  readRollOver,
  sealApiKey,
} from '../../protocol/roll-over.ts';

const vectors = JSON.parse(readFileSync(new URL('../vectors/roll-over.json', import.meta.url), 'utf8'));
const apiKeys: {
  client_id: string;
  current_api_key: string;
  new_kid: string;
  api_key_jwe: string;
  new_api_key: string;
}[] = vectors.api_keys;
const possessions: {
  old_thumbprint: string;
  new_jwk: JWK;
  new_thumbprint: string;
  claims: { iss: string; aud: string; iat: number; nonce: string };
  possession: string;
}[] = vectors.possession;

const key = (kid: string, more: object = {}): ClientKey =>
  ({
    kid,
    alg: 'HS256',
    usableAtS: 0,
    expiresAtS: 1_000,
    issuedBy: null,
    rootKid: 'AAAAAA',
    jwk: null,
    ...more,
  }) as ClientKey;
const PAIR = key('old', { rootKid: null, jwk: { kty: 'OKP' }, alg: 'Ed25519' });

describe('an API key', () => {
  test.each(apiKeys)('$client_id $new_kid opens', async (vector) => {
    const { client_id, current_api_key, new_kid, api_key_jwe, new_api_key } = vector;
    expect(await openApiKey(current_api_key, client_id, new_kid, api_key_jwe)).toBe(new_api_key);
  });

  it('opens with the current key, for that client and generation only', async () => {
    const { client_id, current_api_key, new_kid, new_api_key } = apiKeys[0]!;
    const sealed = await sealApiKey(current_api_key, client_id, new_kid, new_api_key);
    expect(await openApiKey(current_api_key, client_id, new_kid, sealed)).toBe(new_api_key);
    for (const [current, client, kid] of [
      [apiKeys[1]!.current_api_key, client_id, new_kid],
      [current_api_key, 'other', new_kid],
      [current_api_key, client_id, '3'],
    ] as const)
      await expect(openApiKey(current, client, kid, sealed)).rejects.toThrow();
  });
});

describe('possession', () => {
  const context = ({ claims, old_thumbprint }: (typeof possessions)[number]) => ({
    clientId: claims.iss,
    issuer: claims.aud,
    nonce: claims.nonce,
    old: old_thumbprint,
    nowMs: claims.iat * 1000,
  });
  const brought = async ({ new_jwk, possession }: { new_jwk: JWK; possession: string }) => {
    const read = await readRollOver({ jwk: new_jwk, possession }, PAIR);
    if (!read.ok) throw new Error(read.reason);
    return read.brought!;
  };

  test.each(possessions)('$new_thumbprint is proven', async (vector) => {
    const read = await brought(vector);
    expect(read.key.kid).toBe(vector.new_thumbprint);
    expect(await isPossessed(read, context(vector))).toBe(true);
  });

  test.each(['clientId', 'issuer', 'nonce', 'old'] as const)('of another %s is none', async (member) => {
    const vector = possessions[0]!;
    expect(await isPossessed(await brought(vector), { ...context(vector), [member]: 'x' })).toBe(false);
  });

  test.each([
    [-61, false],
    [-60, true],
    [360, true],
    [361, false],
  ])('%s s old: %s', async (ageS, proven) => {
    const vector = possessions[0]!;
    const nowMs = (vector.claims.iat + ageS) * 1000;
    expect(await isPossessed(await brought(vector), { ...context(vector), nowMs })).toBe(proven);
  });

  it.each([
    ['another typ', { typ: 'JWT' }],
    ['no typ', { typ: undefined }],
    ['another member', { kid: 'x' }],
  ])('a header with %s is none', async (_, change) => {
    const { privateKey, publicKey } = await generateKeyPair('Ed25519');
    const vector = possessions[0]!;
    const sign = (header: object) =>
      new SignJWT({ nonce: vector.claims.nonce, old: vector.old_thumbprint })
        .setProtectedHeader({ alg: 'Ed25519', ...header })
        .setIssuer(vector.claims.iss)
        .setAudience(vector.claims.aud)
        .setIssuedAt(vector.claims.iat)
        .sign(privateKey);
    const new_jwk = { ...(await exportJWK(publicKey)), alg: 'Ed25519' };
    const typ = 'countersign-possession+jwt';
    const good = await brought({ new_jwk, possession: await sign({ typ }) });
    expect(await isPossessed(good, context(vector))).toBe(true);
    const bad = await brought({ new_jwk, possession: await sign({ typ, ...change }) });
    expect(await isPossessed(bad, context(vector))).toBe(false);
  });

  it.each([
    ['by another key', (text: string) => `${text.slice(0, -4)}AAAA`],
    ['in two parts', (text: string) => text.split('.').slice(0, 2).join('.')],
    ['with white space', (text: string) => `${text} `],
    ['with padding', (text: string) => `${text}=`],
  ])('a signature %s is none', async (_, change) => {
    const vector = possessions[0]!;
    const changed = await brought({ ...vector, possession: change(vector.possession) });
    expect(await isPossessed(changed, context(vector))).toBe(false);
  });

  const { new_jwk, possession } = possessions[0]!;
  const { alg: _alg, ...withoutAlg } = new_jwk;
  it.each([
    ['nothing', {}],
    ['no possession', { jwk: new_jwk }],
    ['no text', { jwk: new_jwk, possession: 1 }],
    ['another member', { jwk: new_jwk, possession, more: 1 }],
    ['a key without alg', { jwk: withoutAlg, possession }],
    ['a key with an alg that is not its own', { jwk: { ...new_jwk, alg: 'ES256' }, possession }],
    ['a key with an alg of an object', { jwk: { ...new_jwk, alg: 'toString' }, possession }],
    ['a private key', { jwk: { ...new_jwk, d: new_jwk.x }, possession }],
    ['a second spelling', { jwk: { ...new_jwk, x: `${new_jwk.x}=` }, possession }],
    ['a list', []],
  ])('a body with %s is malformed', async (_, body) => {
    expect(await readRollOver(body, PAIR)).toMatchObject({ ok: false, code: 'malformed_request' });
  });

  it('a client with an API key brings nothing', async () => {
    expect(await readRollOver({}, key('1'))).toEqual({ ok: true, brought: undefined });
    expect(await readRollOver({ jwk: new_jwk, possession }, key('1'))).toMatchObject({
      code: 'malformed_request',
    });
  });
});

describe('the next key', () => {
  const client = (keys: ClientKey[], revoked: string[] = []): ClientRecord => ({
    clientId: 'c',
    profile: 'strict',
    salt: new Uint8Array(16),
    disabled: false,
    limit: null,
    createdAtMs: 0,
    keys,
    revoked: new Set(revoked),
  });
  const decide = (
    keys: ClientKey[],
    options: { revoked?: string[]; brought?: string; roots?: string[] } = {},
  ) => decideRollOver(client(keys, options.revoked), keys[0]!, options.brought, options.roots ?? [], 500_000);
  const REFUSED = { ok: false, code: 'key_exists' };

  it('is one generation more than there ever was', () => {
    expect(decide([key('1')])).toEqual({ kind: 'new', kid: '2', dead: [] });
    expect(decide([key('1'), key('7', { expiresAtS: 500 })])).toEqual({ kind: 'new', kid: '8', dead: [] });
  });

  it('is the one that this key issued before, also one that is not usable yet', () => {
    const issued = key('2', { issuedBy: '1', usableAtS: 900 });
    expect(decide([key('1'), issued])).toEqual({ kind: 'again', key: issued });
  });

  it.each([
    ['an end', { expiresAtS: 500 }, {}],
    ['a revocation', {}, { revoked: ['2'] }],
    ['a revoked root', { rootKid: 'BBBBBB' }, { roots: ['BBBBBB'] }],
  ])('is another one after %s', (_, change, options) => {
    expect(decide([key('1'), key('2', { issuedBy: '1', ...change })], options)).toEqual({
      kind: 'new',
      kid: '3',
      dead: ['2'],
    });
  });

  it('is refused where two live and it has issued neither', () => {
    expect(decide([key('1'), key('2')])).toMatchObject(REFUSED);
    // The second asks while the first lives.
    expect(decide([key('2', { issuedBy: '1' }), key('1')])).toMatchObject(REFUSED);
  });

  it('of a key pair is the same for the same key, and refused for another or a used one', () => {
    const issued = key('new', { ...PAIR, kid: 'new', issuedBy: 'old' });
    expect(decide([PAIR], { brought: 'new' })).toEqual({ kind: 'new', kid: 'new', dead: [] });
    expect(decide([PAIR, issued], { brought: 'new' })).toEqual({ kind: 'again', key: issued });
    expect(decide([PAIR, issued], { brought: 'other' })).toMatchObject(REFUSED);
    expect(decide([PAIR], { brought: 'old' })).toMatchObject(REFUSED);
    expect(decide([PAIR], { brought: 'was', revoked: ['was'] })).toMatchObject(REFUSED);
    const ended = key('was', { ...PAIR, kid: 'was', expiresAtS: 400 });
    expect(decide([PAIR, ended], { brought: 'was' })).toMatchObject(REFUSED);
  });
});
