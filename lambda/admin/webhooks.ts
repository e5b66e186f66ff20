/** The operators' actions on callback endpoints. */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { base62 } from '../../protocol/bytes.ts';
import { deriveEndpointSecret } from '../../protocol/endpoint-secret.ts';
import { EVENT_TYPES } from '../../protocol/event.ts';
import { type KeysetKey, keyBytes, signingKey } from '../../protocol/keyset.ts';
import { publicKeyText } from '../../protocol/webhook.ts';
import { Unavailable } from '../adapters/call.ts';
import type { Clients } from '../adapters/clients.ts';
import { newProgress, pingAt } from '../adapters/endpoint-items.ts';
import type { DeadLetter, Endpoint, Endpoints, PreviousSecret } from '../adapters/endpoints.ts';
import { ALL_CLIENTS, type Events } from '../adapters/events.ts';
import type { PublicKeys } from '../adapters/public-keys.ts';
import { type Guard, guarded, type Resolve } from '../callbacks/guard.ts';
import { seqBefore } from '../callbacks/read-events.ts';
import { takeOver } from '../callbacks/take-over.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';
import { type Actions, AdminError } from './actions.ts';
import { action, ClientId, noClient } from './params.ts';
import { type ShowEndpointOptions, showEndpoints } from './show-endpoint.ts';

const Id = z.string().regex(/^ep_[0-9A-Za-z]{16}$/, { error: 'must be an id as webhooks.list shows it' });
const Types = z.array(z.enum(EVENT_TYPES)).min(1).max(EVENT_TYPES.length);
const Payload = z.enum(['thin', 'full']);
const Time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const RegionName = z.string().regex(/^[a-z][a-z0-9-]{0,14}$/);

const List = z.strictObject({ client: ClientId.optional() });
const Failures = z.strictObject({
  id: Id,
  after: z
    .string()
    .regex(/^\d{15}#[\w-]{1,80}$/)
    .optional(),
});
const Create = z
  .strictObject({
    client: ClientId.optional(),
    all: z.literal(true).optional(),
    url: z.string(),
    events: Types.optional(),
    payload: Payload.default('thin'),
  })
  .refine(
    ({ client, all }) => (client === undefined) === (all === true),
    'needs client or all, and not both',
  );
const Update = z.strictObject({
  id: Id,
  url: z.string().optional(),
  events: Types.nullable().optional(),
  payload: Payload.optional(),
  enabled: z.boolean().optional(),
  new_secret: z.literal(true).optional(),
});
const One = z.strictObject({ id: Id });
const Replay = z
  .strictObject({
    id: Id,
    since: Time.optional(),
    event: z
      .string()
      .regex(/^evt_[\w-]{1,80}$/)
      .optional(),
  })
  .refine(
    ({ since, event }) => (since === undefined) !== (event === undefined),
    'needs since or event, and not both',
  );
const Move = z.strictObject({ from: RegionName, to: RegionName, since: Time.optional() });

const PAGE = 100;
/** For so long the secret before signs, too. */
const SECRET_OVERLAP_MS = 24 * 3_600_000;
/** A receiver looks at eight signatures: five by secrets, and two by the platform's keys. */
const MOST_PREVIOUS = 4;

const byId = ({ id }: { id: string }): string => id;
const noEndpoint = (id: string): AdminError => new AdminError(404, 'not_found', `there is no endpoint ${id}`);

export interface WebhookReadOptions extends ShowEndpointOptions {
  readonly endpoints: Endpoints;
  readonly events: Events;
}

export const webhookReadActions = ({ endpoints, ...options }: WebhookReadOptions): Actions => ({
  'webhooks.list': action(
    List,
    ({ client }) => client ?? ALL_CLIENTS,
    async ({ client }) => {
      const { endpoints: all, retries } = await endpoints.list();
      const listed = all.filter((each) => client === undefined || each.client === client);
      const show = await showEndpoints({ endpoints, ...options });
      return {
        endpoints: await Promise.all(listed.map((each) => show(each, retries.get(each.id) ?? []))),
      };
    },
  ),
  'webhooks.failures': action(Failures, byId, async ({ id, after }) => {
    if (!(await endpoints.get(id))) throw noEndpoint(id);
    const { letters, next } = await endpoints.dead(id, after, PAGE);
    return { failures: letters.map(failure), ...(next !== undefined && { next }) };
  }),
});

export interface WebhookWriteOptions extends WebhookReadOptions {
  readonly clients: Pick<Clients, 'load'>;
  /** Of `webhook`. */
  readonly publicKeys: Pick<PublicKeys, 'read'>;
  /** Kids of `webhook` that an operator revoked. */
  readonly refusedKeys: () => Promise<readonly string[]>;
  /** Hard limit on the age of the copy of the public keys. */
  readonly keysetMaxAgeMs: number;
  readonly roots: KeysetCache;
  readonly refusedRoots: () => Promise<readonly string[]>;
  readonly guard: Guard;
  readonly resolve: Resolve;
  readonly wake: (ids: readonly string[], delayMs: number) => Promise<void>;
}

export function webhookWriteActions(options: WebhookWriteOptions): Actions {
  const { endpoints, events, clients, region, wake, nowMs } = options;

  /** The schedule wakes it within a minute, so a failure here costs no more. */
  const hurry = (id: string): Promise<void> => wake([id], 0).catch(() => {});

  async function found(id: string): Promise<Endpoint> {
    const endpoint = await endpoints.get(id);
    if (!endpoint) throw noEndpoint(id);
    return endpoint;
  }

  /** Two Regions that change one item at a time overwrite each other, so only the holder changes any. */
  async function held(id: string): Promise<Endpoint> {
    const endpoint = await found(id);
    const { holder } = endpoint;
    if (holder !== region)
      throw new AdminError(
        409,
        'other_region',
        `${holder} delivers to ${id}: ask that Region (--region ${holder}); where it is lost, evacuate it first`,
      );
    if (!endpoint.takesOver) return endpoint;
    await takeOver(options, endpoint);
    return held(id);
  }

  /** @throws AdminError where the endpoint was deleted or moved meanwhile; the change may be lost then */
  async function change(endpoint: Endpoint, changes: Parameters<Endpoints['change']>[1]): Promise<void> {
    if (await endpoints.change(endpoint, changes)) return;
    await held(endpoint.id);
    throw new Unavailable('clients');
  }

  return {
    'webhooks.create': action(
      Create,
      ({ client }) => client ?? ALL_CLIENTS,
      async ({ client = ALL_CLIENTS, url, events: types = null, payload }) => {
        const owner = client === ALL_CLIENTS ? undefined : await clients.load(client);
        if (client !== ALL_CLIENTS && !owner) throw noClient(client);
        await requireReachable(options, url);
        const now = nowMs();
        const id = `ep_${base62(BigInt(`0x${randomBytes(11).toString('hex')}`), 16)}`;
        const salt = randomBytes(16);
        const root = await signingRoot(options);
        const platformKey = await publicSigningKey(options);
        await endpoints.create({
          ...{ id, client, url, urlSinceMs: now, events: types, payload },
          clientSinceMs: owner?.createdAtMs ?? 0,
          ...{ rootKid: root.kid, salt, previous: [] },
          ...newProgress(now),
          ...{ holder: region, cursor: (await events.range(client))?.last ?? 0 },
          ...{ createdAtMs: now, lease: null, leaseUntilMs: 0 },
        });
        await hurry(id);
        return {
          id,
          secret: secretOf(root, salt, id),
          public_key: publicKeyText(platformKey.jwk),
          state: 'pending',
        };
      },
    ),

    'webhooks.update': action(
      Update,
      byId,
      async ({ id, url, events: types, payload, enabled, new_secret }) => {
        if (url !== undefined) await requireReachable(options, url);
        const before = await held(id);
        const now = nowMs();
        const salt = randomBytes(16);
        const root = new_secret ? await signingRoot(options) : undefined;
        // One that was given up must answer a ping before it gets events. So must another URL.
        const begins = enabled === true && before.state !== 'active';
        await change(before, {
          ...(url !== undefined && { url, urlSinceMs: now }),
          ...(types !== undefined && { events: types }),
          ...(payload !== undefined && { payload }),
          ...(root && {
            rootKid: root.kid,
            salt,
            previous: overlapping(before, now),
          }),
          ...(enabled === false && { state: 'disabled' as const, ping: null }),
          ...(begins && {
            ...{ state: 'pending' as const, ping: pingAt(now), failingSinceMs: null },
            ...{ openSinceMs: null, probes: 0, probeAtMs: 0 },
          }),
        });
        await hurry(id);
        const show = await showEndpoints(options);
        const endpoint = await show(await found(id), await endpoints.retries(id));
        return { ...endpoint, ...(root && { secret: secretOf(root, salt, id) }) };
      },
    ),

    'webhooks.delete': action(One, byId, async ({ id }) => {
      if (!(await endpoints.remove(id))) throw noEndpoint(id);
      return { id };
    }),

    'webhooks.test': action(One, byId, async ({ id }) => {
      const endpoint = await held(id);
      const { state } = endpoint;
      if (state !== 'active' && state !== 'pending') throw disabled(id, state);
      await change(endpoint, { ping: pingAt(nowMs()) });
      await hurry(id);
      return { id };
    }),

    'webhooks.replay': action(Replay, byId, async ({ id, since, event }) => {
      const endpoint = await held(id);
      if (endpoint.state === 'disabled' || endpoint.state === 'gone') throw disabled(id, endpoint.state);
      if (since !== undefined) {
        const from = Math.min(endpoint.cursor, await seqBefore(events, endpoint.client, since));
        const cursorAtMs = Math.min(endpoint.cursorAtMs, since);
        await change(endpoint, { cursor: from, cursorAtMs, probeAtMs: nowMs() });
        // Reading on leaves out what waits for a retry.
        const retries = await endpoints.retries(id);
        await Promise.all(retries.map((retry) => endpoints.hasten(id, retry.event, nowMs())));
        await takeUp(options, endpoint, since);
        await hurry(id);
        return { from };
      }
      if ((await endpoints.retries(id)).some((retry) => retry.event === event)) {
        await change(endpoint, { probeAtMs: nowMs() });
        await endpoints.hasten(id, event!, nowMs());
        await hurry(id);
        return { from: endpoint.cursor };
      }
      const letter = await findDead(endpoints, id, event!);
      if (!letter)
        throw new AdminError(
          404,
          'not_found',
          `${event} neither waits for a retry nor was given up by ${id}: replay since a time instead`,
        );
      const now = nowMs();
      const { deadAtMs: _, ...rest } = letter;
      await endpoints.putRetry(id, { ...rest, attempts: 0, firstAtMs: now, nextAtMs: now });
      await endpoints.dropDead(id, letter);
      await hurry(id);
      return { from: endpoint.cursor };
    }),

    'webhooks.move': action(
      Move,
      ({ from, to }) => `${from}>${to}`,
      async ({ from, to, since }) => {
        if (to !== region)
          throw new AdminError(409, 'other_region', `only ${to} takes over for itself: ask that Region`);
        const { endpoints: all } = await endpoints.list();
        const moved: string[] = [];
        for (const each of all)
          if (each.holder === from && from !== to)
            if (await endpoints.move(each, { holder: to, atMs: nowMs(), sinceMs: since }))
              moved.push(each.id);
        await wake(moved, 0).catch(() => {});
        return { moved };
      },
    ),
  };
}

const disabled = (id: string, state: string): AdminError =>
  new AdminError(
    409,
    'endpoint_disabled',
    `${id} is ${state}: enable it first (webhooks.update, enabled: true)`,
  );

/** @throws AdminError where a callback to the URL could never be sent */
async function requireReachable({ guard, resolve }: WebhookWriteOptions, url: string): Promise<void> {
  const refuse = (why: string) => new AdminError(400, 'malformed_request', `params.url: ${why}`);
  const fault = guard.urlFault(url);
  if (fault !== undefined) throw refuse(fault);
  const { hostname } = new URL(url);
  let addresses: Awaited<ReturnType<Resolve>>;
  try {
    addresses = await guarded(guard, resolve, hostname);
  } catch (error) {
    const { code } = error as { code?: string };
    throw refuse(
      code === 'REFUSED_ADDRESS'
        ? 'its host leads to an address that is not public'
        : 'its host has no address in DNS',
    );
  }
  // Outside a VPC a function calls out by IPv4 alone.
  if (!addresses.some(({ family }) => family === 4)) throw refuse('its host has no IPv4 address');
}

async function signingRoot({ roots, refusedRoots, nowMs }: WebhookWriteOptions): Promise<KeysetKey> {
  const root = await roots.signingKey(nowMs());
  if (!root) throw new Unavailable('keyset webhook-root: no key yet (countersign keys init)');
  // The keyset may be 10 seconds old.
  if ((await refusedRoots()).includes(root.kid))
    throw new AdminError(
      503,
      'unavailable',
      `webhook root ${root.kid} was revoked moments ago: try again in 10 seconds`,
    );
  return root;
}

/** Reads no private key that signs callbacks: the function that delivers them copies the public halves. */
async function publicSigningKey(options: WebhookWriteOptions): Promise<KeysetKey> {
  const { publicKeys, refusedKeys, keysetMaxAgeMs, nowMs } = options;
  const [copy, refused] = await Promise.all([publicKeys.read(), refusedKeys()]);
  const isFresh = copy && copy.atMs > nowMs() - keysetMaxAgeMs;
  const keyset = isFresh && { ...copy.keyset, revoked: [...copy.keyset.revoked, ...refused] };
  const key = keyset && signingKey(keyset, nowMs());
  if (!key)
    throw new Unavailable(
      'public keys of webhook: none yet (countersign keys init; a new key is copied within a minute)',
    );
  return key;
}

/**
 * A consumer may still have the oldest of them: an operator makes another secret where the answer with the
 * new one was lost.
 *
 * @returns the secrets that sign beside a new one @throws AdminError where they are too many
 */
function overlapping({ id, rootKid, salt, previous }: Endpoint, nowMs: number): PreviousSecret[] {
  const signing = previous.filter(({ untilMs }) => untilMs > nowMs);
  if (signing.length < MOST_PREVIOUS)
    return [...signing, { rootKid, salt, untilMs: nowMs + SECRET_OVERLAP_MS }];
  throw new AdminError(
    409,
    'too_many_secrets',
    `${id} has ${MOST_PREVIOUS + 1} secrets that sign: the oldest ends at ${new Date(signing[0]!.untilMs).toISOString()}, try again then`,
  );
}

const secretOf = (root: KeysetKey, salt: Uint8Array, endpointId: string): string =>
  deriveEndpointSecret({ root: keyBytes(root), salt, endpointId });

/**
 * Drops the dead letters of events that an endpoint gets again from its cursor: one that fails again gets
 * another letter, and one that is delivered is no failure any more.
 */
async function takeUp(
  { endpoints, events }: WebhookWriteOptions,
  { id, events: types }: Endpoint,
  sinceMs: number,
): Promise<void> {
  let after: string | undefined;
  do {
    const { letters, next } = await endpoints.dead(id, after, PAGE);
    await Promise.all(
      letters.map(async (letter) => {
        const comesAgain = Date.parse(letter.timestamp) >= sinceMs && (types?.includes(letter.type) ?? true);
        if (comesAgain && (await events.has(letter.event))) await endpoints.dropDead(id, letter);
      }),
    );
    after = next;
  } while (after !== undefined);
}

async function findDead(endpoints: Endpoints, id: string, event: string): Promise<DeadLetter | undefined> {
  let after: string | undefined;
  do {
    const { letters, next } = await endpoints.dead(id, after, PAGE);
    const letter = letters.find((each) => each.event === event);
    if (letter) return letter;
    after = next;
  } while (after !== undefined);
  return undefined;
}

const failure = (letter: DeadLetter) => ({
  event: letter.event,
  type: letter.type,
  first_at: new Date(letter.firstAtMs).toISOString(),
  attempts: letter.attempts,
  last_status: letter.lastStatus,
  last_error: letter.lastError,
  dead_at: new Date(letter.deadAtMs).toISOString(),
});
