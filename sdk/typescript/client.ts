/** The client: it registers users, and reads and deletes registrations. */
import { platformSource } from '#identity';
import { createTransport } from '#transport';
import { isBaseUrl } from '../../protocol/base-url.ts';
import { sleep } from './abort.ts';
import { type BatchOptions, type BatchResult, runBatch } from './batch.ts';
import { type Call, Caller } from './caller.ts';
import { type Credential, createSigner, type PrivateKeyCredential } from './credential.ts';
import { environment } from './environment.ts';
import { ClientClosedError, InvalidArgumentError } from './errors.ts';
import { type EventsOptions, type PageCall, type ReadEvent, readEvents } from './events.ts';
import type { Hooks } from './hooks.ts';
import { type Answer, exchange, type Request } from './http.ts';
import { IdentityKeys } from './identity/keys.ts';
import { type Identity, type IdentitySource, PLATFORMS } from './identity/source.ts';
import { type ClientKeys, Keys, type RotatedKey } from './keys.ts';
import { createLog, type Logger, type LogLevel } from './log.ts';
import { requireFunction, requireLimits, requireNumber, requireOptions } from './options.ts';
import {
  encodeUser,
  type Registered,
  type Registration,
  readRegistration,
  type User,
  type WithUserId,
} from './registration.ts';
import { type ResponsePromise, responsePromise } from './response.ts';
import { createRollOver } from './roll-over.ts';
import { type CompileCheck, createPrecheck, type Precheck } from './user-check.ts';

/** Which key signs; with none of these options, the API key of the environment's `COUNTERSIGN_API_KEY`. */
export type CredentialOptions =
  | PrivateKeyCredential
  | { readonly apiKey?: string | undefined }
  | {
      /**
       * Without a secret: by the identity token of the platform that the workload runs on, which `auto` finds
       * in the environment; or by a function that gets one. The client makes a key, registers it, and renews
       * it in time; the key is written nowhere. See docs/enrolment.md.
       */
      readonly identity: Identity;
    };

export interface ClientSettings extends Hooks {
  /**
   * Base URL of the entry, or of the Region to prefer: https, or http for this machine.
   *
   * @default the environment's `COUNTERSIGN_URL`
   */
  readonly url?: string | undefined;
  /**
   * Base URLs of further Regions to trust. The client uses Regions on `url`'s host and its sub-domains
   * anyway, and ignores every other Region that the platform names. A platform without a domain needs this
   * for its `execute-api` URLs.
   *
   * @default []
   */
  readonly regions?: readonly string[];
  /** Limit on one attempt, in milliseconds. A call with retries takes longer. @default 10000 */
  readonly timeoutMs?: number;
  /**
   * How often a call may back off and try again; 0: never. A fail-over to another Region does not count.
   * @default 4
   */
  readonly maxRetries?: number;
  /**
   * How many retries with backoff all calls of the client may make together; a retry that succeeds gives its
   * own back, and ten other successes add one.
   * Where it is used up, a failure is final, and its message says so. @default 50
   */
  readonly retryBudget?: number;
  /**
   * Called with the client's next key, which the client gets by itself in the last 14 days of its key; a key
   * pair only if there is a callback. The client signs with it once the callback has returned. If it throws,
   * the client asks again after an hour.
   */
  readonly onKeyRotated?: (key: RotatedKey) => unknown;
  /**
   * Checks each user by the platform's registration schema before it is sent, with `schemaCheck` of
   * `@countersign/sdk/schema`. A bad user is then an InvalidRegistrationError without a request.
   *
   * @default none: the platform checks
   */
  readonly checkUsers?: CompileCheck | undefined;
  /** Where the client logs; see `logLevel`. @default console */
  readonly logger?: Logger;
  /**
   * The least that is logged. No key, proof, nonce, id or user is logged on any level.
   *
   * @default warn
   */
  readonly logLevel?: LogLevel;
  /** Sends requests in place of the built-in transport. */
  readonly fetch?: typeof fetch;
}

export type ClientOptions = CredentialOptions & ClientSettings;

/** Parts that tests replace. @internal */
export interface Internals {
  readonly now?: () => number;
  readonly random?: () => number;
  readonly sleep?: typeof sleep;
}

export interface CallOptions {
  /** An abort ends the call, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Limit on one attempt, in milliseconds. @default the client's own */
  readonly timeoutMs?: number | undefined;
  /** How often the call may back off and try again; 0: never. @default the client's own */
  readonly maxRetries?: number | undefined;
}

/**
 * Registers users with a Countersign platform. Create one client and share it: all its calls share the
 * connections, the nonces and the retry budget.
 *
 * @example
 * await using client = new CountersignClient({ url, apiKey });
 * const registration = await client.register({ user_id: 'ada', email: 'ada@example.com' });
 */
export class CountersignClient {
  // `#` members cannot be inspected or serialised: a logged client does not show its key.
  readonly #caller: Caller;
  readonly #closed = new AbortController();
  readonly #closeTransport: () => Promise<void>;
  readonly #keys: ClientKeys;
  readonly #precheck: Precheck | undefined;

  /** @throws InvalidArgumentError where an option is missing or wrong. The message never quotes a key. */
  constructor(options: ClientOptions = {}, internals: Internals = {}) {
    requireOptions(options, OPTIONS);
    const {
      timeoutMs = 10_000,
      maxRetries = 4,
      retryBudget = 50,
      logger = console,
      logLevel = 'warn',
    } = options;
    for (const name of FUNCTIONS) requireFunction(name, options[name]);
    const url = requireBaseUrl('url', options.url ?? environment('COUNTERSIGN_URL'));
    if (!Array.isArray(options.regions ?? [])) throw new InvalidArgumentError('regions must be a list');
    const regions = (options.regions ?? []).map((region) => requireBaseUrl('each of regions', region));
    requireLimits({ timeoutMs, maxRetries });
    requireNumber('retryBudget', retryBudget, 0);
    const log = createLog(logger, logLevel);
    const now = internals.now ?? Date.now;
    const transport = options.fetch ? undefined : createTransport();
    this.#closeTransport = async () => transport?.close();
    const fetchWith = options.fetch ?? transport!.fetch;
    const identity = identitySource(options);
    const own = identity ? undefined : new Keys(createSigner(credentialOf(options)));
    const closed = this.#closed.signal;
    const exchangeWith = (request: Request, signals: readonly AbortSignal[]) =>
      exchange(request, { fetch: fetchWith, timeoutMs, signals });
    const keys: ClientKeys =
      own ?? new IdentityKeys({ source: identity!, exchange: exchangeWith, signals: [closed], log });
    this.#keys = keys;
    this.#caller = new Caller({
      url,
      regions,
      keys,
      // The keys of an instance renew themselves.
      onKeyExpiring: (signer, expiresAtMs) => rollOver?.(signer, expiresAtMs),
      fetch: fetchWith,
      timeoutMs,
      maxRetries,
      retryBudget,
      closed,
      hooks: options,
      log,
      now,
      random: internals.random ?? Math.random,
      sleep: internals.sleep ?? sleep,
    });
    const { onKeyRotated, checkUsers } = options;
    this.#precheck =
      checkUsers &&
      createPrecheck(checkUsers, () => log('warn', "the platform's schema cannot be checked here"));
    const rollOver = own && createRollOver({ caller: this.#caller, keys: own, onKeyRotated, log, now });
  }

  /** This client's id on the platform. With `identity` it is empty until the first call. */
  get clientId(): string {
    return this.#keys.clientId;
  }

  /**
   * Registers a user. Repeating it is safe: the same user with the same data is the same registration. A
   * retry uses another nonce, because the first may be used up. A user is a `User`, unless `U` names the type
   * of the operator's own schema. The type is not inferred, so that a misspelt member does not compile.
   *
   * @returns the registration, and whether it was registered before
   * @throws RegistrationConflictError where the user is registered with other data; InvalidRegistrationError,
   * which names every bad field; InvalidArgumentError where JSON cannot express the user; any other
   * CountersignError
   */
  register<U extends WithUserId = User>(
    user: NoInfer<U>,
    options: CallOptions = {},
  ): ResponsePromise<Registered<U>> {
    return this.#call(options, () => {
      const body = encodeUser(user);
      // The user as it was sent, if it was sent at all: plain JavaScript may send any.
      const { user_id } = user as { user_id?: unknown };
      const user_expected = typeof user_id === 'string' && { user_id };
      const read = (answer: Answer) => ({
        ...readRegistration<U>(answer, { client_id: this.clientId, ...user_expected }),
        replayed: answer.headers.get('Idempotency-Replayed') === 'true',
      });
      const check = this.#precheck;
      const precheck =
        check && ((schema: object) => check(schema, JSON.parse(new TextDecoder().decode(body))));
      return { method: 'POST', path: '/v1/register', route: '/v1/register', body, precheck, read };
    });
  }

  /**
   * Registers many users, a bounded number at the same time, with one round trip each. It reads a user only
   * when one can start, so the source may be endless. Leaving the loop early ends the running registrations.
   *
   * @returns a result for each user, in the order of completion; a failed user does not stop the others
   * @throws InvalidArgumentError at once, where an option is wrong; else the source's own error or the
   * signal's reason, after the results of all registrations that had started
   * @example
   * for await (const { user, ok } of client.registerBatch(users)) if (!ok) console.warn(user.user_id);
   */
  registerBatch<U extends WithUserId = User>(
    users: Iterable<NoInfer<U>> | AsyncIterable<NoInfer<U>>,
    options: BatchOptions = {},
  ): AsyncGenerator<BatchResult<U>, void, void> {
    return runBatch<U, Registered<U>>(users, (user, signal) => this.register<U>(user, { signal }), options);
  }

  /**
   * Reads a registration of this client. No nonce is needed; each retry signs a new proof.
   *
   * @param id `id` of the registration: 43 characters of base64url
   * @throws NotFoundError where this client has no such registration; InvalidArgumentError where `id` is not
   * an id; any other CountersignError
   */
  get<U extends WithUserId = User>(id: string, options: CallOptions = {}): ResponsePromise<Registration<U>> {
    return this.#call(options, () => {
      const read = (answer: Answer) => readRegistration<U>(answer, { id, client_id: this.clientId });
      return { method: 'GET', path: pathOf(id), route: ONE, caches: true, read };
    });
  }

  /**
   * Deletes a registration of this client for good: no request that was signed before can bring it back. Each
   * retry takes a new nonce. If an attempt got no clear answer and a retry finds no registration, the call
   * succeeds.
   *
   * @param id `id` of the registration: 43 characters of base64url
   * @throws NotFoundError where there is nothing to delete; InvalidArgumentError where `id` is not an id; any
   * other CountersignError
   */
  delete(id: string, options: CallOptions = {}): ResponsePromise<void> {
    return this.#call(options, () => ({ method: 'DELETE', path: pathOf(id), route: ONE, read: () => {} }));
  }

  /**
   * Reads this client's events, in their order, up to the newest; and those from a cursor on, to continue.
   *
   * @throws InvalidArgumentError at once, where an option is wrong; any other CountersignError
   * @example
   * for await (const event of client.events({ after: cursor })) {
   *   await handle(event);
   *   cursor = event.cursor;
   * }
   */
  events(options: EventsOptions = {}): AsyncGenerator<ReadEvent, void, void> {
    const get = async (call: PageCall) => (await this.#caller.call({ ...call, method: 'GET' })).data;
    return readEvents(get, () => this.clientId, options);
  }

  /** Ends running calls, which throw ClientClosedError, and closes every connection. */
  async close(): Promise<void> {
    this.#closed.abort(new ClientClosedError());
    await this.#closeTransport();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @param make makes the call, or throws InvalidArgumentError, which the promise then has */
  #call<T>(options: CallOptions, make: () => Call<T>): ResponsePromise<T> {
    const start = async () => {
      requireOptions(options, CALL_OPTIONS);
      requireLimits(options);
      return this.#caller.call({ ...make(), ...options });
    };
    return responsePromise(start());
  }
}

/** Route of a registration. */
const ONE = '/v1/registrations/{id}';

function pathOf(id: string): string {
  if (typeof id !== 'string' || !/^[\w-]{43}$/.test(id))
    throw new InvalidArgumentError('id must be the id of a registration: 43 characters of base64url');
  return `/v1/registrations/${id}`;
}

/**
 * @returns the options that name the key, or the environment's key where none does: half a credential is a
 * mistake
 */
function credentialOf(options: ClientOptions): Credential {
  const given = CREDENTIAL.some((name) => (options as Partial<Record<string, unknown>>)[name] !== undefined);
  return (given ? options : { apiKey: environment('COUNTERSIGN_API_KEY') }) as Credential;
}

/** @throws InvalidArgumentError where another credential is given, too, or the platform is not known */
function identitySource(options: ClientOptions): IdentitySource | undefined {
  const { identity } = options as { identity?: unknown };
  if (identity === undefined) return undefined;
  const others = CREDENTIAL.filter((name) => name !== 'identity' && Object.hasOwn(options, name));
  if (others.length > 0) throw new InvalidArgumentError(`identity and ${others[0]} cannot be combined`);
  if (typeof identity === 'function') return identity as IdentitySource;
  const platform = PLATFORMS.find((each) => each === identity);
  if (!platform) throw new InvalidArgumentError(`identity must be ${PLATFORMS.join(', ')} or a function`);
  return platformSource(platform);
}

const CREDENTIAL = Object.keys({
  apiKey: 0,
  clientId: 0,
  privateKey: 0,
  alg: 0,
  kid: 0,
  identity: 0,
} satisfies Record<KeyOf<CredentialOptions>, 0>);

const FUNCTIONS = ['fetch', 'checkUsers', 'onQuotaWait', 'onKeyRotated', 'onRequest', 'onRetry'] as const;

const CALL_OPTIONS = Object.keys({
  signal: 0,
  timeoutMs: 0,
  maxRetries: 0,
} satisfies Record<keyof CallOptions, 0>);

const OPTIONS = Object.keys({
  url: 0,
  regions: 0,
  timeoutMs: 0,
  maxRetries: 0,
  retryBudget: 0,
  onQuotaWait: 0,
  onKeyRotated: 0,
  onRequest: 0,
  onRetry: 0,
  checkUsers: 0,
  logger: 0,
  logLevel: 0,
  fetch: 0,
} satisfies Record<keyof ClientSettings, 0>).concat(CREDENTIAL);

type KeyOf<T> = T extends unknown ? keyof T : never;

function requireBaseUrl(name: string, value: unknown): string {
  if (value === undefined || value === '')
    throw new InvalidArgumentError(
      `${name} is missing${name === 'url' ? ': pass it, or set COUNTERSIGN_URL' : ''}`,
    );
  const url = typeof value === 'string' ? value.replace(/\/$/, '') : value;
  if (isBaseUrl(url)) return url;
  throw new InvalidArgumentError(
    `${name} must be a base URL: https (or http for this machine only), without user, query or fragment`,
  );
}
