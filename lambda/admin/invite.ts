/** An invite: a text by which a client registers one key of its own (docs/oauth.md, "Register"). */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { ClientRecord } from '../../protocol/client.ts';
import { keyBytes } from '../../protocol/keyset.ts';
import { deriveClientToken } from '../../protocol/oauth/client-token.ts';
import { newInvite } from '../../protocol/oauth/invite.ts';
import type { Clients } from '../adapters/clients.ts';
import type { InvitedClient } from '../contract/admin.ts';
import { longestKeyLifeS } from '../request/client-root.ts';
import { AdminError } from './actions.ts';
import { type CredentialContext, requireOutlivedBy, rootThatSigns } from './credential.ts';
import { ClientId, Limit, Scopes, Thumbprint, timestamp } from './params.ts';

const DEFAULT_LIFE_S = 3_600;

export const InviteParams = z.strictObject({
  client_id: ClientId,
  /** How long it may be redeemed, in seconds. */
  expires_s: z.int().min(60).default(DEFAULT_LIFE_S),
  thumbprint: Thumbprint.optional(),
  scopes: Scopes.optional(),
  limit: Limit.optional(),
});
type Params = z.infer<typeof InviteParams>;

export type InviteContext = CredentialContext & { readonly clients: Clients };

/**
 * Invites a new client, or again one that has not redeemed its invite: the text before stops working then.
 * The record is made first: an interrupted call leaves a client that nobody can use, and can be repeated.
 */
export async function invite(context: InviteContext, params: Params): Promise<InvitedClient> {
  const { clients, nowMs, clientKeyLifeS } = context;
  const { client_id: clientId, expires_s, thumbprint = null, scopes, limit } = params;
  const root = await rootThatSigns(context);
  const nowS = Math.floor(nowMs() / 1000);
  const expiresAtS = nowS + expires_s;
  const latest = nowS + longestKeyLifeS(root, clientKeyLifeS);
  if (expiresAtS > latest)
    throw new AdminError(
      400,
      'malformed_request',
      `params.expires_s: must be at most ${latest - nowS}, the longest life of a client key`,
    );
  requireOutlivedBy(root, expiresAtS);

  const client = invitable((await clients.load(clientId)) ?? (await create(context, params)));
  if (scopes && scopes.join() !== client.scopes?.join()) await clients.setScopes(client, scopes);
  if (limit !== undefined && limit !== client.limit) await clients.setLimit(clientId, limit);
  const made = newInvite(client, { rootKid: root.kid, expiresAtS, thumbprint });
  if (!(await clients.putInvite(client, made, client.invite, nowMs()))) throw redeemed(clientId);
  const { salt } = client;
  const { serial } = made;
  return {
    client_id: clientId,
    initial_access_token: deriveClientToken({
      kind: 'invite',
      root: keyBytes(root),
      ...{ salt, clientId, serial },
    }),
    expires_at: timestamp(expiresAtS),
  };
}

async function create({ clients, nowMs }: InviteContext, params: Params): Promise<ClientRecord> {
  const { client_id: clientId, scopes, limit = null } = params;
  const record = { clientId, profile: 'strict', salt: randomBytes(16), limit, createdAtMs: nowMs() } as const;
  const outcome = await clients.create({ ...record, ...(scopes && { scopes }), origin: 'invite', keys: [] });
  if (outcome !== 'created') throw exists(clientId);
  return {
    ...record,
    ...(scopes && { scopes }),
    origin: 'invite',
    keys: [],
    disabled: false,
    revoked: new Set(),
  };
}

/** @throws AdminError where an invite would add a key to a client that has one */
function invitable(client: ClientRecord): ClientRecord {
  const { clientId, origin, keys, invite, disabled } = client;
  if (invite && invite.redeemedBy !== null) throw redeemed(clientId);
  if (origin !== 'invite' || keys.length > 0) throw exists(clientId);
  if (!disabled) return client;
  throw new AdminError(409, 'client_disabled', `client ${clientId} is disabled: enable it first`);
}

const exists = (clientId: string): AdminError =>
  new AdminError(
    409,
    'client_exists',
    `client ${clientId} exists, and an invite is for a new client; choose another name or delete it first`,
  );

const redeemed = (clientId: string): AdminError =>
  new AdminError(
    409,
    'client_exists',
    `client ${clientId} has redeemed its invite; delete it before you invite another of that name`,
  );
