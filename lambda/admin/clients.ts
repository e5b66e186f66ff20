/** The operators' actions on clients. */
import { randomBytes, randomInt } from 'node:crypto';
import * as z from 'zod';
import { type ClientRecord, isRevoked } from '../../protocol/client.ts';
import { parseJson } from '../../protocol/json.ts';
import type { Clients, Place } from '../adapters/clients.ts';
import type { Endpoints } from '../adapters/endpoints.ts';
import type { ClientSummary, CreatedClient } from '../contract/admin.ts';
import type { RefusedRoots } from '../request/client-root.ts';
import { type Actions, AdminError } from './actions.ts';
import { Credential, type CredentialContext, makeCredential, shown } from './credential.ts';
import { action, ClientId, noClient, timestamp } from './params.ts';
import { keyExists, RotateKey, rotateKey } from './rotate-key.ts';

const Named = z.strictObject({ client_id: ClientId });
const Limit = z.int().min(1);
/** The last item of a page. DynamoDB refuses an empty sort key and a longer one. */
const PlaceForm = z.strictObject({ pk: ClientId, sk: z.string().min(1).max(256) });
const Cursor = z.string().transform((text, { addIssue }) => {
  const place = PlaceForm.safeParse(parseJson(Buffer.from(text, 'base64url'), CURSOR_JSON)?.value);
  if (place.success) return place.data;
  addIssue({ code: 'custom', message: 'must be the cursor of the previous page, unchanged' });
  return z.NEVER;
});
const CURSOR_JSON = { maxDepth: 1, refuseProto: true };
const writeCursor = ({ pk, sk }: Place): string =>
  Buffer.from(JSON.stringify({ pk, sk })).toString('base64url');
const Page = z.strictObject({ limit: z.int().min(1).max(100).default(50), cursor: Cursor.optional() });
const Create = z.strictObject({
  client_id: ClientId.optional(),
  profile: z.enum(['strict', 'basic']),
  limit: Limit.optional(),
  ...Credential,
});
const Update = z.strictObject({ client_id: ClientId, limit: Limit.nullable() });
const Kid = z.string().regex(/^([1-9]\d{0,8}|[\w-]{43})$/, {
  // The audit line names it: a text of another form may be a secret key.
  error: 'must be a generation, e.g. "2", or a thumbprint of 43 characters, as clients.show lists them',
});
const RevokeKey = z.strictObject({ client_id: ClientId, kid: Kid });

const byName = ({ client_id }: { client_id: string }): string => client_id;

export const clientReadActions = (clients: Clients, refusedRoots: RefusedRoots): Actions => ({
  'clients.show': action(Named, byName, ({ client_id }) => show(clients, client_id, refusedRoots)),
  'clients.list': action(
    Page,
    () => '*',
    async ({ limit, cursor }) => {
      const page = await clients.list(limit, cursor);
      const refused = await refusedRoots();
      const found = await Promise.all(page.clientIds.map((id) => clients.load(id)));
      return {
        clients: found.filter((client) => client !== undefined).map((client) => summary(client, refused)),
        ...(page.next && { cursor: writeCursor(page.next) }),
      };
    },
  ),
});

export type ClientWriteOptions = CredentialContext & {
  readonly clients: Clients;
  readonly endpoints: Pick<Endpoints, 'list'>;
};

export const clientWriteActions = (options: ClientWriteOptions): Actions => {
  const { clients, endpoints, nowMs, refusedRoots } = options;
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
    'clients.update': action(Update, byName, async ({ client_id, limit }) => {
      if (!(await clients.setLimit(client_id, limit))) throw noClient(client_id);
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
      // The next client of that name must not find them.
      const own = (await endpoints.list()).endpoints.filter(({ client }) => client === client_id);
      if (own.length > 0)
        throw new AdminError(
          409,
          'endpoints_exist',
          `client ${client_id} has callback endpoints: delete them first (${own.map(({ id }) => id).join(', ')})`,
        );
      if (!(await clients.remove(client_id, nowMs()))) throw noClient(client_id);
      return { client_id };
    }),
  };
};

async function create(options: ClientWriteOptions, params: z.infer<typeof Create>): Promise<CreatedClient> {
  const { clients, nowMs } = options;
  const { client_id: clientId = generatedName(), profile, limit = null } = params;
  const createdAtMs = nowMs();
  const salt = randomBytes(16);
  const made = await makeCredential(options, { clientId, salt, profile, generation: 1 }, params);
  const record = { clientId, profile, salt, limit, createdAtMs, keys: [made.key] };
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

async function show(clients: Clients, clientId: string, refusedRoots: RefusedRoots): Promise<ClientSummary> {
  const [client, refused] = await Promise.all([clients.load(clientId), refusedRoots()]);
  if (!client) throw noClient(clientId);
  return summary(client, refused);
}

function summary(client: ClientRecord, refusedRoots: readonly string[]): ClientSummary {
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
      root_kid: key.rootKid,
      revoked: isRevoked(client, key) || refusedRoots.includes(key.rootKid ?? ''),
    })),
  };
}

const generatedName = (): string =>
  `c-${Array.from({ length: 12 }, () => randomInt(36).toString(36)).join('')}`;
