/** Every value and verdict of vectors/wire.json, computed by an independent implementation. */
import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readRegistration } from '../../lambda/schema/body.ts';
import { compileSchema } from '../../lambda/schema/compile.ts';
import defaultSchema from '../../lambda/schema/default.json' with { type: 'json' };
import { deriveApiKey, type Profile, parseApiKey } from '../../protocol/api-key.ts';
import type { ClientKey, ClientRecord } from '../../protocol/client.ts';
import { checkNonce, deriveNonceKey, mintNonce, readNonce } from '../../protocol/nonce.ts';
import { PROBLEMS } from '../../protocol/problem.ts';
import { type ProofLookups, verifyRead, verifyWrite } from '../../protocol/proof/verify.ts';
import { entityTag, registrationId } from '../../protocol/registration.ts';

const vectors: Vector = JSON.parse(readFileSync(new URL('../vectors/wire.json', import.meta.url), 'utf8'));
// biome-ignore lint/suspicious/noExplicitAny: the file's own form, which this test reads field by field
type Vector = any;
const bytes = (text: string) => Buffer.from(text, 'base64url');

describe('values of wire.json', () => {
  it.each<Vector>(vectors.nonce_keys)('nonce key of $region, $ledger', ({ root, region, ledger, key }) => {
    expect(deriveNonceKey(bytes(root), region, ledger).export().toString('base64url')).toBe(key);
  });

  it.each<Vector>(vectors.nonces)('nonce of $client_id at $issued_ms', (v) => {
    const content = { kid: v.kid, region: v.region, issuedMs: v.issued_ms, lifeMs: v.life_ms };
    const key = createSecretKey(bytes(v.key));
    expect(mintNonce({ ...content, key, clientId: v.client_id, random: bytes(v.random) })).toBe(v.nonce);
    expect(readNonce(v.nonce)).toEqual(content);
    const check = { key, clientId: v.client_id, region: v.region, nowMs: v.issued_ms, clockErrorMs: 0 };
    expect(checkNonce(v.nonce, check)).toEqual(content);
  });

  it.each<Vector>(vectors.api_keys)('API key of $client_id, generation $generation', (v) => {
    const { client_id: clientId, generation, profile } = v;
    const key = deriveApiKey({ root: bytes(v.root), salt: bytes(v.salt), clientId, generation, profile });
    expect(key).toBe(v.api_key);
    expect(parseApiKey(key)).toEqual({ clientId, generation, profile });
  });

  it.each<Vector>(vectors.registration_ids)('registration id of $client_id, $user_id', (v) => {
    expect(registrationId(v.client_id, v.user_id)).toBe(v.id);
  });

  it.each<Vector>(vectors.etags)('entity tag $etag', ({ data, etag }) => {
    expect(entityTag(data)).toBe(etag);
  });
});

describe('verdicts of wire.json, checks 1 (request) to 8 (body)', () => {
  const { context, cases } = vectors.checks;
  const schema = compileSchema(defaultSchema);

  it('are all there', () => expect(cases).toHaveLength(143));

  it.each<Vector>(cases)('$name', async ({ method, path, headers, body, expect: expected }) => {
    const request = {
      method,
      headers: new Map(
        Object.entries<string | string[]>(headers).map(([name, value]) => [name, [value].flat()]),
      ),
      query: new Map(),
      body: bytes(body ?? ''),
    };
    const checks = {
      path,
      nowMs: context.now_s * 1000,
      clockErrorMs: context.clock_error_ms,
      issuer: context.issuer,
      region: context.region,
      baseUrls: context.base_urls,
    };
    const lookups: ProofLookups = {
      client: async (id) => ({ client: record(id), again: async () => ({ kind: 'held_back' }) }),
      keys: async () => ({
        of: (client, key) => ({ material: material(client, key), made: true }),
        pretend: () => {},
      }),
      nonceKey: async (kid) =>
        kid === context.nonce_kid
          ? deriveNonceKey(bytes(context.nonce_root), context.region, context.ledger)
          : undefined,
    };
    const verdict = await (method === 'GET'
      ? verifyRead(request, checks, lookups)
      : verifyWrite(request, method === 'POST' ? 'register' : 'delete', checks, lookups));
    const outcome =
      verdict.ok && method === 'POST'
        ? readRegistration(schema, { ...request, bodyInDoubt: false }, verdict.verified.client.profile)
        : verdict;
    expect(
      outcome.ok ? { ok: true } : { ok: false, status: PROBLEMS[outcome.code].status, code: outcome.code },
    ).toEqual(expected);
  });

  function material({ clientId, salt, profile }: ClientRecord, { kid, jwk }: ClientKey): KeyObject {
    if (jwk) return createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    const root = bytes(context.client_root);
    return createSecretKey(deriveApiKey({ root, salt, clientId, profile, generation: Number(kid) }), 'utf8');
  }

  function record(clientId: string): ClientRecord | undefined {
    const client = context.clients[clientId];
    if (!client) return undefined;
    return {
      clientId,
      profile: client.profile as Profile,
      salt: bytes(client.salt),
      disabled: client.disabled,
      limit: null,
      createdAtMs: 0,
      keys: Object.entries<Vector>(client.keys).map(([kid, key]) => ({
        kid,
        alg: key.jwk?.alg ?? 'HS256',
        usableAtS: key.usable_at,
        expiresAtS: key.expires_at,
        issuedBy: null,
        rootKid: null,
        jwk: key.jwk ?? null,
      })),
      revoked: new Set(),
    };
  }
});
