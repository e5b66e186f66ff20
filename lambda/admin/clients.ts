/** The operators' actions on clients. */
import { randomBytes, randomInt } from 'node:crypto';
import * as z from 'zod';
import type { Clients } from '../adapters/clients.ts';
import type { Endpoints } from '../adapters/endpoints.ts';
import type { EnrolledKeys } from '../adapters/enrolled-keys.ts';
import type { CreatedClient } from '../contract/admin.ts';
import { type Actions, AdminError } from './actions.ts';
import { Credential, type CredentialContext, makeCredential, shown } from './credential.ts';
import { InviteParams, invite } from './invite.ts';
import { action, ClientId, Limit, noClient, Scopes } from './params.ts';
import { keyExists, RotateKey, rotateKey } from './rotate-key.ts';
import { byName, Named, show } from './show-clients.ts';

const Create = z.strictObject({
  client_id: ClientId.optional(),
  profile: z.enum(['strict', 'basic']),
  limit: Limit.optional(),
  scopes: Scopes.optional(),
  ...Credential,
});
const Update = z
  .strictObject({ client_id: ClientId, limit: Limit.nullable().optional(), scopes: Scopes.optional() })
  .refine(({ limit, scopes }) => limit !== undefined || scopes !== undefined, {
    error: 'must have limit, scopes or both',
  });
const Kid = z.string().regex(/^([1-9]\d{0,8}|[\w-]{43})$/, {
  // The audit line names it: a text of another form may be a secret key.
  error: 'must be a generation, e.g. "2", or a thumbprint of 43 characters, as clients.show lists them',
});
const RevokeKey = z.strictObject({ client_id: ClientId, kid: Kid });

export type ClientWriteOptions = CredentialContext & {
  readonly clients: Clients;
  readonly endpoints: Pick<Endpoints, 'list'>;
  readonly enrolledKeys: Pick<EnrolledKeys, 'sweep'>;
};

export const clientWriteActions = (options: ClientWriteOptions): Actions => {
  const { clients, nowMs, refusedRoots } = options;
  // The change is made. Its answer must not fail because of what else it shows.
  const shown = (clientId: string) => show(clients, clientId, () => refusedRoots().catch(() => []));
  const setDisabled = (disabled: boolean) =>
    action(Named, byName, async ({ client_id }) => {
      if (!(await clients.setDisabled(client_id, disabled, nowMs()))) throw noClient(client_id);
      return shown(client_id);
    });
  return {
    'clients.create': action(
      Create,
      ({ client_id }) => client_id ?? '*',
      (params) => create(options, params),
    ),
    'clients.invite': action(InviteParams, byName, async (params) => {
      await mustBeFree(options, params.client_id);
      return invite(options, params);
    }),
    'clients.update': action(Update, byName, async ({ client_id, limit, scopes }) => {
      const client = await clients.load(client_id);
      if (!client) throw noClient(client_id);
      if (scopes) await clients.setScopes(client, scopes);
      if (limit !== undefined) await clients.setLimit(client_id, limit);
      return shown(client_id);
    }),
    'clients.rotate-key': action(RotateKey, byName, async (params) => {
      const client = await clients.load(params.client_id);
      if (!client) throw noClient(params.client_id);
      return rotateKey(options, client, params);
    }),
    'clients.revoke-key': action(
      RevokeKey,
      ({ client_id, kid }) => `${client_id}#${kid}`,
      async ({ client_id, kid }) => {
        if (!(await clients.revokeKey(client_id, kid, nowMs())))
          throw new AdminError(404, 'not_found', `client ${client_id} has no key ${kid}`);
        return shown(client_id);
      },
    ),
    'clients.disable': setDisabled(true),
    'clients.enable': setDisabled(false),
    'clients.delete': action(Named, byName, async ({ client_id }) => {
      await mustHaveNoEndpoints(options, client_id);
      if (!(await clients.remove(client_id, nowMs()))) throw noClient(client_id);
      // They are dead without it.
      await options.enrolledKeys.sweep(client_id, Number.POSITIVE_INFINITY);
      return { client_id };
    }),
  };
};

/** The next client of a name must not find the endpoints of the one before, which may have deleted itself. */
async function mustHaveNoEndpoints({ endpoints }: ClientWriteOptions, clientId: string): Promise<void> {
  const own = (await endpoints.list()).endpoints.filter(({ client }) => client === clientId);
  if (own.length > 0)
    throw new AdminError(
      409,
      'endpoints_exist',
      `callback endpoints belong to client ${clientId}: delete them first (${own.map(({ id }) => id).join(', ')})`,
    );
}

/** @throws AdminError where the name is free, but not its endpoints */
async function mustBeFree(options: ClientWriteOptions, clientId: string): Promise<void> {
  if (!(await options.clients.load(clientId))) await mustHaveNoEndpoints(options, clientId);
}

async function create(options: ClientWriteOptions, params: z.infer<typeof Create>): Promise<CreatedClient> {
  const { clients, nowMs } = options;
  const { client_id: clientId = generatedName(), profile, limit = null, scopes } = params;
  await mustBeFree(options, clientId);
  const createdAtMs = nowMs();
  const salt = randomBytes(16);
  const made = await makeCredential(options, { clientId, salt, profile, generation: 1 }, params);
  const record = { clientId, profile, salt, limit, createdAtMs, keys: [made.key], ...(scopes && { scopes }) };
  const outcome = await clients.create(record);
  if (outcome === 'key_exists') throw keyExists(clientId, made.key.kid);
  if (outcome === 'client_exists')
    throw new AdminError(
      409,
      'client_exists',
      `client ${clientId} exists; choose another name or delete it first`,
    );
  return shown(clientId, profile, made);
}

const generatedName = (): string =>
  `c-${Array.from({ length: 12 }, () => randomInt(36).toString(36)).join('')}`;
