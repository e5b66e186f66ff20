/**
 * A platform behind `fetch` that answers as docs/openapi.yaml says. Tests script its failures and count
 * requests.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { jwtVerify } from 'jose';
import { PROBLEMS, type ProblemCode } from '../../protocol/problem.ts';
import { type ClientSettings, CountersignClient, type CountersignEvent } from '../../sdk/typescript/index.ts';
import { API_KEY } from './keys.ts';

export const ENTRY = 'https://api.example.com';

export interface Seen {
  readonly method: string;
  /** `entry`, or a Region's name. */
  readonly at: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** Replaces the answer to a request. `lose`: the request is served, and the answer is lost. */
export type Fault = Response | 'refuse' | 'lose' | 'hang';

export class FakePlatform {
  readonly seen: Seen[] = [];
  /** The waits that answers asked for, in milliseconds. They pass at once, and advance the time. */
  readonly waits: number[] = [];
  /** The platform's time, in epoch milliseconds. */
  nowMs = Date.UTC(2026, 10, 23, 12);
  /** Script: runs for each request before it is served. */
  fault: (request: Seen) => Fault | undefined = () => undefined;
  /** Script: runs in every wait. */
  onWait: () => Promise<void> = async () => {};
  readonly regions: readonly string[];
  readonly #nonces = new Map<string, { at: string; issuedMs: number }>();
  readonly #users = new Map<string, { text: string; answer: object }>();
  readonly #deletedMs = new Map<string, number>();
  maxNonceCount = 100;
  /** The client's events, by Region. A cursor is a Region and how many of its events were read. */
  readonly events = new Map<string, CountersignEvent[]>();
  eventsPerPage = 100;

  constructor(regions = ['a', 'b']) {
    this.regions = regions;
  }

  /** A client with its own clock, off by `skewMs`. Its waits pass at once. */
  client({ skewMs = 0, random = () => 0, ...options }: Settings = {}): CountersignClient {
    return new CountersignClient(
      { url: ENTRY, apiKey: API_KEY, fetch: this.fetch, ...options },
      {
        now: () => this.nowMs + skewMs,
        random,
        sleep: async (ms, signals) => {
          for (const signal of signals) signal.throwIfAborted();
          this.waits.push(ms);
          const untilMs = this.nowMs + ms;
          await this.onWait();
          this.nowMs = untilMs;
        },
      },
    );
  }

  /** The requests by kind, e.g. `POST a/v1/register`. */
  get log(): string[] {
    return this.seen.map(({ method, at, path }) => `${method} ${at}${path}`);
  }

  readonly fetch = (async (url: string, init: RequestInit): Promise<Response> => {
    const { origin, pathname: path, searchParams: query } = new URL(url);
    const at = origin === ENTRY ? 'entry' : origin.slice('https://'.length).split('.')[0]!;
    const body = (init.body as Uint8Array | undefined) ?? new Uint8Array();
    const signal = init.signal as AbortSignal;
    const request: Seen = {
      method: init.method!,
      at,
      path,
      query,
      headers: new Headers(init.headers),
      body,
      signal,
    };
    this.seen.push(request);
    await Promise.resolve();
    const fault = this.fault(request);
    if (fault instanceof Response) return fault;
    if (fault === 'refuse')
      throw Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED' } });
    if (fault === 'hang')
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const answer = await this.#serve(request, url);
    if (fault === 'lose') throw new TypeError('fetch failed');
    return answer;
  }) as typeof fetch;

  nonce(at: string): string {
    const nonce = randomBytes(45).toString('base64url');
    this.#nonces.set(nonce, { at, issuedMs: this.nowMs });
    return nonce;
  }

  problem(code: ProblemCode, at: string, headers: Record<string, string> = {}, more: object = {}): Response {
    const { status, title, detail, nonce } = PROBLEMS[code];
    const value = { type: `https://docs.example.com/errors/${code}`, title, status, detail, code, ...more };
    return this.#answer(status, value, {
      'Content-Type': 'application/problem+json',
      'Countersign-Request-Id': randomUUID(),
      ...(nonce &&
        (code !== 'use_nonce' || headers['Retry-After'] === undefined) && { 'Replay-Nonce': this.nonce(at) }),
      ...headers,
    });
  }

  #answer(status: number, value: unknown, headers: Record<string, string> = {}): Response {
    const body = value === undefined ? null : JSON.stringify(value);
    return new Response(body, { status, headers: { Date: new Date(this.nowMs).toUTCString(), ...headers } });
  }

  async #serve(request: Seen, url: string): Promise<Response> {
    const { method, at, path, query } = request;
    if (path === '/.well-known/countersign')
      return this.#answer(
        200,
        {
          issuer: ENTRY,
          regions: this.regions.map((name) => ({ name, url: `https://${name}.api.example.com` })),
          proof_max_life: 300,
          max_nonce_count: this.maxNonceCount,
        },
        { 'Cache-Control': 'public, max-age=60' },
      );
    if (path === '/v1/nonce') {
      const count = query.get('count');
      if (count === null) return this.#answer(200, { nonce: this.nonce(at), expires_in: 300 });
      const nonces = Array.from({ length: Number(count) }, () => this.nonce(at));
      return this.#answer(200, { nonces, expires_in: 300 });
    }
    const claims = await this.#verify(request, url);
    if (typeof claims === 'string') return this.problem(claims, at);
    if (path.startsWith('/v1/events/')) return this.#events(request);
    return method === 'POST' ? this.#register(request, claims) : this.#registration(request);
  }

  async #verify({ method, at, body, headers }: Seen, url: string): Promise<Claims | ProblemCode> {
    const token = headers.get('Authorization')!.replace(/^JWT /, '');
    const { payload } = await jwtVerify<Claims>(token, Buffer.from(API_KEY), {
      audience: ENTRY,
      typ: 'countersign-proof+jwt',
      currentDate: new Date(0),
    });
    const { iat = 0, exp = 0, htm, htu, fingerprint, nonce } = payload;
    const nowS = this.nowMs / 1000;
    if (exp + 60 <= nowS || iat > nowS + 60) return 'clock_skew';
    const digest = createHash('sha256').update(body).digest('base64url');
    if (htm !== method || htu !== url || fingerprint !== digest) return 'invalid_proof';
    if (exp > iat + (method === 'GET' ? 60 : 300)) return 'invalid_proof';
    if (method === 'GET') return nonce === undefined ? payload : 'invalid_proof';
    const issued = this.#nonces.get(nonce ?? '');
    this.#nonces.delete(nonce ?? '');
    if (issued?.at !== at || this.nowMs > issued.issuedMs + 300_000) return 'use_nonce';
    return { ...payload, issuedMs: issued.issuedMs };
  }

  #register({ at, body }: Seen, { issuedMs = 0 }: Claims): Response {
    const text = Buffer.from(body).toString();
    const data = JSON.parse(text);
    if (typeof data.user_id !== 'string')
      return this.problem(
        'invalid_registration',
        at,
        {},
        { errors: [{ pointer: '/user_id', message: 'is needed' }] },
      );
    const id = createHash('sha256').update(data.user_id).digest('base64url');
    const clearMs = (this.#deletedMs.get(id) ?? -Infinity) + 4000;
    if (issuedMs <= clearMs)
      return this.problem('use_nonce', at, {
        'Retry-After': String(Math.max(1, Math.floor((clearMs - this.nowMs) / 1000) + 1)),
      });
    const before = this.#users.get(id);
    if (before && before.text !== text) return this.problem('registration_conflict', at);
    const created_at = new Date(this.nowMs).toISOString();
    const answer = before?.answer ?? { id, client_id: 'test', user_id: data.user_id, created_at, data };
    this.#users.set(id, { text, answer });
    return this.#answer(201, answer, {
      ETag: '"etag"',
      'Replay-Nonce': this.nonce(at),
      ...(before && { 'Idempotency-Replayed': 'true' }),
    });
  }

  /** A cursor of another Region says nothing about this one's order: the page begins at the beginning. */
  #events({ path, at }: Seen): Response {
    const after = path.split('/').at(-1)!;
    const read = after.startsWith(`${at}_`) ? Number(after.slice(at.length + 1)) : 0;
    const events = (this.events.get(at) ?? []).slice(read, read + this.eventsPerPage);
    return this.#answer(200, { events, next: events.length > 0 ? `${at}_${read + events.length}` : after });
  }

  #registration({ method, path, at }: Seen): Response {
    const id = path.split('/').at(-1)!;
    const stored = this.#users.get(id);
    if (method === 'DELETE') this.#deletedMs.set(id, this.nowMs);
    if (!stored) return this.problem('not_found', at);
    if (method === 'GET') return this.#answer(200, stored.answer, { ETag: '"etag"' });
    this.#users.delete(id);
    return this.#answer(204, undefined, { 'Replay-Nonce': this.nonce(at) });
  }
}

type Settings = Partial<ClientSettings> & { readonly skewMs?: number; readonly random?: () => number };

interface Claims {
  readonly iat?: number;
  readonly exp?: number;
  readonly htm?: string;
  readonly htu?: string;
  readonly fingerprint?: string;
  readonly nonce?: string;
  readonly issuedMs?: number;
  readonly [name: string]: unknown;
}
