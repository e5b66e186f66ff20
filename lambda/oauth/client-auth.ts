/** A client that authenticates by its assertion alone, at the endpoints that take no DPoP proof. */
import { randomUUID } from 'node:crypto';
import { type ClientRecord, isUsable } from '../../protocol/client.ts';
import { isAssertedBy, readAssertion } from '../../protocol/oauth/client-assertion.ts';
import { type OAuthRefusal, refuseOAuth } from '../../protocol/oauth/error.ts';
import { type OAuthForm, readClientAuth, readForm } from '../../protocol/oauth/form.ts';
import type { Ledger } from '../adapters/ledger.ts';
import type { RoutedRequest } from '../http/event.ts';
import type { LogFields } from '../http/handler.ts';
import type { ClientLookups } from '../request/client-cache.ts';
import type { Quota } from '../request/quota.ts';
import { overQuota, type Refused } from './answer.ts';
import { clientPublicKeys } from './token-keys.ts';

export interface ClientAuthOptions {
  readonly clients: ClientLookups;
  readonly ledger: Ledger;
  readonly quota: Quota;
  readonly issuer: string;
  readonly nowMs: () => number;
}

interface Authenticated {
  readonly ok: true;
  readonly client: ClientRecord;
  readonly form: OAuthForm;
}

/**
 * @returns a function that authenticates the client of a request, and uses its assertion up. It throws
 * Unavailable
 */
export function clientAuth({ clients, ledger, quota, issuer, nowMs }: ClientAuthOptions) {
  const keyOf = clientPublicKeys();
  return async (request: RoutedRequest, fields: LogFields): Promise<Authenticated | Refused> => {
    const read = readForm(request);
    if (!read.ok) return read;
    const { form } = read;
    const auth = readClientAuth(request, form);
    if (!auth.ok) return auth;
    const asserted = readAssertion(auth.text, { issuer, nowMs: nowMs() });
    if (!asserted.ok) return asserted;
    const { assertion } = asserted;

    // Standard clients name no key.
    const signedBy = (client: ClientRecord | undefined) =>
      client?.keys.some(
        (key) => isUsable(client, key, nowMs()) && key.jwk && isAssertedBy(assertion, keyOf(key)),
      )
        ? client
        : undefined;
    const { client: held, again } = await clients.get(assertion.clientId);
    let client = signedBy(held);
    if (!client) {
      const reread = await again();
      client = reread.kind === 'read' ? signedBy(reread.client) : undefined;
    }
    if (!client) return refuseOAuth('invalid_client', 'assertion_signature');
    fields.client_id = client.clientId;
    if (client.disabled) return refuseOAuth('invalid_client', 'client_disabled', DISABLED);

    const known = quota.refusal(client);
    if (known) return overQuota('known', known.headers);
    if (!(await ledger.consume({ nonce: assertion.use, jti: undefined, w: randomUUID() }))) return USED;
    const charge = await quota.charge(client);
    return charge.accepted ? { ok: true, client, form } : overQuota('charged', charge.headers);
  };
}

export const DISABLED = 'An operator disabled this client.';

export const USED: OAuthRefusal = refuseOAuth(
  'invalid_client',
  'assertion_used',
  'This assertion was used before.',
);
