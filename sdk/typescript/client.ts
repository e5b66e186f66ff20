/** The client: registers users, reads and deletes registrations. */
import { createTransport } from '#transport';
import { isBaseUrl } from '../../protocol/base-url.ts';
import { sleep } from './abort.ts';
import { type BatchOptions, type BatchResult, runBatch } from './batch.ts';
import { Caller } from './caller.ts';
import { type Credential, createSigner } from './credential.ts';
import { ClientClosedError, InvalidArgumentError } from './errors.ts';
import {
  encodeUser,
  type Registered,
  type Registration,
  readRegistration,
  type User,
} from './registration.ts';

export type ClientOptions = Credential & {
  /** Base URL of the entry, or of the Region to prefer: https, or http on this machine. */
  readonly url: string;
  /**
   * Base URLs of Regions that may be used too. Needed for those that lie elsewhere than on `url`'s host or below it, such as
   * the `execute-api` URLs of a platform without a domain; any other Region that the platform names is left out.
   *
   * @default []
   */
  readonly regions?: readonly string[];
  /** For one attempt, in milliseconds; a call that is retried takes longer. @default 10000 */
  readonly timeoutMs?: number;
  /** How often a call backs off and tries again; 0: never. Failing over to another Region is not counted. @default 4 */
  readonly maxRetries?: number;
  /** Called once for all calls that wait for the client's quota, with how long that takes, in milliseconds. */
  readonly onQuotaWait?: (waitMs: number) => void;
  /** Sends requests in place of the built-in transport. */
  readonly fetch?: typeof fetch;
};

/** What tests replace. @internal */
export interface Internals {
  readonly now?: () => number;
  readonly random?: () => number;
  readonly sleep?: typeof sleep;
}

export interface CallOptions {
  /** Ends the call, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Registers users with a Countersign platform. Safe to share: one client holds the connections, the nonces and the
 * retry budget of all its calls.
 *
 * @example
 * await using client = new CountersignClient({ url, apiKey });
 * const registration = await client.register({ user_id: 'ada', email: 'ada@example.com' });
 */
export class CountersignClient {
  // Private in the language's own sense: neither inspecting nor serialising a client shows its key.
  readonly #caller: Caller;
  readonly #closed = new AbortController();
  readonly #closeTransport: () => Promise<void>;
  readonly #clientId: string;

  /** @throws InvalidArgumentError */
  constructor(options: ClientOptions, internals: Internals = {}) {
    const { timeoutMs = 10_000, maxRetries = 4 } = options;
    const url = requireBaseUrl('url', options.url);
    if (!Array.isArray(options.regions ?? [])) throw new InvalidArgumentError('regions must be a list');
    const regions = (options.regions ?? []).map((region) => requireBaseUrl('each of regions', region));
    requireNumber('timeoutMs', timeoutMs, 1, LONGEST_TIMER_MS);
    requireNumber('maxRetries', maxRetries, 0);
    const signer = createSigner(options);
    const transport = options.fetch ? undefined : createTransport();
    this.#clientId = signer.clientId;
    this.#closeTransport = async () => transport?.close();
    this.#caller = new Caller({
      url,
      regions,
      signer,
      fetch: options.fetch ?? transport!.fetch,
      timeoutMs,
      maxRetries,
      closed: this.#closed.signal,
      onQuotaWait: options.onQuotaWait ?? (() => {}),
      now: internals.now ?? Date.now,
      random: internals.random ?? Math.random,
      sleep: internals.sleep ?? sleep,
    });
  }

  /** Who this client is to the platform. */
  get clientId(): string {
    return this.#clientId;
  }

  /**
   * Registers a user. Repeating it is safe: the same user with the same data is the same registration. A retry takes
   * a nonce of its own, since the first may be spent. A user is a `User`, unless `U` names what the operator's own schema
   * wants: the type is not inferred, so that a misspelt member does not compile.
   *
   * @throws RegistrationConflictError where the user is registered with other data; InvalidRegistrationError, which
   * names every bad field; any other CountersignError
   */
  async register<U extends object = User>(
    user: NoInfer<U>,
    options: CallOptions = {},
  ): Promise<Registered<U>> {
    const body = encodeUser(user);
    const answer = await this.#caller.call({ method: 'POST', path: '/v1/register', body, ...options });
    const replayed = answer.headers.get('Idempotency-Replayed') === 'true';
    // As it was sent, where it was sent at all: an operator's own schema decides what a user is.
    const { user_id } = user as { user_id?: unknown };
    const expected = { client_id: this.#clientId, ...(typeof user_id === 'string' && { user_id }) };
    return { ...readRegistration<U>(answer, expected), replayed };
  }

  /**
   * Registers many users, a bounded number at a time, in one round trip each. Nothing is read ahead of what is under
   * way, so the source may be endless; leaving the loop early ends what is under way.
   *
   * @returns a result for each user, in the order of completion; no failure of one stops the others
   * @throws the source's own error, or the signal's reason, after the results of all that was begun
   * @example
   * for await (const { user, ok } of client.registerBatch(users)) if (!ok) console.warn(user.user_id);
   */
  registerBatch<U extends object = User>(
    users: Iterable<NoInfer<U>> | AsyncIterable<NoInfer<U>>,
    options: BatchOptions = {},
  ): AsyncGenerator<BatchResult<U>, void, void> {
    return runBatch<U, Registered<U>>(users, (user, signal) => this.register<U>(user, { signal }), options);
  }

  /**
   * Reads a registration of this client. A retry signs anew; no nonce is needed.
   *
   * @throws NotFoundError; any other CountersignError
   */
  async get<U extends object = User>(id: string, options: CallOptions = {}): Promise<Registration<U>> {
    const answer = await this.#caller.call({ method: 'GET', path: pathOf(id), ...options });
    return readRegistration<U>(answer, { id, client_id: this.#clientId });
  }

  /**
   * Deletes a registration of this client, for good: no request signed before now brings it back. A retry takes a
   * nonce of its own; one that finds the registration gone after an unclear answer has succeeded.
   *
   * @throws NotFoundError where there was nothing to delete; any other CountersignError
   */
  async delete(id: string, options: CallOptions = {}): Promise<void> {
    await this.#caller.call({ method: 'DELETE', path: pathOf(id), ...options });
  }

  /** Ends calls under way (ClientClosedError) and closes every connection. */
  async close(): Promise<void> {
    this.#closed.abort(new ClientClosedError());
    await this.#closeTransport();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function pathOf(id: string): string {
  if (typeof id !== 'string' || !/^[\w-]{43}$/.test(id))
    throw new InvalidArgumentError('id must be that of a registration: 43 characters of base64url');
  return `/v1/registrations/${id}`;
}

function requireBaseUrl(name: string, value: unknown): string {
  const url = typeof value === 'string' ? value.replace(/\/$/, '') : value;
  if (isBaseUrl(url)) return url;
  throw new InvalidArgumentError(
    `${name} must be a base URL: https, or http on this machine, without user, query or fragment`,
  );
}

/** A longer one fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function requireNumber(name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (typeof value === 'number' && value >= least && value <= most) return;
  const bounds = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
  throw new InvalidArgumentError(`${name} must be a number ${bounds}`);
}
