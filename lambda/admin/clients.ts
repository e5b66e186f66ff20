/** What operators do with clients. */
import { randomBytes, randomInt } from 'node:crypto';
import * as z from 'zod';
import { type ClientRecord, isRevoked } from '../../protocol/client.ts';
import type { Clients } from '../adapters/clients.ts';
import type { ClientSummary, CreatedClient } from '../contract/admin.ts';
import { type Actions, AdminError } from './actions.ts';
import { Credential, type CredentialContext, makeCredential } from './credential.ts';
import { action, ClientId, timestamp } from './params.ts';
import { RotateKey, rotateKey } from './rotate-key.ts';

const Named = z.strictObject({ client_id: ClientId });
const Limit = z.int().min(1);
const Page = z.strictObject({
  limit: z.int().min(1).max(100).default(50),
  cursor: z.string().optional(),
});
const Create = z.strictObject({
  client_id: ClientId.optional(),
  profile: z.enum(['strict', 'basic']),
  limit: Limit.optional(),
  ...Credential,
});
const Update = z.strictObject({ client_id: ClientId, limit: Limit.nullable() });
const Kid = z.string().regex(/^([1-9]\d{0,8}|[\w-]{43})$/, {
  // The audit line names it: what has another form may be a key.
  error: 'must be a generation, e.g. "2", or a thumbprint of 43 characters, as clients.show lists them',
});
const RevokeKey = z.strictObject({ client_id: ClientId, kid: Kid });

const byName = ({ client_id }: { client_id: string }): string => client_id;

export const clientReadActions = (clients: Clients): Actions => ({
  'clients.show': action(Named, byName, ({ client_id }) => show(clients, client_id)),
  'clients.list': action(
    Page,
    () => '*',
    async ({ limit, cursor }) => {
      const page = await clients.list(limit, readCursor(cursor)).catch(badCursor(cursor));
      const found = await Promise.all(page.clientIds.map((id) => clients.load(id)));
      return {
        clients: found.filter((client) => client !== undefined).map(summary),
        ...(page.next !== undefined && { cursor: Buffer.from(page.next).toString('base64url') }),
      };
    },
  ),
});

export type ClientWriteOptions = CredentialContext & { readonly clients: Clients };

export const clientWriteActions = (options: ClientWriteOptions): Actions => {
  const { clients, nowMs } = options;
  const setDisabled = (disabled: boolean) =>
    action(Named, byName, async ({ client_id }) => {
      if (!(await clients.setDisabled(client_id, disabled, nowMs()))) throw notFound(client_id);
      return show(clients, client_id);
    });
  return {
    'clients.create': action(
      Create,
      ({ client_id }) => client_id ?? '*',
      (params) => create(options, params),
    ),
    'clients.update': action(Update, byName, async ({ client_id, limit }) => {
      if (!(await clients.setLimit(client_id, limit))) throw notFound(client_id);
      return show(clients, client_id);
    }),
    'clients.rotate-key': action(RotateKey, byName, async (params) => {
      const client = await clients.load(params.client_id);
      if (!client) throw notFound(params.client_id);
      return rotateKey(options, client, params);
    }),
    'clients.revoke-key': action(
      RevokeKey,
      ({ client_id, kid }) => `${client_id}#${kid}`,
      async ({ client_id, kid }) => {
        if (!(await clients.revokeKey(client_id, kid, nowMs())))
          throw new AdminError(404, 'not_found', `client ${client_id} has no key ${kid}`);
        return show(clients, client_id);
      },
    ),
    'clients.disable': setDisabled(true),
    'clients.enable': setDisabled(false),
    'clients.delete': action(Named, byName, async ({ client_id }) => {
      if (!(await clients.remove(client_id))) throw notFound(client_id);
      return { client_id };
    }),
  };
};

async function create(options: ClientWriteOptions, params: z.infer<typeof Create>): Promise<CreatedClient> {
  const { clients, nowMs } = options;
  const { client_id: clientId = generatedName(), profile, limit = null } = params;
  const createdAtMs = nowMs();
  const salt = randomBytes(16);
  const { key, apiKey } = await makeCredential(options, { clientId, salt, profile, generation: 1 }, params);
  const record = { clientId, profile, salt, limit, createdAtMs, keys: [key] };
  if (!(await clients.create(record)))
    throw new AdminError(
      409,
      'client_exists',
      `client ${clientId} exists; choose another name or delete it first`,
    );
  return {
    client_id: clientId,
    profile,
    kid: key.kid,
    expires_at: timestamp(key.expiresAtS),
    ...(apiKey !== undefined && { api_key: apiKey }),
  };
}

async function show(clients: Clients, clientId: string): Promise<ClientSummary> {
  const client = await clients.load(clientId);
  if (!client) throw notFound(clientId);
  return summary(client);
}

function summary(client: ClientRecord): ClientSummary {
  return {
    client_id: client.clientId,
    profile: client.profile,
    disabled: client.disabled,
    limit: client.limit,
    created_at: new Date(client.createdAtMs).toISOString(),
    keys: client.keys.map((key) => ({
      kid: key.kid,
      alg: key.alg,
      usable_at: timestamp(key.usableAtS),
      expires_at: timestamp(key.expiresAtS),
      issued_by: key.issuedBy,
      revoked: isRevoked(client, key),
    })),
  };
}

const notFound = (clientId: string): AdminError =>
  new AdminError(404, 'not_found', `there is no client ${clientId}`);

const generatedName = (): string =>
  `c-${Array.from({ length: 12 }, () => randomInt(36).toString(36)).join('')}`;

function readCursor(cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString();
}

const badCursor = (cursor: string | undefined) => (error: unknown) => {
  if (error instanceof SyntaxError && cursor !== undefined)
    throw new AdminError(400, 'malformed_request', 'params.cursor: take it from the page before, as it is');
  throw error;
};
