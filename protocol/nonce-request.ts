/** Reads a request for nonces (docs/protocol.md, "Nonce"). */
import { looksLikeStrictKey, parseApiKey } from './api-key.ts';
import { isClientId } from './client-id.ts';
import { type Refusal, refuse } from './problem.ts';

export const MAX_NONCE_COUNT = 100;

/** Reason of a refusal. The log has it, and an alarm counts it. */
export const STRICT_KEY_AS_BEARER = 'strict_key_as_bearer';

/** Values by name; headers by lower-case name. */
type Values = ReadonlyMap<string, readonly string[]>;

export interface NonceRequest {
  readonly clientId: string;
  /** Undefined where the request names no count: the answer then holds one nonce, not a list. */
  readonly count: number | undefined;
}

/**
 * @returns the one client that the request names, by `client_id` or by a basic key as Bearer (RFC 6750 §2.1)
 */
export function readNonceRequest(
  query: Values,
  headers: Values,
): ({ readonly ok: true } & NonceRequest) | Refusal {
  const [count, ...more] = query.get('count') ?? [];
  if (more.length > 0 || (count !== undefined && !/^([1-9]\d?|100)$/.test(count)))
    return refuse('malformed_request', 'count');

  const named = [...(query.get('client_id') ?? [])];
  const authorization = headers.get('authorization') ?? [];
  const bearer = authorization.map((value) => /^bearer +(.*)$/is.exec(value)?.[1]);
  if (bearer.some((key) => key !== undefined && looksLikeStrictKey(key)))
    return refuse('not_allowed', STRICT_KEY_AS_BEARER);
  for (const key of bearer) {
    const parsed = key === undefined ? undefined : parseApiKey(key.trim());
    if (!parsed) return refuse('malformed_request', 'client_id');
    named.push(parsed.clientId);
  }
  const [clientId, ...others] = new Set(named);
  if (others.length > 0 || authorization.length > 1 || !isClientId(clientId))
    return refuse('malformed_request', 'client_id');
  return { ok: true, clientId, count: count === undefined ? undefined : Number(count) };
}
