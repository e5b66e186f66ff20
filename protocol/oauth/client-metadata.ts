/**
 * What a client says of itself when it registers (RFC 7591 §2), as far as this platform takes it. Members
 * that it does not know are ignored (§2); what it cannot do is refused with a description (§3.2.2).
 */
import type { JsonWebKey } from 'node:crypto';
import type { JWK } from 'jose';
import { isJsonObject } from '../json.ts';
import { canonicalJwk, holdsSecret, thumbprintOf } from '../public-jwk.ts';
import type { NewPublicKey } from '../roll-over.ts';
import { type OAuthRefusal, refuseOAuth } from './error.ts';
import { parseScope } from './scope.ts';

export interface ClientMetadata {
  readonly keys: readonly NewPublicKey[];
  /** Present in a change of a client (RFC 7592 §2.2). */
  readonly clientId: string | undefined;
}

/** @param description for the developer of the client. It quotes nothing that the client sent */
const fault = (description: string): MetadataFault =>
  refuseOAuth('invalid_client_metadata', 'client_metadata', description);

type MetadataFault = OAuthRefusal<'invalid_client_metadata'>;

/** The current key, and the next one while both work. */
const MOST_KEYS = 2;

/**
 * @param body the JSON of the request
 * @param mostKeys 1 for a registration, whose one key also signs the DPoP proof
 */
export function readClientMetadata(
  body: unknown,
  mostKeys = MOST_KEYS,
): { readonly ok: true; readonly metadata: ClientMetadata } | MetadataFault {
  if (!isJsonObject(body)) return fault('The body must be a JSON object of client metadata.');
  const { token_endpoint_auth_method: method, token_endpoint_auth_signing_alg: signingAlg } = body;
  if (method !== undefined && method !== 'private_key_jwt')
    return fault('token_endpoint_auth_method must be private_key_jwt.');
  if ('jwks_uri' in body) return fault('jwks_uri is not supported: send the public key itself, as jwks.');
  if ('client_secret' in body) return fault('client_secret is not supported: no client has one.');
  const grants = body.grant_types;
  if (grants !== undefined && !(Array.isArray(grants) && grants.includes('client_credentials')))
    return fault('grant_types must include client_credentials.');
  // A client gets the scopes that were meant for it, whatever it asks for: the answer states them.
  if (body.scope !== undefined && !parseScope(body.scope))
    return fault('scope must be scope names, separated by single spaces.');
  const keys = readKeys(body.jwks, signingAlg, mostKeys);
  if ('error' in keys) return keys;
  const { client_id: clientId } = body;
  if (clientId !== undefined && typeof clientId !== 'string') return fault('client_id must be a string.');
  return { ok: true, metadata: { keys, clientId } };
}

function readKeys(jwks: unknown, signingAlg: unknown, mostKeys: number): NewPublicKey[] | MetadataFault {
  const given = isJsonObject(jwks) && Array.isArray(jwks.keys) ? jwks.keys : undefined;
  if (!given) return fault('jwks is missing: {"keys":[…]} with the public key that signs.');
  if (given.length === 0 || given.length > mostKeys)
    return fault(
      mostKeys === 1 ? 'jwks must hold exactly one key.' : `jwks must hold 1 to ${mostKeys} keys.`,
    );
  const keys: NewPublicKey[] = [];
  for (const jwk of given) {
    const key = readKey(jwk, signingAlg);
    if ('error' in key) return key;
    keys.push(key);
  }
  return new Set(keys.map(({ kid }) => kid)).size === keys.length
    ? keys
    : fault('jwks holds the same key twice.');
}

const KINDS: Readonly<Record<string, readonly [kty: string, algs: readonly [string, ...string[]]]>> = {
  'P-256': ['EC', ['ES256']],
  Ed25519: ['OKP', ['Ed25519', 'EdDSA']],
};
/** An exported key has more members, such as `key_ops` and `ext`: they are dropped. */
function readKey(jwk: unknown, signingAlg: unknown): NewPublicKey | MetadataFault {
  if (!isJsonObject(jwk)) return fault('A key of jwks is no JWK.');
  if (holdsSecret(jwk))
    return fault('jwks holds a private or symmetric key. It must never leave its owner: make another pair.');
  const { kty, crv, x, y, use, alg = signingAlg } = jwk;
  const kind = typeof crv === 'string' && Object.hasOwn(KINDS, crv) ? KINDS[crv] : undefined;
  if (!kind || kty !== kind[0]) return fault('A key of jwks must be EC with P-256, or OKP with Ed25519.');
  const [natural] = kind[1];
  const chosen = alg === undefined ? natural : kind[1].find((each) => each === alg);
  if (chosen === undefined) return fault(`The alg of a key with ${crv} must be ${kind[1].join(' or ')}.`);
  if (use !== undefined && use !== 'sig') return fault('The use of a key must be sig.');
  const bare = { kty, crv, x, ...(kty === 'EC' && { y }) } as JsonWebKey;
  const canonical = canonicalJwk(bare) as JWK | undefined;
  if (!canonical)
    return fault(`A key of jwks is not a key of ${crv}, with each coordinate as 32 bytes in base64url.`);
  return { kid: thumbprintOf(canonical as JsonWebKey), alg: chosen, jwk: { ...canonical, alg: chosen } };
}

export interface RegisteredClient {
  readonly clientId: string;
  readonly createdAtMs: number;
  readonly keys: readonly (Pick<NewPublicKey, 'kid' | 'jwk'> & { readonly expiresAtS: number })[];
  readonly scopes: readonly string[];
}

/**
 * The metadata of a registered client (RFC 7591 §3.2.1). It states everything that the server chose in place
 * of the defaults of §2.
 */
export const clientInformation = ({ clientId, createdAtMs, keys, scopes }: RegisteredClient) => ({
  client_id: clientId,
  client_id_issued_at: Math.floor(createdAtMs / 1000),
  token_endpoint_auth_method: 'private_key_jwt',
  grant_types: ['client_credentials'],
  response_types: [],
  scope: scopes.join(' '),
  // `exp`, in epoch seconds, is ours: RFC 7591 has an end for secrets alone.
  jwks: { keys: keys.map(({ kid, jwk, expiresAtS }) => ({ ...jwk, kid, use: 'sig', exp: expiresAtS })) },
  // RFC 9449 §5.2.
  dpop_bound_access_tokens: true,
});
