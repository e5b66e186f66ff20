/** What operators do with clients. */
import { randomBytes, randomInt } from 'node:crypto';
import { calculateJwkThumbprint, importJWK, type JWK } from 'jose';
import * as z from 'zod';
import { deriveApiKey, isClientId, type Profile } from '../../protocol/api-key.ts';
import type { ClientKey, ClientRecord } from '../../protocol/client.ts';
import { type KeysetKey, keyBytes, signingKey } from '../../protocol/keyset.ts';
import type { Clients } from '../adapters/clients.ts';
import type { KeysetCache } from '../adapters/keyset-cache.ts';
import type { ClientSummary, CreatedClient } from '../contract/admin.ts';
import { Unavailable } from '../unavailable.ts';
import { type Action, type Actions, AdminError } from './actions.ts';

const ClientId = z.string().refine(isClientId, {
  error: 'must be 3 to 32 of a-z, 0-9 and -, and begin with a letter, e.g. "billing-service"',
});
const Named = z.strictObject({ client_id: ClientId });
const Page = z.strictObject({
  limit: z.int().min(1).max(100).default(50),
  cursor: z.string().optional(),
});
const PublicJwk = z.union(
  [
    z.strictObject({
      kty: z.literal('EC'),
      crv: z.literal('P-256'),
      x: z.string(),
      y: z.string(),
      alg: z.literal('ES256'),
    }),
    z.strictObject({
      kty: z.literal('OKP'),
      crv: z.literal('Ed25519'),
      x: z.string(),
      alg: z.enum(['Ed25519', 'EdDSA']),
    }),
  ],
  {
    error:
      'must be a public JWK and no more: {"kty":"EC","crv":"P-256","x","y","alg":"ES256"} or {"kty":"OKP","crv":"Ed25519","x","alg":"Ed25519"|"EdDSA"}; never send a private key',
  },
);
const Create = z.strictObject({
  client_id: ClientId.optional(),
  profile: z.enum(['strict', 'basic']),
  limit: z.int().min(1).optional(),
  expires_at: z.iso.datetime({ offset: true }).optional(),
  jwk: PublicJwk.optional(),
});

export const readActions = (clients: Clients): Actions => ({
  'clients.show': named(({ client_id }) => show(clients, client_id)),
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

export interface WriteOptions {
  readonly clients: Clients;
  readonly roots: KeysetCache;
  readonly nowMs: () => number;
  /** Longest life of a client key, in seconds; also its default. */
  readonly clientKeyLifeS: number;
}

export const writeActions = (options: WriteOptions): Actions => {
  const { clients, nowMs } = options;
  const setDisabled = (disabled: boolean) =>
    named(async ({ client_id }) => {
      if (!(await clients.setDisabled(client_id, disabled, nowMs()))) throw notFound(client_id);
      return show(clients, client_id);
    });
  return {
    'clients.create': action(
      Create,
      ({ client_id }) => client_id ?? '*',
      (params) => create(options, params),
    ),
    'clients.disable': setDisabled(true),
    'clients.enable': setDisabled(false),
    'clients.delete': named(async ({ client_id }) => {
      if (!(await clients.remove(client_id))) throw notFound(client_id);
      return { client_id };
    }),
  };
};

async function create(options: WriteOptions, params: z.infer<typeof Create>): Promise<CreatedClient> {
  const { clients, roots, nowMs, clientKeyLifeS } = options;
  const { client_id: clientId = generatedName(), profile, limit = null, jwk } = params;
  if (jwk && profile === 'basic')
    throw new AdminError(
      400,
      'malformed_request',
      'params.jwk: a basic client signs with its API key (HS256)',
    );

  const createdAtMs = nowMs();
  const salt = randomBytes(16);
  const root = jwk ? undefined : await signingRoot(roots, createdAtMs);
  // A derived key ends before the root that it comes from may go.
  const longestS = Math.min(clientKeyLifeS, (root?.max_life ?? Number.POSITIVE_INFINITY) / 1000);
  const usableAtS = Math.floor(createdAtMs / 1000);
  const expiresAtS = expiry(params, usableAtS, usableAtS + Math.floor(longestS));
  const times = { usableAtS, expiresAtS };
  const made = jwk ? await publicKey(jwk, times) : apiKey(root!, { clientId, salt, profile }, times);
  const record = { clientId, profile, salt, limit, createdAtMs, keys: [made.key] };
  if (!(await clients.create(record)))
    throw new AdminError(
      409,
      'client_exists',
      `client ${clientId} exists; choose another name or delete it first`,
    );
  return {
    client_id: clientId,
    profile,
    kid: made.key.kid,
    expires_at: timestamp(expiresAtS),
    ...(made.text !== undefined && { api_key: made.text }),
  };
}

interface MadeKey {
  readonly key: ClientKey;
  /** The API key, which is shown once and stored nowhere. */
  readonly text?: string;
}
type Times = Pick<ClientKey, 'usableAtS' | 'expiresAtS'>;

async function signingRoot(roots: KeysetCache, nowMs: number): Promise<KeysetKey> {
  const root = signingKey(await roots.current(), nowMs) ?? signingKey(await roots.refreshed(), nowMs);
  if (!root) throw new Unavailable('keyset client-root: no key yet (countersign keys init)');
  return root;
}

function apiKey(
  root: KeysetKey,
  client: { clientId: string; salt: Uint8Array; profile: Profile },
  times: Times,
): MadeKey {
  const text = deriveApiKey({ root: keyBytes(root), ...client, generation: 1 });
  return { text, key: { kid: '1', alg: 'HS256', rootKid: root.kid, jwk: null, ...times } };
}

async function publicKey(jwk: z.infer<typeof PublicJwk>, times: Times): Promise<MadeKey> {
  try {
    await importJWK(jwk as JWK, jwk.alg);
  } catch (cause) {
    const detail = `params.jwk: not a key of ${jwk.crv}`;
    throw Object.assign(new AdminError(400, 'malformed_request', detail), { cause });
  }
  const kid = await calculateJwkThumbprint(jwk as JWK, 'sha256');
  return { key: { kid, alg: jwk.alg, rootKid: null, jwk: jwk as JWK, ...times } };
}

/** @returns epoch seconds */
function expiry({ profile, expires_at }: z.infer<typeof Create>, nowS: number, latest: number): number {
  if (expires_at === undefined) {
    if (profile === 'strict') return latest;
    throw new AdminError(
      400,
      'malformed_request',
      `params.expires_at: a basic client cannot roll its key over by itself, so say when it ends, e.g. "${timestamp(latest)}"`,
    );
  }
  const expiresAtS = Math.floor(Date.parse(expires_at) / 1000);
  if (expiresAtS > nowS && expiresAtS <= latest) return expiresAtS;
  const range = `after ${timestamp(nowS)} and no later than ${timestamp(latest)}, the longest life of a client key`;
  throw new AdminError(400, 'malformed_request', `params.expires_at: must be ${range}`);
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
    keys: client.keys.map(({ kid, alg, usableAtS, expiresAtS }) => ({
      kid,
      alg,
      usable_at: timestamp(usableAtS),
      expires_at: timestamp(expiresAtS),
    })),
  };
}

const timestamp = (epochS: number): string => new Date(epochS * 1000).toISOString();

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

const named = <R>(run: (params: z.infer<typeof Named>) => Promise<R>): Action =>
  action(Named, ({ client_id }) => client_id, run);

/** Forgets the params' type, once the schema and the work were held against each other. */
function action<P, R>(
  params: z.ZodType<P>,
  target: (params: P) => string,
  run: (params: P) => Promise<R>,
): Action {
  return { params, target, run } as Action<P, R> as unknown as Action;
}
