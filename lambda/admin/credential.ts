/**
 * Makes one generation of a client's credential: an API key derived from the client root, or the public key
 * it brought.
 */
import { calculateJwkThumbprint, type JWK } from 'jose';
import * as z from 'zod';
import { deriveApiKey, type Profile } from '../../protocol/api-key.ts';
import type { ClientKey } from '../../protocol/client.ts';
import { type KeysetKey, keyBytes } from '../../protocol/keyset.ts';
import { canonicalJwk } from '../../protocol/public-jwk.ts';
import { Unavailable } from '../adapters/call.ts';
import type { CreatedClient } from '../contract/admin.ts';
import { isOutlivedBy, longestKeyLifeS, type RefusedRoots, signingRoot } from '../request/client-root.ts';
import { usableNowS } from '../request/key-times.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';
import { AdminError } from './actions.ts';
import { timestamp } from './params.ts';

const PublicJwk = z.union(
  [
    z.strictObject({
      kty: z.literal('EC'),
      crv: z.literal('P-256'),
      x: z.string(),
      y: z.string(),
      alg: z.literal('ES256'),
    }),
    z.strictObject({
      kty: z.literal('OKP'),
      crv: z.literal('Ed25519'),
      x: z.string(),
      alg: z.enum(['Ed25519', 'EdDSA']),
    }),
  ],
  {
    error:
      'must be a public JWK and no more: {"kty":"EC","crv":"P-256","x","y","alg":"ES256"} or {"kty":"OKP","crv":"Ed25519","x","alg":"Ed25519"|"EdDSA"}; never send a private key',
  },
);

/** The params of every action that makes a credential. */
export const Credential = {
  expires_at: z.iso.datetime({ offset: true }).optional(),
  jwk: PublicJwk.optional(),
};
type CredentialParams = z.infer<z.ZodObject<typeof Credential>>;

export interface CredentialContext {
  readonly roots: KeysetCache;
  readonly refusedRoots: RefusedRoots;
  readonly nowMs: () => number;
  /** Longest life of a client key, in seconds; also its default. */
  readonly clientKeyLifeS: number;
  readonly clockErrorMs: number;
}

export interface NewCredential {
  readonly clientId: string;
  readonly profile: Profile;
  readonly salt: Uint8Array;
  /** The generation of an API key, from 1. */
  readonly generation: number;
}

export interface MadeCredential {
  readonly key: ClientKey;
  /** The API key, which is shown once and stored nowhere. */
  readonly apiKey?: string;
}

/** @throws AdminError where the params do not fit, Unavailable where there is no client root */
export async function makeCredential(
  context: CredentialContext,
  made: NewCredential,
  { expires_at, jwk }: CredentialParams,
): Promise<MadeCredential> {
  const { nowMs, clientKeyLifeS, clockErrorMs } = context;
  if (jwk && made.profile === 'basic')
    throw new AdminError(
      400,
      'malformed_request',
      'params.jwk: a basic client signs with its API key (HS256)',
    );
  const nowS = Math.floor(nowMs() / 1000);
  const usableAtS = usableNowS(clockErrorMs, nowS);
  const term = (expiresAtS: number) => ({ usableAtS, expiresAtS, issuedBy: null });
  if (jwk) {
    const expiresAtS = expiry(made.profile, expires_at, nowS, nowS + Math.floor(clientKeyLifeS));
    return { key: { ...term(expiresAtS), ...(await publicKey(jwk)), rootKid: null } };
  }
  const root = await rootThatSigns(context);
  const latest = nowS + longestKeyLifeS(root, clientKeyLifeS);
  const expiresAtS = expiry(made.profile, expires_at, nowS, latest);
  requireOutlivedBy(root, expiresAtS);
  const kid = String(made.generation);
  const key = { ...term(expiresAtS), kid, alg: 'HS256', rootKid: root.kid, jwk: null };
  return { key, apiKey: deriveApiKey({ root: keyBytes(root), ...made }) };
}

/** @returns it as the operator gets it, once */
export const shown = (
  clientId: string,
  profile: Profile,
  { key, apiKey }: MadeCredential,
): CreatedClient => ({
  client_id: clientId,
  profile,
  kid: key.kid,
  expires_at: timestamp(key.expiresAtS),
  ...(apiKey !== undefined && { api_key: apiKey }),
});

export async function rootThatSigns({ roots, refusedRoots, nowMs }: CredentialContext): Promise<KeysetKey> {
  const found = await signingRoot(roots, refusedRoots, nowMs());
  if (found.kind === 'found') return found.root;
  if (found.kind === 'none') throw new Unavailable('keyset client-root: no key yet (countersign keys init)');
  throw new AdminError(
    503,
    'unavailable',
    `client root ${found.kid} was revoked moments ago: try again in 10 seconds`,
  );
}

export function requireOutlivedBy(root: KeysetKey, expiresAtS: number): void {
  const { kid, retires_at } = root;
  if (retires_at === null || !isOutlivedBy(root, expiresAtS)) return;
  const end = timestamp(Math.floor(retires_at / 1000));
  throw new AdminError(
    503,
    'unavailable',
    `client root ${kid} ends at ${end}, before this key: try again in a minute, make the next root (countersign keys rotate client-root --force), or give the key an expires_at no later than that`,
  );
}

async function publicKey(
  brought: z.infer<typeof PublicJwk>,
): Promise<{ kid: string; alg: string; jwk: JWK }> {
  const { alg, ...members } = brought;
  const jwk = canonicalJwk(members) as JWK | undefined;
  if (!jwk)
    throw new AdminError(
      400,
      'malformed_request',
      `params.jwk: not a key of ${brought.crv}, or not its one spelling: each coordinate is 32 bytes in base64url without padding`,
    );
  return { kid: await calculateJwkThumbprint(jwk, 'sha256'), alg, jwk: { ...jwk, alg } };
}

/** @returns epoch seconds */
function expiry(profile: Profile, expiresAt: string | undefined, nowS: number, latest: number): number {
  if (expiresAt === undefined) {
    if (profile === 'strict') return latest;
    throw new AdminError(
      400,
      'malformed_request',
      `params.expires_at: a basic client cannot roll its key over, so its key needs an end, e.g. "${timestamp(latest)}"`,
    );
  }
  const expiresAtS = Math.floor(Date.parse(expiresAt) / 1000);
  if (expiresAtS > nowS && expiresAtS <= latest) return expiresAtS;
  const range = `after ${timestamp(nowS)} and no later than ${timestamp(latest)}, the longest life of a client key`;
  throw new AdminError(400, 'malformed_request', `params.expires_at: must be ${range}`);
}
