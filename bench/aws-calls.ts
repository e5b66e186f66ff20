/**
 * Counts what the platform's AWS endpoint in this process receives. Events are counted apart: each Region
 * writes them after the answer, so no client waits for them, and their number says nothing of a request.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ENDPOINTS } from '../lambda/contract/items.ts';
import { tableName } from '../lambda/contract/names.ts';
import { STAGE } from '../local/stage.ts';

export interface Received {
  /** By operation. */
  readonly calls: Readonly<Record<string, number>>;
  /** Calls that were not answered 200, by operation. */
  readonly refused: Readonly<Record<string, number>>;
  /** Bytes on the endpoint's sockets, from its clients and to them. */
  readonly bytes: { readonly sent: number; readonly received: number };
}

/** The request path, and the work of events and their endpoints. */
export const WORK = ['requests', 'events'] as const;
export type Work = (typeof WORK)[number];
export type Counted = Readonly<Record<Work, Received>>;

export interface Watch {
  /** @returns what was received since the last time */
  take(): Counted;
  /** Waits until no event is left to write. */
  settle(): Promise<void>;
  stop(): void;
}

/** Several polls of the streams that events are made from (local/callbacks.ts). */
const QUIET_MS = 1_500;
const EVENTS = tableName(STAGE, 'events');

/** To call before the platform starts: so no socket has carried bytes that were not seen. */
export function watchAws(now = () => performance.now(), pause: (ms: number) => Promise<void> = delay): Watch {
  let counts = { requests: nothing(), events: nothing() };
  let writtenMs = now();
  const bodies = new WeakMap<IncomingMessage, Buffer[]>();
  const sockets = new WeakMap<Socket, { sent: number; received: number }>();

  const onStart = (message: unknown) => {
    const { request } = message as { request: IncomingMessage };
    if (request.headers['x-amz-target'] === undefined) return;
    const chunks: Buffer[] = [];
    bodies.set(request, chunks);
    // A second reader of the stream would take chunks from the endpoint, so they are seen on their way in.
    const push = request.push.bind(request);
    request.push = (chunk, encoding) => {
      if (chunk) chunks.push(chunk);
      return push(chunk, encoding);
    };
  };
  const onFinish = (message: unknown) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    const chunks = bodies.get(request);
    if (!chunks) return;
    const operation = String(request.headers['x-amz-target']).split('.').at(-1)!;
    const input: Input = JSON.parse(Buffer.concat(chunks).toString() || '{}');
    const { calls, refused, bytes } = counts[workOf(input)];
    calls[operation] = (calls[operation] ?? 0) + 1;
    if (response.statusCode !== 200) refused[operation] = (refused[operation] ?? 0) + 1;
    if (input.TableName === EVENTS) writtenMs = now();
    // A socket carries one call at a time.
    const { bytesRead: sent, bytesWritten: received } = request.socket;
    const before = sockets.get(request.socket) ?? { sent: 0, received: 0 };
    bytes.sent += sent - before.sent;
    bytes.received += received - before.received;
    sockets.set(request.socket, { sent, received });
  };
  subscribe('http.server.request.start', onStart);
  subscribe('http.server.response.finish', onFinish);
  return {
    take() {
      const taken = counts;
      counts = { requests: nothing(), events: nothing() };
      return taken;
    },
    async settle() {
      const sinceMs = now();
      for (;;) {
        const leftMs = Math.max(sinceMs, writtenMs) + QUIET_MS - now();
        if (leftMs <= 0) return;
        await pause(leftMs);
      }
    },
    stop() {
      unsubscribe('http.server.request.start', onStart);
      unsubscribe('http.server.response.finish', onFinish);
    },
  };
}

interface Input {
  readonly TableName?: string;
  readonly ExpressionAttributeValues?: Readonly<Record<string, { readonly S?: string }>>;
}

/** Endpoints are a partition of `clients`. Their list is read with batches of events, and by a schedule. */
function workOf({ TableName, ExpressionAttributeValues = {} }: Input): Work {
  const isOfEndpoints = Object.values(ExpressionAttributeValues).some(({ S }) => S === ENDPOINTS);
  return TableName === EVENTS || isOfEndpoints ? 'events' : 'requests';
}

const nothing = () => ({
  calls: {} as Record<string, number>,
  refused: {} as Record<string, number>,
  bytes: { sent: 0, received: 0 },
});

/**
 * What was received until the answers, with the events that were written until later.
 *
 * @param later those that were written since
 */
export const withLater = ({ requests, events }: Counted, { events: later }: Counted): Counted => ({
  requests,
  events: {
    calls: sum(events.calls, later.calls),
    refused: sum(events.refused, later.refused),
    bytes: {
      sent: events.bytes.sent + later.bytes.sent,
      received: events.bytes.received + later.bytes.received,
    },
  },
});

function sum(a: Received['calls'], b: Received['calls']): Received['calls'] {
  const both = { ...a };
  for (const [operation, made] of Object.entries(b)) both[operation] = (both[operation] ?? 0) + made;
  return both;
}

export const totalOf = (calls: Received['calls']): number =>
  Object.values(calls).reduce((total, made) => total + made, 0);

/** @returns how many of each operation there are for each registration, the most frequent first */
export const kindsOf = (calls: Received['calls'], registrations: number): string =>
  Object.entries(calls)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, made]) => `${(made / registrations).toFixed(4)} ${kind}`)
    .join(', ');

/** For the notes of tables that show both. */
export const APART =
  'Events are counted apart, by the table that a call names: each Region’s outbox reads registrations from a stream and writes their events after the answer, as many times as [cost](cost.md#events-and-callbacks) says. No client waits for them. They are counted until all are written, in both Regions.';
