/** The form of requests to OAuth endpoints (RFC 6749 §3.2, RFC 8707 §2). */
import { type HttpRequest, MAX_BODY_BYTES } from '../proof/request.ts';
import { ASSERTION_TYPE } from './client-assertion.ts';
import { type OAuthRefusal, refuseOAuth } from './error.ts';

/** Parameters by name. Each comes once, and one without a value counts as left out. */
export type OAuthForm = ReadonlyMap<string, string>;

export function readForm(
  request: HttpRequest,
): { readonly ok: true; readonly form: OAuthForm } | OAuthRefusal {
  const bad = (reason: string, description?: string) => refuseOAuth('invalid_request', reason, description);
  if (request.query.size > 0) return bad('query', 'Parameters go into the body alone.');
  if (request.body.length > MAX_BODY_BYTES) return bad('body_bytes');
  const [type, ...more] = request.headers.get('content-type') ?? [];
  if (more.length > 0 || !/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type?.trim() ?? ''))
    return bad('content_type', 'Content-Type must be application/x-www-form-urlencoded.');
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(Buffer.from(request.body).toString('utf8'))) {
    if (form.has(name)) return bad('repeated_parameter', 'A parameter occurs twice.');
    form.set(name, value);
  }
  for (const [name, value] of form) if (value === '') form.delete(name);
  return { ok: true, form };
}

/**
 * The client assertion of a request, the only way in which a client authenticates.
 *
 * @returns its text, unverified
 */
export function readClientAuth(
  { headers }: Pick<HttpRequest, 'headers'>,
  form: OAuthForm,
): { readonly ok: true; readonly text: string } | OAuthRefusal {
  const text = form.get('client_assertion');
  const other = headers.has('authorization') || form.has('client_secret');
  if (other || text === undefined || form.get('client_assertion_type') !== ASSERTION_TYPE)
    return refuseOAuth('invalid_client', 'assertion_missing', ONLY_PRIVATE_KEY_JWT);
  return { ok: true, text };
}

const ONLY_PRIVATE_KEY_JWT = 'A client authenticates with private_key_jwt alone (RFC 7523).';
