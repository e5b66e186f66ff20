/** Check 1 (request): the request around the proof. */
import { type Refusal, refuse } from '../problem.ts';

/** An HTTP request as the protocol sees it. */
export interface HttpRequest {
  readonly method: string;
  /** Each value of each header, by lower-case name: none is hidden by a later one. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** Each value of each query parameter. */
  readonly query: ReadonlyMap<string, readonly string[]>;
  readonly body: Uint8Array;
}

export const MAX_BODY_BYTES = 16_384;

/**
 * @param scheme of Authorization, in lower case (RFC 9110 §11.1: its case does not matter)
 * @returns the one proof or token in Authorization
 */
export function readRequest(
  request: HttpRequest,
  scheme: 'jwt' | 'dpop' = 'jwt',
): { ok: true; token: string } | Refusal {
  // A proof binds no query.
  if (request.query.size > 0) return refuse('malformed_request', 'query');
  if (request.body.length > MAX_BODY_BYTES) return refuse('body_too_large', 'body_bytes');
  if (request.body.length > 0 && !isJson(request.headers.get('content-type')))
    return refuse('unsupported_media_type', 'content_type');
  const [authorization, ...more] = request.headers.get('authorization') ?? [];
  if (authorization === undefined || more.length > 0)
    return refuse('malformed_request', 'authorization_count');
  const [, found, token] = /^(\w+) (.*)$/s.exec(authorization) ?? [];
  return token === undefined || found?.toLowerCase() !== scheme
    ? refuse('malformed_request', 'authorization_scheme')
    : { ok: true, token };
}

/** Whether the media type, without its parameters, is JSON (RFC 9110 §8.3.1). */
function isJson(contentType: readonly string[] | undefined): boolean {
  const [type, ...more] = contentType ?? [];
  return type !== undefined && more.length === 0 && /^application\/json\s*(;|$)/i.test(type.trim());
}
