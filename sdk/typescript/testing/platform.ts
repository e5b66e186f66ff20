/**
 * A platform in memory, for the tests of applications: it makes the real checks of `protocol/`, and fails on
 * demand. What it lacks: replication, so a change is in every Region at once; and what operators do, apart
 * from its own functions.
 */
import type { ProblemCode } from '../../../protocol/problem.ts';
import { type ClientSettings, CountersignClient, type CredentialOptions } from '../client.ts';
import type { CompileCheck } from '../user-check.ts';
import type { NewClient } from './clients.ts';
import { checkByDefault, DEFAULT_SCHEMA } from './default-schema.ts';
import { Server } from './server.ts';

/** A request that the platform received. */
export interface Seen {
  readonly method: string;
  /** `entry`, or a Region's name. */
  readonly region: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/**
 * Takes the place of an answer. `refuse`: no connection. `lose`: the request takes effect, and its answer is
 * lost. `timeout`: the request has no effect, and no answer.
 */
export type Fault = Response | 'refuse' | 'lose' | 'timeout';

export interface FakePlatformOptions {
  /** Names of the Regions. @default a, b */
  readonly regions?: readonly string[];
  /** Signatures a minute, for each client and Region. @default 6000 */
  readonly limit?: number;
  /** The registration schema, with `checkUsers`. @default the platform's default schema */
  readonly schema?: object;
  /** Makes the check of `schema`: `schemaCheck` of `@countersign/sdk/schema`. */
  readonly checkUsers?: CompileCheck;
  /** Epoch milliseconds. @default the system's clock */
  readonly now?: () => number;
}

/** Options of a client of this platform. */
export type FakeClientOptions = Partial<ClientSettings> &
  CredentialOptions & {
    /** How far the client's clock is ahead, in milliseconds. @default 0 */
    readonly skewMs?: number;
  };

const ENTRY = 'https://api.example.com';

/**
 * A platform of two Regions in memory, with one client, `test`.
 *
 * @example
 * const platform = new FakePlatform();
 * await using client = platform.client();
 * await client.register({ user_id: 'ada' });
 * platform.fault = ({ region }) => (region === 'a' ? 'refuse' : undefined);
 */
export class FakePlatform {
  /** The requests so far. */
  readonly requests: Seen[] = [];
  /** The waits of the clients that `client()` makes, in milliseconds. They pass at once. */
  readonly waits: number[] = [];
  /** Decides for each request whether it fails, before it is served. */
  fault: (request: Seen) => Fault | undefined = () => undefined;
  /** Base URL of the entry. */
  readonly url: string = ENTRY;
  /** The API key of the client `test`. */
  readonly apiKey: string;
  readonly #server: Server;
  readonly #regions: readonly string[];
  readonly #now: () => number;
  #aheadMs = 0;

  constructor(options: FakePlatformOptions = {}) {
    const {
      regions = ['a', 'b'],
      limit = 6_000,
      schema = DEFAULT_SCHEMA,
      checkUsers,
      now = Date.now,
    } = options;
    if (schema !== DEFAULT_SCHEMA && !checkUsers)
      throw new Error('a schema needs checkUsers, such as schemaCheck of @countersign/sdk/schema');
    this.#now = now;
    this.#regions = regions;
    this.#server = new Server({
      ...{ entry: ENTRY, regions: regions.map((name) => ({ name, url: urlOf(name) })), limit, schema },
      check: checkUsers?.(schema) ?? checkByDefault,
      nowMs: () => this.nowMs,
    });
    this.apiKey = this.#server.clients.addApiKey('test', {}, this.nowMs);
  }

  /** The platform's time, in epoch milliseconds. */
  get nowMs(): number {
    return this.#now() + this.#aheadMs;
  }

  /** Lets time pass, for the platform and for the clients that `client()` makes. */
  advance(ms: number): void {
    this.#aheadMs += ms;
  }

  /**
   * Adds a client.
   *
   * @returns its API key; empty where it has a key pair
   */
  async addClient(clientId: string, client: NewClient = {}): Promise<string> {
    if (!client.jwk) return this.#server.clients.addApiKey(clientId, client, this.nowMs);
    await this.#server.clients.addPublicKey(clientId, client.jwk, client, this.nowMs);
    return '';
  }

  /** Ends a key of a client, and every key that it asked for. */
  revokeKey(clientId: string, kid: string): void {
    const { clients } = this.#server;
    clients.change(clientId, { revoked: new Set([...clients.get(clientId).revoked, kid]) });
  }

  disableClient(clientId: string): void {
    this.#server.clients.change(clientId, { disabled: true });
  }

  /** @returns a client of this platform, by default `test`. Its waits pass at once. */
  client({ skewMs = 0, ...options }: FakeClientOptions = {}): CountersignClient {
    const credential = 'privateKey' in options ? {} : { apiKey: this.apiKey };
    return new CountersignClient(
      { url: ENTRY, fetch: this.fetch, ...credential, ...options },
      {
        now: () => this.nowMs + skewMs,
        sleep: async (ms, signals) => {
          for (const signal of signals) signal.throwIfAborted();
          this.waits.push(ms);
          this.advance(Math.ceil(ms));
        },
      },
    );
  }

  /** @returns an answer with a problem, to be used as a fault */
  problem(code: ProblemCode, { retryAfterS }: { readonly retryAfterS?: number } = {}): Response {
    const headers = retryAfterS === undefined ? {} : { 'Retry-After': String(retryAfterS) };
    return this.#server.problem(code, headers);
  }

  /** Answers the requests of a client that the application makes itself. */
  readonly fetch = (async (url: string, init: RequestInit = {}): Promise<Response> => {
    const { origin, pathname: path, searchParams: query } = new URL(url);
    const region = this.#regions.find((name) => urlOf(name) === origin) ?? 'entry';
    const { method = 'GET' } = init;
    const headers = new Headers(init.headers);
    const body = new Uint8Array(await new Response(init.body ?? null).arrayBuffer());
    const seen = { method, region, path, query, headers, body };
    this.requests.push(seen);
    init.signal?.throwIfAborted();
    const fault = this.fault(seen);
    if (fault instanceof Response) return fault;
    if (fault === 'refuse') throw failed('ECONNREFUSED');
    if (fault === 'timeout') throw new DOMException('no answer in time', 'TimeoutError');
    const answer = await this.#server.answer(seen);
    if (fault === 'lose') throw failed('ECONNRESET');
    return answer;
  }) as typeof fetch;
}

const urlOf = (region: string): string => `https://${region}.api.example.com`;

const failed = (code: string): Error =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(), { code }) });
