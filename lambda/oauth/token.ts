/**
 * `POST /v1/oauth/token`: a client exchanges its assertion for an access token that is bound to its key
 * (docs/oauth.md, "A token"). Nothing is used up before every check holds.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { lifeWithin } from '../../protocol/keyset.ts';
import { signAccessToken } from '../../protocol/oauth/access-token.ts';
import { isAssertedBy, readAssertion } from '../../protocol/oauth/client-assertion.ts';
import { refuseOAuth } from '../../protocol/oauth/error.ts';
import { readClientAuth, readForm } from '../../protocol/oauth/form.ts';
import { DEFAULT_SCOPES, grantedScopes } from '../../protocol/oauth/scope.ts';
import { Unavailable } from '../adapters/call.ts';
import type { Answer } from '../http/answer.ts';
import type { RoutedRequest } from '../http/event.ts';
import { type HttpHandler, httpHandler, type LogFields } from '../http/handler.ts';
import type { ClientLookups } from '../request/client-cache.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';
import type { Quota } from '../request/quota.ts';
import { answered, oauthContext, oauthJson, overQuota, type Refused } from './answer.ts';
import { DISABLED, USED } from './client-auth.ts';
import { findClient, stateFault } from './clients.ts';
import { checkDpop, type DpopGate } from './dpop-gate.ts';
import { privateKeys } from './token-keys.ts';

export interface TokenOptions {
  readonly gate: DpopGate;
  readonly clients: ClientLookups;
  /** With the private halves. */
  readonly keys: KeysetCache;
  readonly quota: Quota;
  readonly issuer: string;
  readonly tokenLifeMs: number;
  /** What tokens may be for; without `resource` they are for the issuer. */
  readonly resources: readonly string[];
}

export function tokenHandler(options: TokenOptions): HttpHandler {
  const { gate, clients, keys, quota, issuer, tokenLifeMs } = options;
  const resources = [issuer, ...options.resources];
  const privateKey = privateKeys();
  return httpHandler(oauthContext(gate.http, gate.nonces), async (request, fields) =>
    answered(await issue(request, fields)),
  );

  async function issue(request: RoutedRequest, fields: LogFields): Promise<Answer | Refused> {
    const nowMs = gate.http.nowMs();
    const read = readForm(request);
    if (!read.ok) return read;
    const { form } = read;
    const auth = readClientAuth(request, form);
    if (!auth.ok) return auth;
    if (form.get('grant_type') !== 'client_credentials')
      return form.has('grant_type')
        ? refuseOAuth('unsupported_grant_type', 'grant_type')
        : refuseOAuth('invalid_request', 'grant_type', 'The parameter grant_type is missing.');

    const proved = await checkDpop(gate, request);
    if (!proved.ok) return proved;
    const { key: dpopKey, thumbprint, use } = proved.dpop;
    const asserted = readAssertion(auth.text, { issuer, nowMs });
    if (!asserted.ok) return asserted;
    const { assertion } = asserted;
    const { clientId } = assertion;
    // A stolen assertion is of no use: it must be signed by the key that signs this very request.
    if (!isAssertedBy(assertion, dpopKey)) return refuseOAuth('invalid_client', 'assertion_signature');
    if ((form.get('client_id') ?? clientId) !== clientId) return refuseOAuth('invalid_client', 'client_id');
    const found = await findClient(clients, clientId, thumbprint);
    if (!found) return refuseOAuth('invalid_client', 'client_key_unknown');
    const { client, key } = found;
    fields.client_id = clientId;
    const fault = stateFault(found, nowMs);
    if (fault) return refuseOAuth('invalid_client', fault, STATES[fault]);

    const audience = form.get('resource') ?? issuer;
    if (!resources.includes(audience)) return refuseOAuth('invalid_target', 'resource');
    const scopes = grantedScopes(form.get('scope'), client.scopes ?? DEFAULT_SCOPES);
    if (!scopes) return refuseOAuth('invalid_scope', 'scope');
    const signer = await keys.signingKey(nowMs);
    if (!signer) throw new Unavailable('keyset token');

    const known = quota.refusal(client);
    if (known) return overQuota('known', known.headers);
    // The assertion first: keys that anybody makes cannot fill the ledger.
    for (const [nonce, refusal] of [
      [assertion.use, USED],
      [use, refuseOAuth('invalid_dpop_proof', 'dpop_used', 'This DPoP proof was used before.')],
    ] as const)
      if (!(await gate.ledger.consume({ nonce, jti: undefined, w: randomUUID() }))) return refusal;
    const charge = await quota.charge(client);
    if (!charge.accepted) return overQuota('charged', charge.headers);

    const issuedAtS = Math.floor(nowMs / 1000);
    const endMs = Math.min(nowMs + lifeWithin(signer, tokenLifeMs, nowMs), key.expiresAtS * 1000);
    const expiresAtS = Math.floor(endMs / 1000);
    const jti = randomBytes(16).toString('base64url');
    const token = { clientId, audience, scopes, jti, jkt: thumbprint, issuedAtS, expiresAtS };
    return oauthJson(200, {
      access_token: signAccessToken(token, issuer, signer.kid, privateKey(signer)),
      token_type: 'DPoP',
      expires_in: expiresAtS - issuedAtS,
      scope: scopes.join(' '),
    });
  }
}

const STATES = {
  client_disabled: DISABLED,
  client_key: "The client's key is past its expiry, revoked, or not usable yet.",
};
