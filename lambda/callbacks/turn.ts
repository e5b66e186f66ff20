/**
 * One turn of an endpoint, by the worker that has its lease: a ping, what must end, retries, and new events
 * in their order, until nothing is due or the turn is over.
 */
import { isOwn } from '../../protocol/client.ts';
import { isTombstone } from '../../protocol/registration.ts';
import type { DeadLetter, Endpoint, EndpointProgress, Endpoints, Retry } from '../adapters/endpoints.ts';
import type { Events } from '../adapters/events.ts';
import type { Registry } from '../adapters/registry.ts';
import { representation } from '../http/representation.ts';
import type { Log } from '../log.ts';
import type { ReadEvents } from './read-events.ts';
import { dueAtMs, HORIZON_MS, nextAttemptMs, pausedUntilMs } from './schedule.ts';
import type { Send, Sent } from './send.ts';
import type { SignCallback } from './sign.ts';

/** At so many retries no new event is tried: the circuit opens. */
export const MOST_RETRIES = 100;
/** Callbacks to one endpoint at the same time. */
export const PARALLEL = 25;
/** No new callback begins later in a turn. */
const TURN_MS = 20_000;
/** Longer than a turn, its last callbacks and the function's own end. */
export const LEASE_MS = 60_000;
const PAGE = 100;
/** The schedule wakes every minute what is due later. */
const SCHEDULE_MS = 60_000;
/** A hole in the order of events is closed after so long. */
const HOLE_MS = 5_000;

export interface TurnOptions {
  readonly endpoints: Endpoints;
  readonly events: Pick<Events, 'query' | 'range'>;
  readonly readEvents: ReadEvents;
  readonly registry: Pick<Registry, 'read'>;
  readonly sign: SignCallback;
  readonly send: Send;
  /** Whether writes of `clients` are stopped, while the tables are copied. */
  readonly isStopped: () => Promise<boolean>;
  readonly region: string;
  readonly nowMs: () => number;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
}

interface Message {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: object;
}

type Outcome =
  | { readonly ok: true; readonly status: number }
  | {
      readonly ok: false;
      readonly status: number | null;
      readonly error: string | null;
      readonly retryAfter?: string | undefined;
    };
/** An operator changed the endpoint, or the lease ended: another worker goes on from what is stored. */
export class LeaseLost extends Error {}

export class Turn {
  readonly #options: TurnOptions;
  readonly #lease: string;
  readonly #endMs: number;
  /** As it is stored, and what this turn has not stored yet. */
  #endpoint: Endpoint;
  #unsaved: Partial<EndpointProgress> = {};
  #retries = new Map<string, Retry>();
  #more = false;
  #stopped = false;
  /** Until when the endpoint asked for time; 0 where it did not. */
  #pausedUntilMs = 0;

  constructor(options: TurnOptions, endpoint: Endpoint, lease: string) {
    this.#options = options;
    this.#endpoint = endpoint;
    this.#lease = lease;
    this.#endMs = options.nowMs() + TURN_MS;
  }

  async run(): Promise<void> {
    const answered = await this.#ping();
    const retries = await this.#options.endpoints.retries(this.#endpoint.id);
    this.#retries = new Map(retries.map((retry) => [retry.event, retry]));
    if (answered) await this.#hasten();
    if (this.#endpoint.state !== 'pending') await this.#bury();
    if (this.#endpoint.state === 'active') {
      await this.#probe();
      if (this.#endpoint.openSinceMs === null) await this.#retry();
      if (this.#endpoint.openSinceMs === null) await this.#readOn();
    }
    await this.#save('release');
  }

  /** @returns after how long to look again; undefined where the schedule or the next event is early enough */
  async nextMs(): Promise<number | undefined> {
    const { events, readEvents, nowMs } = this.#options;
    const { client, cursor, state, openSinceMs } = this.#endpoint;
    if (this.#stopped) return undefined;
    if (this.#more) return 0;
    if (state === 'active' && openSinceMs === null) {
      // Read after the lease was given back: a wake-up that met the lease was lost.
      const range = await events.range(client);
      if (range && range.last > cursor) {
        const { next } = await readEvents({ client, after: cursor, limit: 1, nowMs: nowMs() });
        return next > cursor ? 0 : HOLE_MS;
      }
    }
    const now = nowMs();
    const at = dueAtMs(this.#endpoint, [...this.#retries.values()], now);
    return at !== undefined && at - now < SCHEDULE_MS ? Math.max(0, at - now) : undefined;
  }

  #change(changes: Partial<EndpointProgress>): void {
    this.#endpoint = { ...this.#endpoint, ...changes };
    this.#unsaved = { ...this.#unsaved, ...changes };
  }

  async #save(then: 'keep' | 'release'): Promise<void> {
    const { endpoints, nowMs } = this.#options;
    const lease = then === 'release' ? then : { keepUntilMs: nowMs() + LEASE_MS };
    if (!(await endpoints.save(this.#endpoint, this.#lease, this.#unsaved, lease))) throw new LeaseLost();
    this.#unsaved = {};
  }

  /** Sends the ping that is asked for. @returns whether it was answered with success */
  async #ping(): Promise<boolean> {
    const { nowMs, random } = this.#options;
    const { id, client, ping, state } = this.#endpoint;
    if (!ping || ping.nextAtMs > nowMs() || (state !== 'pending' && state !== 'active')) return false;
    const outcome = await this.#post({
      id: `${id.replace('ep_', 'evt_ping_')}_${ping.askedAtMs}`,
      type: 'ping',
      timestamp: new Date(ping.askedAtMs).toISOString(),
      data: { endpoint: id, client_id: client },
    });
    const atMs = nowMs();
    const { status } = outcome;
    this.#change({ pinged: { atMs, status, error: outcome.ok ? null : outcome.error } });
    if (outcome.ok) {
      const verified = this.#endpoint.url;
      this.#change({ ping: null, state: 'active', verified, ...this.#closed(), failingSinceMs: null });
    } else if (status === 410) this.#end('gone');
    else if (state === 'active') this.#change({ ping: null });
    else {
      const attempts = ping.attempts + 1;
      const failed = { attempts, firstAtMs: ping.askedAtMs, nowMs: atMs, retryAfter: outcome.retryAfter };
      const nextAtMs = nextAttemptMs(failed, random());
      if (nextAtMs === undefined) this.#end('disabled');
      else this.#change({ ping: { ...ping, attempts, nextAtMs } });
    }
    // A failed probe or ping is remembered, whatever happens to the rest of the turn.
    await this.#save('keep');
    return outcome.ok;
  }

  #closed(): Partial<EndpointProgress> {
    return this.#endpoint.openSinceMs === null ? {} : { openSinceMs: null, probes: 0, probeAtMs: 0 };
  }

  /** The endpoint works again: its retries wait for no step of theirs, in this turn or a later one. */
  async #hasten(): Promise<void> {
    const { endpoints, nowMs } = this.#options;
    const now = nowMs();
    const waiting = [...this.#retries.values()].filter(({ nextAtMs }) => nextAtMs > now);
    await Promise.all(waiting.map(({ event }) => endpoints.hasten(this.#endpoint.id, event, now)));
    for (const retry of waiting) this.#retries.set(retry.event, { ...retry, nextAtMs: now });
  }

  /**
   * Ends an endpoint that failed for three days, and every event that did. An endpoint that an operator
   * disabled keeps its retries until then.
   */
  async #bury(): Promise<void> {
    const now = this.#options.nowMs();
    const { failingSinceMs, state } = this.#endpoint;
    const failed = state === 'active' && failingSinceMs !== null && failingSinceMs + HORIZON_MS <= now;
    if (failed) this.#end('disabled');
    const ended = failed || state === 'gone';
    // While nothing is sent, no attempt of theirs ends them.
    const stands = state === 'disabled' || this.#endpoint.openSinceMs !== null;
    const dead = [...this.#retries.values()].filter(
      ({ firstAtMs }) => ended || (stands && firstAtMs + HORIZON_MS <= now),
    );
    await Promise.all(dead.map((retry) => this.#die(retry)));
  }

  #end(state: 'disabled' | 'gone'): void {
    const { region, log } = this.#options;
    this.#change({ state, ping: null, ...this.#closed() });
    log({
      level: 'ERROR',
      message: 'callback',
      region,
      target: this.#endpoint.id,
      reason: `endpoint_${state}`,
    });
  }

  async #die(retry: Retry): Promise<void> {
    const { endpoints, region, nowMs, log } = this.#options;
    const { nextAtMs: _, ...rest } = retry;
    const letter: DeadLetter = { ...rest, deadAtMs: nowMs() };
    await endpoints.putDead(this.#endpoint.id, letter);
    // Nobody would find it any more.
    if (!(await endpoints.get(this.#endpoint.id))) await endpoints.dropDead(this.#endpoint.id, letter);
    await this.#drop(retry.event);
    log({ level: 'ERROR', message: 'callback', region, target: this.#endpoint.id, reason: 'dead_letter' });
  }

  async #drop(event: string): Promise<void> {
    await this.#options.endpoints.dropRetry(this.#endpoint.id, event);
    this.#retries.delete(event);
  }

  /** Tries one event while the circuit is open. A pause that the endpoint asked for ends by itself. */
  async #probe(): Promise<void> {
    const { nowMs, random } = this.#options;
    const { openSinceMs, probes, probeAtMs } = this.#endpoint;
    if (openSinceMs === null) return;
    const retry = earliest([...this.#retries.values()]);
    if (probeAtMs > nowMs() || (await this.#isOver())) return;
    const outcome = retry && probes > 0 ? await this.#attempt(retry) : undefined;
    if (!outcome || outcome.ok) {
      this.#change(this.#closed());
      if (outcome) await this.#hasten();
      return;
    }
    const now = nowMs();
    const failed = { attempts: probes + 1, firstAtMs: now, nowMs: now, retryAfter: outcome.retryAfter };
    if (this.#endpoint.state === 'active')
      this.#change({ probes: probes + 1, probeAtMs: nextAttemptMs(failed, random())! });
  }

  async #retry(): Promise<void> {
    const due = [...this.#retries.values()]
      .filter(({ nextAtMs }) => nextAtMs <= this.#options.nowMs())
      .sort((a, b) => a.nextAtMs - b.nextAtMs);
    for (let i = 0; i < due.length; i += PARALLEL) {
      if (await this.#isOver()) return;
      await Promise.all(due.slice(i, i + PARALLEL).map((retry) => this.#attempt(retry)));
      if (this.#isPaused()) return this.#pause();
    }
  }

  /** Tries an event again. */
  async #attempt(retry: Retry): Promise<Outcome> {
    const { type, timestamp } = retry;
    const outcome = await this.#post({ id: retry.event, type, timestamp, data: JSON.parse(retry.data) });
    this.#note(outcome);
    if (outcome.ok) await this.#drop(retry.event);
    else await this.#keep(retry, outcome);
    return outcome;
  }

  /** Writes down when a failed event is tried again, or that it is dead. */
  async #keep(retry: Retry, outcome: Outcome & { ok: false }): Promise<void> {
    const { endpoints, nowMs, random } = this.#options;
    const attempts = retry.attempts + 1;
    const { firstAtMs } = retry;
    const { status, error, retryAfter } = outcome;
    const tried = { ...retry, attempts, lastStatus: status, lastError: error };
    const nextAtMs = nextAttemptMs({ attempts, firstAtMs, nowMs: nowMs(), retryAfter }, random());
    if (nextAtMs === undefined || this.#endpoint.state !== 'active') return this.#die(tried);
    this.#retries.set(retry.event, { ...tried, nextAtMs });
    await endpoints.putRetry(this.#endpoint.id, { ...tried, nextAtMs });
  }

  /** Any success ends the failing: an endpoint is disabled only if nothing worked for three days. */
  #note(outcome: Outcome): void {
    const { failingSinceMs, state } = this.#endpoint;
    if (outcome.ok) {
      if (failingSinceMs !== null) this.#change({ failingSinceMs: null });
      return;
    }
    const untilMs = pausedUntilMs(outcome.retryAfter, this.#options.nowMs());
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, untilMs);
    if (outcome.status === 410 && state === 'active') this.#end('gone');
    else if (failingSinceMs === null) this.#change({ failingSinceMs: this.#options.nowMs() });
  }

  async #readOn(): Promise<void> {
    const { readEvents, nowMs } = this.#options;
    while (this.#endpoint.state === 'active') {
      const room = MOST_RETRIES - this.#retries.size;
      if (room <= 0) return this.#open();
      if (await this.#isOver()) return;
      const { client, cursor } = this.#endpoint;
      const limit = Math.min(room, PAGE);
      const page = await readEvents({ client, after: cursor, limit, nowMs: nowMs() });
      if (page.next === cursor) return;
      for (let i = 0; i < page.events.length && this.#endpoint.state === 'active'; i += PARALLEL) {
        if (await this.#isOver()) return this.#save('keep');
        const chunk = page.events.slice(i, i + PARALLEL);
        await Promise.all(chunk.map((event) => this.#deliver(event)));
        const { seq, cursorMs } = chunk.at(-1)!;
        this.#change({ cursor: seq, cursorAtMs: cursorMs });
        if (this.#isPaused()) return this.#pause();
      }
      // After the events, there may be numbers without one.
      if (this.#endpoint.state === 'active')
        this.#change({ cursor: page.next, cursorAtMs: page.nextMs ?? this.#endpoint.cursorAtMs });
      await this.#save('keep');
    }
  }

  async #deliver(event: Message): Promise<void> {
    const { id, type, timestamp, data } = event;
    const { events: wanted, clientSinceMs } = this.#endpoint;
    if (!isOwn(clientSinceMs, Date.parse(timestamp))) return;
    // One that has a retry already is read again after a crash, or after the endpoint moved.
    if ((wanted && !wanted.includes(type)) || this.#retries.has(id)) return;
    const outcome = await this.#post(event);
    this.#note(outcome);
    if (outcome.ok) return;
    const firstAtMs = this.#options.nowMs();
    const first = { event: id, type, timestamp, data: JSON.stringify(data), attempts: 0, firstAtMs };
    await this.#keep({ ...first, nextAtMs: 0, lastStatus: null, lastError: null }, outcome);
  }

  #open(): void {
    const { nowMs, random, region, log } = this.#options;
    const now = nowMs();
    const probeAtMs = nextAttemptMs({ attempts: 1, firstAtMs: now, nowMs: now }, random())!;
    this.#change({ openSinceMs: now, probes: 1, probeAtMs });
    log({ level: 'WARN', message: 'callback', region, target: this.#endpoint.id, reason: 'circuit_open' });
  }

  #isPaused(): boolean {
    return this.#pausedUntilMs > this.#options.nowMs();
  }

  /**
   * The endpoint asked for time: nothing at all is sent until then. Then its events go on as before, so one
   * event that is answered so again and again does not stop the others.
   */
  #pause(): void {
    this.#change({ openSinceMs: this.#options.nowMs(), probes: 0, probeAtMs: this.#pausedUntilMs });
  }

  /** Whether no new callback may begin in this turn; then another turn goes on. */
  async #isOver(): Promise<boolean> {
    const { nowMs, isStopped } = this.#options;
    this.#stopped ||= await isStopped();
    this.#more ||= nowMs() >= this.#endMs;
    return this.#more || this.#stopped;
  }

  async #post({ id, type, timestamp, data }: Message): Promise<Outcome> {
    const { sign, send, nowMs, log, region } = this.#options;
    const body = new TextEncoder().encode(
      JSON.stringify({ type, timestamp, data: await this.#payload(type, data) }),
    );
    const now = nowMs();
    const { header, bySecret } = await sign(this.#endpoint, { id, body, nowMs: now });
    if (!bySecret)
      log({ level: 'WARN', message: 'callback', region, target: this.#endpoint.id, reason: 'secret_ended' });
    const sent = await send({
      url: this.#endpoint.url,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Countersign-Webhooks/1',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(now / 1000)),
        'webhook-signature': header,
      },
      body,
    });
    return outcomeOf(sent);
  }

  /** Events hold ids only. The registration is read when it is sent: none is sent that is deleted by then. */
  async #payload(type: string, data: object): Promise<object> {
    const { id, client_id } = data as { id?: string; client_id?: string };
    if (this.#endpoint.payload !== 'full' || !type.startsWith('registration.') || !id || !client_id)
      return data;
    const record = await this.#options.registry.read(client_id, id);
    return { ...data, registration: record && !isTombstone(record) ? representation(record) : null };
  }
}

const earliest = (retries: readonly Retry[]): Retry | undefined =>
  retries.reduce<Retry | undefined>(
    (least, each) => (least && least.nextAtMs <= each.nextAtMs ? least : each),
    undefined,
  );

function outcomeOf(sent: Sent): Outcome {
  if ('error' in sent) return { ok: false, status: null, error: sent.error };
  const { status, retryAfter } = sent;
  return status >= 200 && status < 300
    ? { ok: true, status }
    : { ok: false, status, error: null, retryAfter };
}
