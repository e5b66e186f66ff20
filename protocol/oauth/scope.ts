/** Scopes (RFC 6749 §3.3): what a token lets a client do. */

export const WRITE_SCOPE = 'registrations:write';
export const READ_SCOPE = 'registrations:read';
export const INTROSPECT_SCOPE = 'tokens:introspect';

/** Those of the platform itself; a config may name more, for APIs behind it. */
export const PLATFORM_SCOPES = [WRITE_SCOPE, READ_SCOPE, INTROSPECT_SCOPE] as const;

/** Of a client that an operator gave none: it may do with a token what it may do with its proofs. */
export const DEFAULT_SCOPES: readonly string[] = [WRITE_SCOPE, READ_SCOPE];

const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,64}$/;
/** Of a client, and of a request. */
export const MOST_SCOPES = 32;

export const isScope = (text: unknown): text is string => typeof text === 'string' && SCOPE.test(text);

/** @returns the scopes of a space-delimited text, each once; undefined where it is none */
export function parseScope(text: unknown): readonly string[] | undefined {
  if (typeof text !== 'string') return undefined;
  const scopes = [...new Set(text.split(' '))];
  return scopes.length <= MOST_SCOPES && scopes.every(isScope) ? scopes : undefined;
}

/**
 * @param asked the parameter `scope`; undefined for all that the client has (RFC 6749 §3.3)
 * @returns undefined where the client lacks one of them
 */
export function grantedScopes(
  asked: string | undefined,
  own: readonly string[],
): readonly string[] | undefined {
  if (asked === undefined) return own.length > 0 ? own : undefined;
  const scopes = parseScope(asked);
  return scopes?.every((scope) => own.includes(scope)) ? scopes : undefined;
}
