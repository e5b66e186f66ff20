/** The token of a request that is bound to a key (RFC 9449 §7.1). */
import type { HttpRequest } from '../proof/request.ts';
import { type OAuthRefusal, refuseOAuth } from './error.ts';

/** @returns the one token in `Authorization: DPoP …` (RFC 9110 §11.6.2: the scheme's case does not matter) */
export function readDpopToken({
  headers,
}: Pick<HttpRequest, 'headers'>):
  | { readonly ok: true; readonly token: string }
  | OAuthRefusal<'invalid_token'> {
  const [authorization, ...more] = headers.get('authorization') ?? [];
  // RFC 6750 §2.1.
  const token = more.length === 0 ? /^dpop +([\w~+/.-]+=*)$/i.exec(authorization ?? '')?.[1] : undefined;
  return token === undefined ? refuseOAuth('invalid_token', 'token_missing', MISSING) : { ok: true, token };
}

const MISSING = 'The request needs one header Authorization: DPoP <token>.';
