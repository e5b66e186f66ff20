/** What may be logged or shown of a call: these members, and no others. */
import { safe } from './errors.ts';

/** The members of a log entry. */
export interface LogFields {
  readonly method?: string | undefined;
  /** Path, with `{id}` or `{after}` in place of a value. */
  readonly route?: string | undefined;
  readonly region?: string | undefined;
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  /** From 1. */
  readonly attempt?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly requestId?: string | undefined;
  readonly kid?: string | undefined;
  /** RFC 3339, UTC. */
  readonly expiresAt?: string | undefined;
}

const FIELDS = Object.keys({
  method: 0,
  route: 0,
  region: 0,
  status: 0,
  code: 0,
  attempt: 0,
  waitMs: 0,
  requestId: 0,
  kid: 0,
  expiresAt: 0,
} satisfies Record<keyof LogFields, 0>);

const HEADERS = [
  'cache-control',
  'content-length',
  'content-type',
  'countersign-key-expires',
  'countersign-request-id',
  'date',
  'etag',
  'idempotency-replayed',
  'location',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
];

/** @returns the allowed members; texts lose what looks like a secret. A URL or a user is never there */
export function loggable(fields: object): LogFields {
  const shown = Object.entries(fields)
    .filter(([name, value]) => FIELDS.includes(name) && value !== undefined)
    .map(([name, value]) => [name, typeof value === 'number' ? value : safe(String(value))]);
  return Object.fromEntries(shown);
}

/** @returns an answer's headers that hold no secret: a nonce is one */
export function shownHeaders(headers: Headers): Record<string, string> {
  const shown = HEADERS.flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, safe(value)] as const];
  });
  return Object.fromEntries(shown);
}
