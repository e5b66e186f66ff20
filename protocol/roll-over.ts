/**
 * A client's next key, which its current key asks for (docs/protocol.md, "Key roll-over"). The platform makes
 * an API key; a client that signs with a key pair brings the public half.
 */
import { createPublicKey, hkdfSync, type JsonWebKey } from 'node:crypto';
import { CompactEncrypt, calculateJwkThumbprint, compactDecrypt, compactVerify, type JWK } from 'jose';
import { decodeBase64url, lengthPrefixed } from './bytes.ts';
import { type ClientKey, type ClientRecord, isRevoked, nextGeneration } from './client.ts';
import { isJsonObject, parseJson } from './json.ts';
import { type Refusal, refuse } from './problem.ts';
import { LEEWAY_S, PROOF_LIFE_S } from './proof/claims.ts';
import { canonicalJwk } from './public-jwk.ts';

const POSSESSION_TYP = 'countersign-possession+jwt';
/** The current key and the next one. */
const LIVE_KEYS = 2;

/** A public key that a client brings, in its one spelling. */
export interface NewPublicKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly alg: string;
  readonly jwk: JWK;
}

/** A request with a public key, whose possession is not verified yet. */
interface Brought {
  readonly key: NewPublicKey;
  /** A compact JWS by the new key. */
  readonly possession: string;
}

/**
 * @param body `{}` for a client with an API key, `{"jwk","possession"}` for one with a key pair
 * @returns what the client brings, undefined for an API key; or `malformed_request`
 */
export async function readRollOver(
  body: unknown,
  asking: ClientKey,
): Promise<{ readonly ok: true; readonly brought: Brought | undefined } | Refusal> {
  if (!isJsonObject(body)) return refuse('malformed_request', 'roll_over_body');
  const members = Object.keys(body).sort().join();
  if (asking.jwk === null)
    return members === '' ? { ok: true, brought: undefined } : refuse('malformed_request', 'roll_over_body');
  const { jwk, possession } = body;
  const key = members === 'jwk,possession' ? await readPublicKey(jwk) : undefined;
  if (!key || typeof possession !== 'string') return refuse('malformed_request', 'roll_over_body');
  return { ok: true, brought: { key, possession } };
}

const FORMS: Readonly<Record<string, readonly [kty: string, crv: string, members: string]>> = {
  ES256: ['EC', 'P-256', 'alg,crv,kty,x,y'],
  Ed25519: ['OKP', 'Ed25519', 'alg,crv,kty,x'],
  EdDSA: ['OKP', 'Ed25519', 'alg,crv,kty,x'],
};

/** @returns undefined where this is not a public key alone, with its `alg`, in its one spelling */
export async function readPublicKey(value: unknown): Promise<NewPublicKey | undefined> {
  if (!isJsonObject(value) || typeof value.alg !== 'string') return undefined;
  const [kty, crv, members] = (Object.hasOwn(FORMS, value.alg) && FORMS[value.alg]) || [];
  const fits = value.kty === kty && value.crv === crv && Object.keys(value).sort().join() === members;
  const { alg, ...key } = value;
  const jwk = fits ? (canonicalJwk(key as JsonWebKey) as JWK | undefined) : undefined;
  return jwk && { kid: await calculateJwkThumbprint(jwk, 'sha256'), alg, jwk: { ...jwk, alg } };
}

export interface PossessionContext {
  readonly clientId: string;
  readonly issuer: string;
  /** The nonce of the proof that came with it. */
  readonly nonce: string;
  /** Kid of the current key. */
  readonly old: string;
  readonly nowMs: number;
}

/** @returns whether the holder of the new key vouches for this very roll-over */
export async function isPossessed(
  { key, possession }: Brought,
  context: PossessionContext,
): Promise<boolean> {
  const parts = possession.split('.');
  const [header, payload] = parts.slice(0, 2).map(jsonObject);
  if (parts.length !== 3 || !header || !payload || !decodeBase64url(parts[2] ?? '')) return false;
  if (header.typ !== POSSESSION_TYP || Object.keys(header).sort().join() !== 'alg,typ') return false;
  const { iss, aud, iat, nonce, old } = payload;
  const ageS = typeof iat === 'number' ? context.nowMs / 1000 - iat : Number.NaN;
  const holds =
    iss === context.clientId &&
    aud === context.issuer &&
    nonce === context.nonce &&
    old === context.old &&
    ageS >= -LEEWAY_S &&
    ageS <= PROOF_LIFE_S + LEEWAY_S;
  if (!holds) return false;
  try {
    const verifier = createPublicKey({ key: key.jwk as JsonWebKey, format: 'jwk' });
    await compactVerify(possession, verifier, { algorithms: [key.alg] });
    return true;
  } catch {
    return false;
  }
}

const JWS_JSON = { maxDepth: 32, refuseProto: true };

function jsonObject(part: string): Record<string, unknown> | undefined {
  const bytes = decodeBase64url(part);
  const value = bytes && parseJson(bytes, JWS_JSON)?.value;
  return isJsonObject(value) ? value : undefined;
}

export type RollOver =
  /** The key that it asked for before: a repeated request gets the same one. */
  | { readonly kind: 'again'; readonly key: ClientKey }
  /** `dead`: kids of the keys that it issued before. */
  | { readonly kind: 'new'; readonly kid: string; readonly dead: readonly string[] };

/**
 * What a key gets that asks for the next one.
 *
 * @param client as the table has it now
 * @param newKid of the public key that it brings; undefined for an API key
 * @param voidRoots kids of the client roots that are revoked: their API keys are dead
 */
export function decideRollOver(
  client: ClientRecord,
  asking: ClientKey,
  newKid: string | undefined,
  voidRoots: readonly string[],
  nowMs: number,
): RollOver | Refusal {
  const live = client.keys.filter(
    (key) =>
      key.expiresAtS * 1000 > nowMs &&
      !isRevoked(client, key) &&
      !(key.rootKid !== null && voidRoots.includes(key.rootKid)),
  );
  const issued = live.find(({ issuedBy }) => issuedBy === asking.kid);
  if (issued && (newKid === undefined || issued.kid === newKid)) return { kind: 'again', key: issued };
  const kid = newKid ?? String(nextGeneration(client));
  const used = client.revoked.has(kid) || client.keys.some((key) => key.kid === kid);
  if (used || live.length >= LIVE_KEYS) return refuse('key_exists', 'live_keys');
  const dead = client.keys.filter(({ issuedBy }) => issuedBy === asking.kid).map((key) => key.kid);
  return { kind: 'new', kid, dead };
}

const ENVELOPE = { alg: 'dir', enc: 'A256GCM' } as const;

/** @returns a compact JWE (RFC 7516) of the new API key that only a holder of the current one can open */
export function sealApiKey(
  currentApiKey: string,
  clientId: string,
  kid: string,
  apiKey: string,
): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(apiKey))
    .setProtectedHeader(ENVELOPE)
    .encrypt(sealingKey(currentApiKey, clientId, kid));
}

/** @returns the new API key @throws JOSEError where the current one does not open it */
export async function openApiKey(
  currentApiKey: string,
  clientId: string,
  kid: string,
  jwe: string,
): Promise<string> {
  const { plaintext } = await compactDecrypt(jwe, sealingKey(currentApiKey, clientId, kid), {
    keyManagementAlgorithms: [ENVELOPE.alg],
    contentEncryptionAlgorithms: [ENVELOPE.enc],
  });
  return new TextDecoder().decode(plaintext);
}

/** HKDF-SHA-256 (RFC 5869), 32 bytes. */
const sealingKey = (currentApiKey: string, clientId: string, kid: string): Uint8Array =>
  new Uint8Array(
    hkdfSync('sha256', currentApiKey, '', lengthPrefixed('countersign/key-roll-over/v1', clientId, kid), 32),
  );
