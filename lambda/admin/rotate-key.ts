/** A client's next generation. The older ones keep working for a while, so that nobody is locked out. */
import * as z from 'zod';
import { type ClientRecord, endsOfOlderKeys, nextGeneration } from '../../protocol/client.ts';
import type { Clients } from '../adapters/clients.ts';
import type { RotatedKey } from '../contract/admin.ts';
import { AdminError } from './actions.ts';
import { Credential, type CredentialContext, makeCredential, shown } from './credential.ts';
import { ClientId, timestamp } from './params.ts';

const DEFAULT_OVERLAP_S = 7 * 24 * 3600;

export const RotateKey = z.strictObject({
  client_id: ClientId,
  overlap_s: z.int().min(0).default(DEFAULT_OVERLAP_S),
  /** A profile other than the client's ends its generations at once: a client has one profile. */
  profile: z.enum(['strict', 'basic']).optional(),
  ...Credential,
});

export const keyExists = (clientId: string, kid: string): AdminError =>
  new AdminError(
    409,
    'key_exists',
    `client ${clientId} has or had a key ${kid}, perhaps before it was deleted; a key is used once`,
  );

/**
 * First the new generation is stored, then the ends of the older ones: an interrupted call leaves a client
 * that works, and can be repeated. The profile changes last, when no generation of the old profile is alive:
 * none comes back if the profile changes again.
 */
export async function rotateKey(
  options: CredentialContext & { readonly clients: Clients },
  client: ClientRecord,
  { overlap_s, profile = client.profile, ...credential }: z.infer<typeof RotateKey>,
): Promise<RotatedKey> {
  const { clients, nowMs, refusedRoots } = options;
  const { clientId, salt } = client;
  const generation = nextGeneration(client);
  const made = await makeCredential(options, { clientId, salt, profile, generation }, credential);
  // A revoked key that no item holds was an earlier client's of this name.
  if (client.revoked.has(made.key.kid) || !(await clients.addKey(client, made.key)))
    throw keyExists(clientId, made.key.kid);

  const older = endsOfOlderKeys(client, profile, overlap_s, Math.floor(nowMs() / 1000));
  for (const { kid, expiresAtS } of older) await clients.endKey(client, kid, expiresAtS);
  if (profile !== client.profile) await clients.setProfile(client, profile);
  // The new key is made. Its answer must not fail because of what else it shows.
  const refused = older.length === 0 ? [] : await refusedRoots().catch(() => []);
  const isVoid = (of: string) =>
    client.keys.some(({ kid, rootKid }) => kid === of && refused.includes(rootKid ?? ''));
  return {
    ...shown(clientId, profile, made),
    // A key of a revoked root does not work any more, whenever it would end.
    ends: older
      .filter(({ kid }) => !isVoid(kid))
      .map(({ kid, expiresAtS }) => ({ kid, expires_at: timestamp(expiresAtS) })),
  };
}
