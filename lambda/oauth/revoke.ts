/** `POST /v1/oauth/revoke` (RFC 7009): a client takes back a token of its own, in every Region at once. */
import { verifyAccessToken } from '../../protocol/oauth/access-token.ts';
import { refuseOAuth } from '../../protocol/oauth/error.ts';
import type { DenyList } from '../adapters/deny-list.ts';
import type { RoutedRequest } from '../http/event.ts';
import type { LogFields } from '../http/handler.ts';
import { noStore, type Refused } from './answer.ts';
import type { clientAuth } from './client-auth.ts';
import type { publicKeys } from './token-keys.ts';

export interface TokenRoutesOptions {
  readonly authenticate: ReturnType<typeof clientAuth>;
  readonly publicKey: ReturnType<typeof publicKeys>;
  readonly issuer: string;
  readonly nowMs: () => number;
}

export interface RevokeOptions extends TokenRoutesOptions {
  /** One for each Region. */
  readonly denyLists: readonly DenyList[];
}

/** A token that is not valid is refused anyway: RFC 7009 §2.2 answers it like one that was revoked. */
export function revokeToken({ authenticate, publicKey, issuer, nowMs, denyLists }: RevokeOptions) {
  return async (request: RoutedRequest, fields: LogFields) => {
    const caller = await authenticate(request, fields);
    if (!caller.ok) return caller;
    const text = caller.form.get('token');
    if (text === undefined) return refuseOAuth('invalid_request', 'token', 'The parameter token is missing.');
    const verified = await verifyAccessToken(text, { issuer, nowMs: nowMs() }, publicKey);
    if (!verified.ok) return noStore(200);
    const { token } = verified;
    if (token.clientId !== caller.client.clientId) return refuseOAuth('unauthorized_client', 'token_client');
    const told = await Promise.allSettled(denyLists.map((list) => list.add(token.jti, token.expiresAtS)));
    return told.every(({ status }) => status === 'fulfilled') ? noStore(200) : UNCONFIRMED;
  };
}

const UNCONFIRMED: Refused = refuseOAuth(
  'temporarily_unavailable',
  'unconfirmed',
  'Not every Region has confirmed: there the token may still be used. Try again.',
);
