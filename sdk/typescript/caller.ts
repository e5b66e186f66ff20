/**
 * Makes a call: a Region, a nonce, a proof, an exchange; and again for as long as the retry policy says so.
 */

import { isWithin } from '../../protocol/base-url.ts';
import { abortable, type sleep } from './abort.ts';
import type { Signer } from './credential.ts';
import { DiscoveryCache, type RegionInfo } from './discovery.ts';
import { EntityCache } from './entity-cache.ts';
import { ClockSkewError, CountersignError, errorOfCall } from './errors.ts';
import type { Hooks } from './hooks.ts';
import {
  type Answer,
  answerError,
  exchange,
  httpDate,
  type Request,
  requestIdOf,
  serverTimeMs,
  unexpectedAnswer,
  withText,
} from './http.ts';
import type { ClientKeys } from './keys.ts';
import type { Log } from './log.ts';
import type { LogFields } from './loggable.ts';
import { NoncePool } from './nonce-pool.ts';
import { Regions } from './regions.ts';
import { type CallResponse, responseOf } from './response.ts';
import { isRegionFailure, type Next, nextAttempt, RetryBudget, type Tried } from './retry.ts';
import { traced } from './tracing.ts';

export interface CallerOptions {
  /** Base URL of the entry or of a Region. */
  readonly url: string;
  /** Base URLs of trusted Regions outside `url`'s host. */
  readonly regions: readonly string[];
  readonly keys: ClientKeys;
  /** Called where an answer names the end of the key that signed. */
  readonly onKeyExpiring: (signer: Signer, expiresAtMs: number | undefined) => void;
  readonly fetch: typeof fetch;
  /** Limit on one attempt. */
  readonly timeoutMs: number;
  readonly maxRetries: number;
  /** Retries of all calls together. */
  readonly retryBudget: number;
  readonly hooks: Hooks;
  readonly log: Log;
  /** Ends everything when it aborts. */
  readonly closed: AbortSignal;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly sleep: typeof sleep;
}

export interface Call<T> {
  readonly method: Request['method'];
  /** Path after a Region's base URL, with its leading `/`. */
  readonly path: string;
  /** The path with `{id}` or `{after}` in place of a value: for logs and traces. */
  readonly route: string;
  readonly body?: Uint8Array | ((attempt: AttemptContext) => Promise<Uint8Array>);
  /** Signs each attempt. @default the client's current key */
  readonly signer?: Signer;
  readonly signal?: AbortSignal | undefined;
  /** @default the client's own */
  readonly timeoutMs?: number | undefined;
  /** @default the client's own */
  readonly maxRetries?: number | undefined;
  /** Looks at the call by the platform's schema of users. @returns an error that ends it */
  readonly precheck?: ((schema: object) => CountersignError | undefined) | undefined;
  /** Whether the answer is kept, and asked for by its entity tag. */
  readonly caches?: boolean;
  /** Reads a successful answer. It throws a CountersignError where the answer has the wrong form. */
  readonly read: (answer: Answer) => T;
}

/** What a body may have to repeat of its proof. */
export interface AttemptContext {
  readonly issuer: string;
  readonly nonce: string;
  /** Epoch seconds, by the server's clock. */
  readonly nowS: number;
}

/** State of a call between two attempts. */
interface State {
  readonly tried: Tried;
  region?: RegionInfo | undefined;
  signer?: Signer | undefined;
  /** How often the call's request was sent. */
  attempts: number;
  /** An attempt was sent but got no clear answer: it may have taken effect. */
  unclear: boolean;
  /** The shared budget alone ends the call. */
  outOfBudget: boolean;
}

interface Success<T> {
  readonly error?: undefined;
  readonly value: T;
  readonly answer: Answer;
  readonly region: RegionInfo;
}

interface Failure {
  readonly error: CountersignError;
  /** Whether the call's own request was sent; false where discovery or the nonce failed before it. */
  readonly sent: boolean;
  readonly answer?: Answer;
}

/** Calls that waited for a quota continue spread over this time, in milliseconds. */
const SPREAD_MS = 200;
/**
 * Largest difference between the server's clock and this machine's that is corrected. A false clock could
 * make the client sign proofs for the future, which a thief could use then. A proof lives five minutes, with
 * a minute of leeway; more than ten minutes is never needed.
 */
const MOST_CLOCK_OFFSET_MS = 600_000;
/**
 * A nonce has at most 79 characters (docs/protocol.md, "Nonce"). The pattern leaves room for a later form.
 */
const NONCE = /^[\w-]{1,256}$/;
/** Longest life of a proof for reading, in seconds. It has no nonce, so it could be repeated. */
const READ_LIFE_S = 60;

export class Caller {
  readonly #options: CallerOptions;
  readonly #discovery: DiscoveryCache;
  readonly #regions: Regions;
  readonly #pools = new Map<string, NoncePool>();
  readonly #budget: RetryBudget;
  readonly #entities = new EntityCache();
  /** The server's clock minus this machine's. */
  #clockOffsetMs = 0;

  constructor(options: CallerOptions) {
    const { url, regions, now, random, retryBudget } = options;
    const documentUrl = `${url}/.well-known/countersign`;
    this.#options = options;
    this.#discovery = new DiscoveryCache(
      () => this.#exchange({ method: 'GET', url: documentUrl }, [options.closed]),
      (region) => isWithin(url, region) || regions.includes(region),
      now,
      ({ code, requestId }) => options.log('info', 'discovery failed', { code, requestId }),
    );
    this.#regions = new Regions(url, now, random);
    this.#budget = new RetryBudget(retryBudget);
  }

  /**
   * @returns what `read` makes of the successful answer; or of the 404 of a repeated DELETE, whose first
   * attempt may have deleted the registration
   * @throws CountersignError, or the signal's reason
   */
  call<T>(call: Call<T>): Promise<CallResponse<T>> {
    return traced(call, () => this.#call(call));
  }

  async #call<T>(call: Call<T>): Promise<CallResponse<T>> {
    const { closed, sleep } = this.#options;
    const signals = call.signal ? [closed, call.signal] : [closed];
    const tried = { remedies: new Set<never>(), retries: 0, quotaWaits: 0 };
    const state: State = { tried, attempts: 0, unclear: false, outOfBudget: false };
    for (;;) {
      const result = await this.#attempt(call, state, signals);
      if (!result.error) {
        this.#budget.succeeded(state.tried.retries > 0);
        return responseOf(result.value, result.answer, result.region.name, state.attempts);
      }
      const { error, answer } = result;
      const { region } = state;
      if (region && answer?.status === 404 && call.method === 'DELETE' && state.unclear)
        return responseOf(call.read(answer), answer, region.name, state.attempts);
      const next = await this.#decide(result, call, state);
      if (!next) {
        const isOutOfBudget = state.outOfBudget;
        throw errorOfCall(error, { attempts: state.attempts, region: region?.name, isOutOfBudget });
      }
      if (next.waitMs > 0) await sleep(next.waitMs, signals);
      if (next.nonce === 'new') this.#pool(state.region!).clear();
    }
  }

  /** Makes one attempt. A failure is returned, not thrown. @throws the reason of a signal that aborts */
  async #attempt<T>(
    call: Call<T>,
    state: State,
    signals: readonly AbortSignal[],
  ): Promise<Success<T> | Failure> {
    const { method, path, route, body: content = new Uint8Array(), signer: fixed, read } = call;
    const { now, keys, onKeyExpiring, hooks } = this.#options;
    let sent = false;
    try {
      const { issuer, regions, proofMaxLifeS, schema } = await abortable(this.#discovery.current(), signals);
      const unfit = schema && state.attempts === 0 ? call.precheck?.(schema) : undefined;
      if (unfit) return { error: unfit, sent };
      state.region ??= this.#regions.pick(regions);
      const { region } = state;
      // Wait first, then take the nonce: it would grow old meanwhile. Reads do not count against the quota.
      if (method !== 'GET') await this.#held(region, signals);
      await keys.ready?.({ issuer, url: region.url, nowS: (now() + this.#clockOffsetMs) / 1000 }, signals);
      const pool = this.#pool(region);
      const nonce = method === 'GET' ? undefined : await pool.take(signals);
      const url = region.url + path;
      const nowS = (now() + this.#clockOffsetMs) / 1000;
      const signer = fixed ?? keys.signer(nowS * 1000);
      state.signer = fixed ? undefined : signer;
      const body =
        typeof content === 'function' ? await content({ issuer, nonce: nonce ?? '', nowS }) : content;
      const proof = await signer.sign({
        issuer,
        method,
        url,
        body,
        nowS,
        lifeS: method === 'GET' ? Math.min(READ_LIFE_S, proofMaxLifeS) : proofMaxLifeS,
        ...(nonce !== undefined && { nonce }),
      });
      const known = call.caches ? this.#entities.get(path) : undefined;
      const headers = {
        Authorization: `JWT ${proof}`,
        ...(method === 'POST' && { 'Content-Type': 'application/json' }),
        ...(known && { 'If-None-Match': known.etag }),
      };
      if (hooks.onRequest)
        await hooks.onRequest({ method, route, region: region.name, attempt: state.attempts + 1 });
      sent = true;
      state.attempts += 1;
      const request = { method, url, headers, ...(method === 'POST' && { body }) };
      const received = await this.#exchange(request, signals, call.timeoutMs);
      const answer = known && received.status === 304 ? withText(received, known.text) : received;
      this.#log('debug', 'answer', call, state, {
        status: answer.status,
        requestId: requestIdOf(answer.headers),
      });
      // One nonce in for one out: reads take none, so a server cannot make the pool grow.
      const fresh = answer.headers.get('Replay-Nonce');
      if (method !== 'GET' && isNonce(fresh)) pool.put(fresh);
      const expires = answer.headers.get('Countersign-Key-Expires');
      if (!fixed && expires !== null) onKeyExpiring(signer, httpDate(expires));
      const isSuccess = (answer.status >= 200 && answer.status <= 299) || answer !== received;
      if (!isSuccess) return { error: answerError(answer), sent, answer };
      const value = read(answer);
      this.#regions.answered(region);
      this.#remember(call, answer);
      return { value, answer, region };
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error;
      return { error, sent };
    }
  }

  #remember({ method, path, caches }: Call<unknown>, { status, headers, text }: Answer): void {
    const etag = headers.get('ETag');
    if (method === 'DELETE') this.#entities.drop(path);
    else if (caches && status === 200 && etag !== null) this.#entities.put(path, { etag, text });
  }

  /**
   * Waits while the client's quota in the Region is spent. A random time keeps waiting calls from continuing
   * all at once.
   */
  async #held(region: RegionInfo, signals: readonly AbortSignal[]): Promise<void> {
    const { sleep, random } = this.#options;
    for (let ms = this.#regions.heldForMs(region); ms > 0; ms = this.#regions.heldForMs(region))
      await sleep(ms + random() * SPREAD_MS, signals);
  }

  /** Updates the state after a failure. @returns the next attempt; undefined where the failure is final */
  async #decide(
    { error, sent, answer }: Failure,
    call: Call<unknown>,
    state: State,
  ): Promise<Next | undefined> {
    const { maxRetries, random, hooks, keys, now } = this.#options;
    const { method } = call;
    const { region, tried, signer } = state;
    state.unclear ||= sent && (answer === undefined || answer.status >= 500);
    if (region && isRegionFailure(error)) this.#regions.failed(region);
    if (error instanceof ClockSkewError && answer) this.#correctClock(error, answer);
    const next = nextAttempt(error, tried, {
      maxRetries: call.maxRetries ?? maxRetries,
      random,
      otherKey: () => signer !== undefined && keys.refused(signer, now() + this.#clockOffsetMs),
      otherRegion:
        region !== undefined && this.#regions.anyHealthy((await this.#discovery.current()).regions),
      permit: () => {
        const permitted = this.#budget.take();
        state.outOfBudget = !permitted;
        return permitted;
      },
    });
    this.#log(next ? 'debug' : 'info', next ? 'retry' : 'failed', call, state, {
      ...{ code: error.code, status: answer?.status, requestId: error.requestId, waitMs: next?.waitMs },
    });
    // One call has to wait: the others need not ask. Reads have a limit of their own, which holds up no
    // write.
    if (region && next && error.code === 'quota_exceeded' && method !== 'GET') {
      const isFirst = this.#regions.heldForMs(region) === 0;
      this.#regions.hold(region, next.waitMs);
      if (isFirst) await hooks.onQuotaWait?.(next.waitMs);
    }
    if (next && hooks.onRetry) {
      const attempt = Math.max(1, state.attempts);
      await hooks.onRetry({ error, region: region?.name, attempt, waitMs: next.waitMs });
    }
    if (next?.region === 'best') state.region = undefined;
    return next;
  }

  /** Follows the server's clock. @throws ClockSkewError where the clocks are too far apart for that */
  #correctClock({ status, problem, requestId }: ClockSkewError, answer: Answer): void {
    const serverMs = serverTimeMs(answer);
    if (serverMs === undefined) return;
    const nowMs = this.#options.now();
    if (Math.abs(serverMs - nowMs) > MOST_CLOCK_OFFSET_MS) {
      const [theirs, ours] = [serverMs, nowMs].map((ms) => new Date(ms).toISOString());
      const message = `the clock of ${answer.origin} says ${theirs}, this machine's clock says ${ours}: they differ by more than ${MOST_CLOCK_OFFSET_MS / 60_000} minutes; set this machine's clock`;
      throw new ClockSkewError({ status, problem, requestId, message });
    }
    this.#clockOffsetMs = serverMs - nowMs;
  }

  #pool(region: RegionInfo): NoncePool {
    let pool = this.#pools.get(region.url);
    if (!pool) {
      pool = new NoncePool((count) => this.#fetchNonces(region, count), this.#options.now);
      this.#pools.set(region.url, pool);
    }
    return pool;
  }

  async #fetchNonces({ url }: RegionInfo, wanted: number): Promise<string[]> {
    const { keys, closed } = this.#options;
    const { maxNonceCount } = await this.#discovery.current();
    const count = Math.min(wanted, maxNonceCount);
    const query = `client_id=${keys.clientId}${count > 1 ? `&count=${count}` : ''}`;
    const answer = await this.#exchange({ method: 'GET', url: `${url}/v1/nonce?${query}` }, [closed]);
    if (answer.status !== 200) throw answerError(answer);
    const { nonce, nonces = [nonce] } = (answer.json ?? {}) as { nonce?: unknown; nonces?: unknown };
    if (!Array.isArray(nonces) || nonces.length === 0 || !nonces.every(isNonce))
      throw unexpectedAnswer(answer);
    return nonces.slice(0, count);
  }

  #exchange(request: Request, signals: readonly AbortSignal[], ownTimeoutMs?: number): Promise<Answer> {
    const { fetch, timeoutMs } = this.#options;
    return exchange(request, { fetch, timeoutMs: ownTimeoutMs ?? timeoutMs, signals });
  }

  #log(
    level: 'debug' | 'info',
    what: string,
    { method, route }: Call<unknown>,
    { region, attempts }: State,
    fields: LogFields,
  ): void {
    this.#options.log(level, what, { method, route, region: region?.name, attempt: attempts, ...fields });
  }
}

const isNonce = (value: unknown): value is string => typeof value === 'string' && NONCE.test(value);
