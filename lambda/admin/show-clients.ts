/** The operators' look at clients: what admin-read answers, and what each change of a client shows. */
import * as z from 'zod';
import { type ClientRecord, isRevoked } from '../../protocol/client.ts';
import { parseJson } from '../../protocol/json.ts';
import { DEFAULT_SCOPES } from '../../protocol/oauth/scope.ts';
import type { Clients, Place } from '../adapters/clients.ts';
import type { ClientSummary } from '../contract/admin.ts';
import type { RefusedRoots } from '../request/client-root.ts';
import type { Actions } from './actions.ts';
import { action, ClientId, noClient, timestamp } from './params.ts';

export const Named = z.strictObject({ client_id: ClientId });
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

export const byName = ({ client_id }: { client_id: string }): string => client_id;

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

export async function show(
  clients: Clients,
  clientId: string,
  refusedRoots: RefusedRoots,
): Promise<ClientSummary> {
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
    scopes: client.scopes ?? DEFAULT_SCOPES,
    origin: client.origin ?? 'operator',
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
