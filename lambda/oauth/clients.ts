/** The client that a DPoP proof is of. */
import { type ClientKey, type ClientRecord, isUsable } from '../../protocol/client.ts';
import type { ClientLookups } from '../request/client-cache.ts';

export interface FoundClient {
  readonly client: ClientRecord;
  /** The client's key with the thumbprint. */
  readonly key: ClientKey;
}

/**
 * Finds the client's key by its thumbprint. A client or key made a moment ago is found at once.
 *
 * @returns undefined where there is no such client, or the key is none of its public keys
 * @throws Unavailable
 */
export async function findClient(
  clients: ClientLookups,
  clientId: string,
  thumbprint: string,
): Promise<FoundClient | undefined> {
  const of = (client: ClientRecord | undefined): FoundClient | undefined => {
    const key = client?.keys.find(({ kid, jwk }) => jwk !== null && kid === thumbprint);
    return client && key && { client, key };
  };
  const { client, again } = await clients.get(clientId, thumbprint);
  const found = of(client);
  if (found) return found;
  const reread = await again();
  return reread.kind === 'read' ? of(reread.client) : undefined;
}

/** @returns why the client may not act now, or undefined */
export function stateFault(
  { client, key }: FoundClient,
  nowMs: number,
): 'client_disabled' | 'client_key' | undefined {
  if (client.disabled) return 'client_disabled';
  return isUsable(client, key, nowMs) ? undefined : 'client_key';
}
