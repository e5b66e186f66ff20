/**
 * Receives callbacks: verifies each, runs its handler once, and answers. The platform sends an event again
 * until the answer is a success, so an event that was not handled is never lost.
 */
import { CountersignError, InvalidArgumentError } from '../errors.ts';
import { type CountersignEvent, EVENT_TYPES, type EventType } from '../event.ts';
import { requireFunction, requireOptions } from '../options.ts';
import { InvalidWebhookError } from './errors.ts';
import type { WebhookKeys } from './keys.ts';
import type { WebhookStore } from './store.ts';
import { createVerifier, type Verify, type WebhookHeaders } from './verify.ts';

export interface WebhookHandlerOptions {
  /** What may have signed. */
  readonly keys: WebhookKeys;
  /** The client whose events this receiver takes, or `*`; required with public keys. */
  readonly clientId?: string;
  /** Remembers events. All instances of the receiver share one. */
  readonly store: WebhookStore;
  /** What to do, by the type of the event. An event of another type is answered with success. */
  readonly on: {
    readonly [T in EventType]?: (event: CountersignEvent<T>, context: RunContext) => unknown;
  };
  /** Called where a handler or the store fails; the platform sends the event again. @default console.error */
  readonly onError?: (error: unknown, event: CountersignEvent | undefined) => void;
}

/** What a handler gets beside the event. */
export interface RunContext {
  /**
   * Aborts where this run has lost its lease, for example because the machine slept: another run of the same
   * event may have begun.
   */
  readonly signal: AbortSignal;
}

/** An answer to the platform. */
export interface WebhookAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface WebhookHandler {
  /** Answers a POST that some other server received, such as a Lambda function. It never throws. */
  handle(body: string | Uint8Array, headers: WebhookHeaders): Promise<WebhookAnswer>;
  /** Answers a request of a server with the interface of `fetch`. */
  fetch(request: Request): Promise<Response>;
  /** Answers a request of `node:http`, or of Express where nothing has read the body before. */
  listener(request: NodeRequest, response: NodeResponse): Promise<void>;
}

/** What is used of `http.IncomingMessage`. */
export interface NodeRequest extends AsyncIterable<unknown> {
  readonly method?: string | undefined;
  readonly headers: WebhookHeaders;
  /** Whether the body was read to its end. */
  readonly readableEnded: boolean;
}

/** What is used of `http.ServerResponse`. */
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body: string): unknown;
}

/** How long a run that is gone holds up the next one. */
const LEASE_MS = 60_000;
/** Longer than a renewal that fails twice. */
const RENEW_MS = LEASE_MS / 4;
/**
 * How long a handled event is remembered. The platform tries for three days, and where a Region was lost it
 * repeats the events of 25 hours more.
 */
const REMEMBER_MS = 7 * 24 * 3600 * 1000;
/** An event with a whole registration is shorter. */
const LONGEST_BODY = 262_144;

/**
 * Creates a receiver of callbacks.
 *
 * A handler runs again where it throws, and where the process ends before the store remembers that it ran. It
 * does not run twice at the same time, however long it takes.
 *
 * @throws InvalidArgumentError where an option is missing or wrong. The message never quotes a key.
 * @example
 * const webhooks = createWebhookHandler({
 *   keys: process.env.WEBHOOK_SECRET,
 *   store: memoryStore(),
 *   on: { 'registration.created': async ({ id, data }) => { await welcome(data.id); } },
 * });
 * createServer(webhooks.listener).listen(8080);
 */
export function createWebhookHandler(options: WebhookHandlerOptions): WebhookHandler {
  requireOptions(options, ['keys', 'clientId', 'store', 'on', 'onError']);
  const { store, on, onError = (error: unknown) => console.error(error) } = options;
  for (const method of ['begin', 'renew', 'done', 'release'] as const)
    if (typeof store?.[method] !== 'function')
      throw new InvalidArgumentError('store is missing, or lacks a function of a WebhookStore');
  requireFunction('onError', options.onError);
  if (typeof on !== 'object' || on === null) throw new InvalidArgumentError('on must be an object');
  for (const [type, run] of Object.entries(on)) {
    if (!EVENT_TYPES.includes(type as EventType))
      throw new InvalidArgumentError(`there is no event ${JSON.stringify(type)}`);
    requireFunction(`on[${JSON.stringify(type)}]`, run);
  }
  const receiver = new Receiver(createVerifier(options.keys, options.clientId), store, on, onError);
  const handle: WebhookHandler['handle'] = (body, headers) => receiver.receive(body, headers);
  return {
    handle,
    async fetch(request) {
      const chunks = (request.body ?? []) as unknown as AsyncIterable<unknown>;
      const { status, headers, body } = request.bodyUsed
        ? ALREADY_READ
        : await answerTo(request.method, chunks, request.headers, handle);
      return new Response(body || null, { status, headers });
    },
    async listener(request, response) {
      const { status, headers, body } = request.readableEnded
        ? ALREADY_READ
        : await answerTo(request.method, request, request.headers, handle);
      response.writeHead(status, headers);
      response.end(body);
    },
  };
}

class Receiver {
  readonly #verify: Verify;
  readonly #store: WebhookStore;
  readonly #on: WebhookHandlerOptions['on'];
  readonly #onError: (error: unknown, event: CountersignEvent | undefined) => void;

  constructor(
    verify: Verify,
    store: WebhookStore,
    on: WebhookHandlerOptions['on'],
    onError: (error: unknown, event: CountersignEvent | undefined) => void,
  ) {
    this.#verify = verify;
    this.#store = store;
    this.#on = on;
    this.#onError = onError;
  }

  async receive(body: string | Uint8Array, headers: WebhookHeaders): Promise<WebhookAnswer> {
    let event: CountersignEvent | undefined;
    try {
      event = await this.#verify(body, headers, Date.now());
      return await this.#run(event);
    } catch (error) {
      if (error instanceof InvalidWebhookError) return refusal(401, error.message);
      this.#onError(error, event);
      return refusal(500, 'the event was not handled');
    }
  }

  async #run(event: CountersignEvent): Promise<WebhookAnswer> {
    const handler = this.#on[event.type] as
      | ((event: CountersignEvent, context: RunContext) => unknown)
      | undefined;
    if (!handler) return SUCCESS;
    const { id } = event;
    const run = crypto.randomUUID();
    const begun = await this.#store.begin(id, run, LEASE_MS);
    if (begun === 'done') return SUCCESS;
    // Success would end the attempts, but that run may yet fail. `Retry-After` would hold up other events.
    if (begun !== 'begun') return refusal(503, 'the event is being handled');
    const lease = this.#keepLease(id, run);
    try {
      await handler(event, { signal: lease.signal });
    } catch (error) {
      // If this fails too, the lease ends by itself.
      await this.#store.release(id, run).catch(() => {});
      throw error;
    } finally {
      lease.end();
    }
    await this.#store.done(id, run, REMEMBER_MS);
    return SUCCESS;
  }

  /** Renews the lease for as long as the run takes. */
  #keepLease(id: string, run: string): { readonly signal: AbortSignal; end(): void } {
    const lost = new AbortController();
    let untilMs = Date.now() + LEASE_MS;
    const timer = setInterval(async () => {
      const renewedMs = Date.now();
      // A store that does not answer may do so at the next renewal.
      const renewed = await this.#store.renew(id, run, LEASE_MS).catch(() => undefined);
      if (renewed) untilMs = renewedMs + LEASE_MS;
      else if (renewed === false || Date.now() >= untilMs) lost.abort(leaseLost());
    }, RENEW_MS);
    return { signal: lost.signal, end: () => clearInterval(timer) };
  }
}

const leaseLost = () => new CountersignError('lease_lost', 'another run of the event may have begun');

const SUCCESS: WebhookAnswer = { status: 204, headers: {}, body: '' };

const refusal = (status: number, body: string, headers: Record<string, string> = {}): WebhookAnswer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
  body: `${body}\n`,
});

const ALREADY_READ = refusal(500, 'the body was read before: nothing may read it before this receiver does');

async function answerTo(
  method: string | undefined,
  chunks: AsyncIterable<unknown>,
  headers: WebhookHeaders,
  handle: WebhookHandler['handle'],
): Promise<WebhookAnswer> {
  if (method !== 'POST') return refusal(405, 'callbacks are sent by POST', { allow: 'POST' });
  let body: Uint8Array | undefined;
  try {
    body = await readBody(chunks);
  } catch {
    return refusal(400, 'the body broke off');
  }
  return body ? handle(body, headers) : refusal(413, `the body is longer than ${LONGEST_BODY} bytes`);
}

/** @returns the body; undefined where it is too long: the rest is read, so that the sender gets an answer */
async function readBody(chunks: AsyncIterable<unknown>): Promise<Uint8Array | undefined> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size <= LONGEST_BODY) kept.push(chunk);
  }
  if (size > LONGEST_BODY) return undefined;
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of kept) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}
