/**
 * Clients on the request path of a stage where instances enrol: each with the one key that a request names,
 * if an instance enrolled it.
 */
import type { ClientRecord } from '../../protocol/client.ts';
import type { ClientLookup, Reread } from '../../protocol/proof/verify.ts';
import { type EnrolledKey, type EnrolledKeys, isEnrolledFor } from '../adapters/enrolled-keys.ts';
import { ClientCache, type ClientLookups } from '../request/client-cache.ts';

export interface EnrolledClientsOptions {
  readonly clients: ClientLookups;
  readonly keys: Pick<EnrolledKeys, 'load'>;
  /** `policyId` of each policy: the keys of others are dead. */
  readonly policies: readonly string[];
  readonly nowMs: () => number;
}

const THUMBPRINT = /^[\w-]{43}$/;

/**
 * A thumbprint causes the same reads whether the client is known or not, and whether or not it enrols: they
 * reveal nothing.
 */
export function enrolledClients({ clients, keys, policies, nowMs }: EnrolledClientsOptions): ClientLookups {
  const cache = new ClientCache<EnrolledKey>(
    {
      load: (place) => {
        const [clientId, kid] = place.split(' ') as [string, string];
        return keys.load(clientId, kid);
      },
    },
    nowMs,
  );
  const withKey = (client: ClientRecord | undefined, enrolled: EnrolledKey | undefined) =>
    client && enrolled && isEnrolledFor(enrolled, client, policies)
      ? { ...client, keys: [...client.keys, enrolled.key] }
      : client;
  return {
    async get(clientId, kid = ''): Promise<ClientLookup> {
      if (!THUMBPRINT.test(kid)) return clients.get(clientId);
      // At once: a first request waits for one of them only.
      const [of, enrolled] = await Promise.all([clients.get(clientId), cache.get(`${clientId} ${kid}`)]);
      return {
        client: withKey(of.client, enrolled.client),
        async again(): Promise<Reread> {
          const [client, key] = await Promise.all([of.again(), enrolled.again()]);
          if (client.kind === 'held_back' && key.kind === 'held_back') return { kind: 'held_back' };
          const read = <T>(again: Reread<T>, before: T | undefined) =>
            again.kind === 'read' ? again.client : before;
          return { kind: 'read', client: withKey(read(client, of.client), read(key, enrolled.client)) };
        },
      };
    },
  };
}
