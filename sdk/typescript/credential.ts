/** How a client signs: with an API key, or with a private key whose public key the platform has. */
import { type CryptoKey, calculateJwkThumbprint, exportJWK, importJWK, type JWK, SignJWT } from 'jose';
import { isClientId } from '../../protocol/client-id.ts';
import { type BuildProof, buildProof } from '../../protocol/proof/build.ts';
import { parseApiKey } from './api-key.ts';
import { InvalidArgumentError } from './errors.ts';
import { once } from './once.ts';

/** An API key. It contains the client's id. */
export interface ApiKeyCredential {
  /** `csk_…` (strict) or `csb_…` (basic: its proofs do not cover the request, and it cannot delete). */
  readonly apiKey: string;
}

/** A key pair of the client's own: the platform has only the public key, which cannot sign. */
export interface PrivateKeyCredential {
  readonly clientId: string;
  /** EC P-256 or Ed25519, as a private JWK or a WebCrypto key. */
  readonly privateKey: JWK | CryptoKey;
  /**
   * The `alg` under which the public key is registered. @default the JWK's `alg`, else `ES256` or `Ed25519`
   * by the key type
   */
  readonly alg?: 'ES256' | 'Ed25519' | 'EdDSA';
  /**
   * RFC 7638 thumbprint of the public key. Required for a CryptoKey that is not extractable. @default
   * computed
   */
  readonly kid?: string;
}

export type Credential = ApiKeyCredential | PrivateKeyCredential;

/** The contents of a proof, without the key and the client. */
export type Signable = Omit<BuildProof, 'key' | 'alg' | 'kid' | 'clientId'>;

export interface Signer {
  readonly clientId: string;
  /** `api-key` is strict. A basic API key cannot get the next one by itself. */
  readonly profile: 'api-key' | 'key-pair' | 'basic';
  readonly alg: 'HS256' | 'ES256' | 'Ed25519' | 'EdDSA';
  kid(): Promise<string>;
  /** @returns 32 bytes derived from an API key by HKDF-SHA-256 (RFC 5869) without a salt */
  derive(info: Uint8Array): Promise<Uint8Array>;
  /** @returns a proof, as a compact JWS (RFC 7515) */
  sign(request: Signable): Promise<string>;
}

/**
 * @throws InvalidArgumentError where the credential is missing or wrong. The message never quotes the key.
 */
export function createSigner(credential: Credential): Signer {
  const { apiKey, clientId, privateKey } = credential as Partial<ApiKeyCredential & PrivateKeyCredential>;
  if (apiKey !== undefined && privateKey !== undefined)
    throw new InvalidArgumentError('apiKey and privateKey cannot be combined');
  if (apiKey === '') throw new InvalidArgumentError('apiKey is empty');
  if (apiKey !== undefined) return apiKeySigner(apiKey);
  if (privateKey !== undefined) return keyPairSigner(credential as PrivateKeyCredential);
  if (clientId !== undefined) throw new InvalidArgumentError('privateKey is missing');
  throw new InvalidArgumentError('apiKey is missing: pass it, or set COUNTERSIGN_API_KEY');
}

function apiKeySigner(apiKey: string): Signer {
  const { clientId, generation, profile } = parseApiKey(apiKey);
  const imported = once(() =>
    crypto.subtle.importKey('raw', new TextEncoder().encode(apiKey), HMAC, false, ['sign']),
  );
  return {
    clientId,
    profile: profile === 'strict' ? 'api-key' : 'basic',
    alg: 'HS256',
    kid: async () => generation,
    async derive(info) {
      const bytes = new TextEncoder().encode(apiKey);
      const key = await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveBits']);
      const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: info as BufferSource };
      return new Uint8Array(await crypto.subtle.deriveBits(hkdf, key, 256));
    },
    async sign(request) {
      const key = await imported();
      return profile === 'strict'
        ? buildProof({ ...request, key, alg: 'HS256', kid: generation, clientId })
        : buildBasicProof(key, clientId, request);
    },
  };
}

/**
 * A proof of the basic profile (docs/protocol.md, "Basic profile"): it covers only the nonce and the times.
 */
function buildBasicProof(
  key: CryptoKey,
  iss: string,
  { nonce, nowS, lifeS }: Pick<Signable, 'nonce' | 'nowS' | 'lifeS'>,
): Promise<string> {
  const iat = Math.floor(nowS);
  return new SignJWT({ iss, iat, exp: iat + lifeS, ...(nonce !== undefined && { nonce }) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(key);
}

function keyPairSigner({ clientId, privateKey, alg: wanted, kid }: PrivateKeyCredential): Signer {
  if (!isClientId(clientId)) throw new InvalidArgumentError('clientId is missing or malformed');
  const natural = algorithmOf(privateKey);
  const alg = wanted ?? ((privateKey as JWK).alg as PrivateKeyCredential['alg']) ?? natural;
  if (!alg || !(alg === natural || (alg === 'EdDSA' && natural === 'Ed25519')))
    throw new InvalidArgumentError('privateKey must be a private key for ES256, Ed25519 or EdDSA');
  const prepared = once(async () => ({
    key: isJwk(privateKey) ? ((await importJWK(privateKey, alg)) as CryptoKey) : privateKey,
    kid: kid ?? (await calculateJwkThumbprint(isJwk(privateKey) ? privateKey : await exported(privateKey))),
  }));
  return {
    clientId,
    profile: 'key-pair',
    alg,
    kid: async () => (await prepared()).kid,
    derive: () => Promise.reject(new InvalidArgumentError('a key pair derives nothing')),
    sign: async (request) => buildProof({ ...request, ...(await prepared()), alg, clientId }),
  };
}

function algorithmOf(key: JWK | CryptoKey): 'ES256' | 'Ed25519' | undefined {
  if (isJwk(key)) {
    if (typeof key.d !== 'string') return undefined;
    return key.crv === 'P-256' ? 'ES256' : key.crv === 'Ed25519' ? 'Ed25519' : undefined;
  }
  if (key.type !== 'private') return undefined;
  const { name, namedCurve } = key.algorithm as EcKeyAlgorithm;
  if (name === 'Ed25519') return 'Ed25519';
  return name === 'ECDSA' && namedCurve === 'P-256' ? 'ES256' : undefined;
}

async function exported(key: CryptoKey): Promise<JWK> {
  if (key.extractable) return exportJWK(key);
  throw new InvalidArgumentError('kid is missing: it cannot be computed from a key that is not extractable');
}

const isJwk = (key: JWK | CryptoKey): key is JWK => typeof (key as JWK).kty === 'string';

const HMAC = { name: 'HMAC', hash: 'SHA-256' };
