/** `POST /v1/oauth/introspect` (RFC 7662): an API asks whether a token for it is active. */
import { verifyAccessToken } from '../../protocol/oauth/access-token.ts';
import { refuseOAuth } from '../../protocol/oauth/error.ts';
import { INTROSPECT_SCOPE } from '../../protocol/oauth/scope.ts';
import type { DenyList } from '../adapters/deny-list.ts';
import type { OAuthResource } from '../contract/serving-environment.ts';
import type { RoutedRequest } from '../http/event.ts';
import type { LogFields } from '../http/handler.ts';
import type { ClientLookups } from '../request/client-cache.ts';
import { oauthJson } from './answer.ts';
import { findClient, stateFault } from './clients.ts';
import type { TokenRoutesOptions } from './revoke.ts';

export interface IntrospectOptions extends TokenRoutesOptions {
  readonly clients: ClientLookups;
  /** The Region's own. */
  readonly denyList: DenyList;
  readonly resources: readonly OAuthResource[];
}

/** Every reason is one answer: an API learns nothing about tokens that are not for it (RFC 7662 §2.2). */
const INACTIVE = oauthJson(200, { active: false });

export function introspectToken(options: IntrospectOptions) {
  const { authenticate, publicKey, issuer, nowMs, clients, denyList, resources } = options;
  return async (request: RoutedRequest, fields: LogFields) => {
    const caller = await authenticate(request, fields);
    if (!caller.ok) return caller;
    const { client, form } = caller;
    if (!client.scopes?.includes(INTROSPECT_SCOPE))
      return refuseOAuth('unauthorized_client', 'scope', `The client lacks the scope ${INTROSPECT_SCOPE}.`);
    const text = form.get('token');
    if (text === undefined) return refuseOAuth('invalid_request', 'token', 'The parameter token is missing.');
    const verified = await verifyAccessToken(text, { issuer, nowMs: nowMs() }, publicKey);
    if (!verified.ok) return INACTIVE;
    const { clientId, audience, scopes, jti, jkt, issuedAtS, expiresAtS } = verified.token;
    if (!resources.some(({ url, client: api }) => url === audience && api === client.clientId))
      return INACTIVE;
    const found = await findClient(clients, clientId, jkt);
    if (!found || stateFault(found, nowMs()) || (await denyList.has(jti))) return INACTIVE;
    return oauthJson(200, {
      ...{ active: true, scope: scopes.join(' '), client_id: clientId, token_type: 'DPoP' },
      ...{ iss: issuer, sub: clientId, aud: audience, jti, iat: issuedAtS, exp: expiresAtS, cnf: { jkt } },
    });
  };
}
