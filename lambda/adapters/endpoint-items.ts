/** The items of an endpoint and of its retries, and the endpoint that they make up together. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { ENDPOINT, HOLDER, PROGRESS } from '../contract/items.ts';
import { type Item, numberOf, present, textOf } from './dynamodb.ts';
import type {
  Endpoint,
  EndpointProgress,
  EndpointSettings,
  EndpointState,
  Move,
  PreviousSecret,
  Retry,
} from './endpoints.ts';

/** Null removes an attribute. */
export type Changes = Record<string, AttributeValue | null>;

export const text = (value: string | null): AttributeValue | null => (value === null ? null : { S: value });
export const number = (value: number | null): AttributeValue | null =>
  value === null ? null : { N: String(value) };
const json = (value: object | null): AttributeValue | null => text(value && JSON.stringify(value));

/** The attribute of each member, and how its value is written. */
const SETTINGS = {
  url: ['url', text],
  urlSinceMs: ['url_since', number],
  clientSinceMs: ['client_since', number],
  events: ['events', json],
  payload: ['payload', text],
  rootKid: ['root_kid', text],
  salt: ['salt', (value: Uint8Array) => ({ B: value })],
  previous: [
    'previous_secrets',
    (value: EndpointSettings['previous']) =>
      json(value.map((each) => ({ ...each, salt: Buffer.from(each.salt).toString('base64url') }))),
  ],
} as const satisfies Attributes<EndpointSettings>;
const PROGRESS_ATTRIBUTES = {
  state: ['state', text],
  verified: ['verified', text],
  cursor: ['cursor', number],
  cursorAtMs: ['cursor_at', number],
  openSinceMs: ['open_since', number],
  probes: ['probes', number],
  probeAtMs: ['probe_at', number],
  failingSinceMs: ['failing_since', number],
  ping: ['ping', json],
  pinged: ['pinged', json],
} as const satisfies Attributes<EndpointProgress>;
type Attributes<T> = {
  readonly [M in keyof T]-?: readonly [string, (value: T[M]) => AttributeValue | null];
};

/** @returns what belongs to each of the two items */
export const split = (changes: Partial<EndpointSettings & EndpointProgress>) => ({
  settings: attributesOf<EndpointSettings>(SETTINGS, changes),
  progress: attributesOf<EndpointProgress>(PROGRESS_ATTRIBUTES, changes),
});

function attributesOf<T>(attributes: Attributes<T>, changes: Partial<T>): Changes {
  return Object.fromEntries(
    (Object.keys(attributes) as (keyof T)[]).flatMap((member) => {
      const value = changes[member];
      if (value === undefined) return [];
      const [attribute, write] = attributes[member];
      return [[attribute, write(value)]];
    }),
  );
}

const jsonOf = (item: Item, name: string) => (item[name]?.S === undefined ? null : JSON.parse(item[name].S));
const numberOrNull = (item: Item, name: string): number | null => (item[name] ? numberOf(item, name) : null);

/** The items of an endpoint, by what follows its id in their sort keys, and in the order of that. */
export type Parts = ReadonlyMap<string, Item>;

export function byEndpoint(items: readonly Item[]): Map<string, Map<string, Item>> {
  const all = new Map<string, Map<string, Item>>();
  for (const item of items) {
    const sk = textOf(item, 'sk');
    if (!sk.startsWith(ENDPOINT)) continue;
    const [id = '', ...part] = sk.slice(ENDPOINT.length).split(/(?=#)/);
    all.set(id, (all.get(id) ?? new Map<string, Item>()).set(part.join(''), item));
  }
  return all;
}

/** Terms of one endpoint are in the order of their text. */
export const termOf = ({ holder, atMs }: Move): string => `${String(atMs).padStart(15, '0')}.${holder}`;
export const termMs = (term: string): number => Number(term.slice(0, 15));

/** @returns undefined where the endpoint was deleted, or has not arrived */
export function toEndpoint(id: string, parts: Parts): Endpoint | undefined {
  const [settings, held] = [parts.get(''), parts.get(HOLDER)];
  if (!settings || !held) return undefined;
  const [holder, term] = [textOf(held, 'holder'), textOf(held, 'term')];
  const own = parts.get(PROGRESS + term);
  const progress = own ?? [...parts].findLast(([part]) => part.startsWith(PROGRESS))?.[1];
  const createdAtMs = numberOf(settings, 'created_at');
  const previous: { readonly salt: string }[] = jsonOf(settings, 'previous_secrets') ?? [];
  const endpoint: Endpoint = {
    id,
    client: textOf(settings, 'client'),
    url: textOf(settings, 'url'),
    urlSinceMs: numberOf(settings, 'url_since'),
    clientSinceMs: numberOf(settings, 'client_since'),
    events: jsonOf(settings, 'events'),
    payload: textOf(settings, 'payload') as Endpoint['payload'],
    rootKid: textOf(settings, 'root_kid'),
    salt: present(settings.salt?.B, 'salt'),
    previous: previous.map((each) => ({
      ...(each as unknown as PreviousSecret),
      salt: Buffer.from(each.salt, 'base64url'),
    })),
    ...(progress ? toProgress(progress) : newProgress(createdAtMs)),
    holder,
    term,
    takesOver: own ? null : { sinceMs: numberOrNull(held, 'since') },
    createdAtMs,
    lease: own?.lease?.S ?? null,
    leaseUntilMs: own ? numberOf(own, 'lease_until') : 0,
  };
  return { ...endpoint, ...unverified(endpoint) };
}

const toProgress = (item: Item): EndpointProgress => ({
  state: textOf(item, 'state') as EndpointState,
  verified: item.verified?.S ?? null,
  cursor: numberOf(item, 'cursor'),
  cursorAtMs: numberOf(item, 'cursor_at'),
  openSinceMs: numberOrNull(item, 'open_since'),
  probes: numberOf(item, 'probes'),
  probeAtMs: numberOf(item, 'probe_at'),
  failingSinceMs: numberOrNull(item, 'failing_since'),
  ping: jsonOf(item, 'ping'),
  pinged: jsonOf(item, 'pinged'),
});

/** @returns where an endpoint begins: it has to answer a ping */
export const newProgress = (atMs: number): EndpointProgress => ({
  ...{ state: 'pending', verified: null, cursor: 0, cursorAtMs: atMs },
  ...{ openSinceMs: null, probes: 0, probeAtMs: 0, failingSinceMs: null },
  ...{ ping: pingAt(atMs), pinged: null },
});

export const pingAt = (atMs: number): EndpointProgress['ping'] => ({
  askedAtMs: atMs,
  attempts: 0,
  nextAtMs: atMs,
});

/**
 * @returns what another URL changes: it has to answer a ping of its own, whatever the one before answers
 * meanwhile
 */
export function unverified(endpoint: Endpoint): Partial<EndpointProgress> {
  const { state, url, verified, urlSinceMs, ping, pinged } = endpoint;
  if (verified === url || (state !== 'active' && state !== 'pending')) return {};
  return {
    state: 'pending',
    ping: ping && ping.askedAtMs >= urlSinceMs ? ping : pingAt(urlSinceMs),
    pinged: pinged && pinged.atMs >= urlSinceMs ? pinged : null,
  };
}

export const fromRetry = (retry: Retry): Item => ({
  event: { S: retry.event },
  type: { S: retry.type },
  timestamp: { S: retry.timestamp },
  data: { S: retry.data },
  attempts: { N: String(retry.attempts) },
  first_at: { N: String(retry.firstAtMs) },
  next_at: { N: String(retry.nextAtMs) },
  ...(retry.lastStatus !== null && { last_status: { N: String(retry.lastStatus) } }),
  ...(retry.lastError !== null && { last_error: { S: retry.lastError } }),
});

export const toRetry = (item: Item): Retry => ({
  event: textOf(item, 'event'),
  type: textOf(item, 'type'),
  timestamp: textOf(item, 'timestamp'),
  data: textOf(item, 'data'),
  attempts: numberOf(item, 'attempts'),
  firstAtMs: numberOf(item, 'first_at'),
  nextAtMs: numberOf(item, 'next_at'),
  lastStatus: numberOrNull(item, 'last_status'),
  lastError: item.last_error?.S ?? null,
});
