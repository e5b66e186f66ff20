/** Delivery on a clock of its own: the real turns, over stores in memory, to endpoints that a test plays. */
import { unverified } from '../../lambda/adapters/endpoint-items.ts';
import type { DeadLetter, Endpoint, Endpoints, Retry, Term } from '../../lambda/adapters/endpoints.ts';
import { createDeliver, type Deliver } from '../../lambda/callbacks/deliver.ts';
import type { ReadEvents, StoredEvent } from '../../lambda/callbacks/read-events.ts';
import type { Callback, Sent } from '../../lambda/callbacks/send.ts';
import type { LogEntry } from '../../lambda/contract/log-entry.ts';

export const HERE = 'eu-west-1';

/** Time passes only where all that runs waits for it. */
export class VirtualTime {
  nowMs: number;
  /** By time, the earliest last. */
  #waiting: { readonly atMs: number; readonly go: () => void }[] = [];
  /** Work of other threads, such as WebCrypto's, for which time waits. */
  #held = 0;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  sleep(ms: number): Promise<void> {
    const atMs = this.nowMs + ms;
    return new Promise((go) => {
      let [low, high] = [0, this.#waiting.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.#waiting[middle]!.atMs > atMs) low = middle + 1;
        else high = middle;
      }
      this.#waiting.splice(low, 0, { atMs, go });
    });
  }

  /** Stops time until the work is done. @returns ends the stop */
  hold(): () => void {
    this.#held += 1;
    let isHeld = true;
    return () => {
      if (isHeld) this.#held -= 1;
      isHeld = false;
    };
  }

  async #settled(): Promise<void> {
    do await settled();
    while (this.#held > 0);
  }

  async run(untilMs: number): Promise<void> {
    await this.#settled();
    while (this.#waiting.length > 0 && this.#waiting.at(-1)!.atMs <= untilMs) {
      this.nowMs = this.#waiting.at(-1)!.atMs;
      while (this.#waiting.at(-1)?.atMs === this.nowMs) this.#waiting.pop()!.go();
      await this.#settled();
    }
    this.nowMs = untilMs;
  }
}

/** Everything in memory has gone on as far as it can. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export interface World {
  readonly time: VirtualTime;
  readonly endpoints: Endpoints;
  readonly deliver: Deliver;
  readonly log: LogEntry[];
  readonly wakes: { readonly id: string; readonly delayMs: number }[];
  /** Adds an event to its client's order and that of all clients, and wakes its endpoints. */
  emit(client: string, id?: string): Promise<void>;
  /** The schedule of every minute. */
  startSchedule(): void;
  endpoint(id: string): Promise<Endpoint>;
  dead(id: string): Promise<DeadLetter[]>;
}

export interface WorldOptions {
  readonly send: (callback: Callback, time: VirtualTime) => Promise<Sent>;
  /** Whether a wake-up arrives. @default always */
  readonly arrives?: () => boolean;
  /** Whether writes are stopped. @default never */
  readonly isStopped?: () => boolean;
}

export const T0 = Date.UTC(2026, 10, 28);

export function world({ send, arrives = () => true, isStopped = () => false }: WorldOptions): World {
  const time = new VirtualTime(T0);
  const endpoints = memoryEndpoints();
  const orders = new Map<string, StoredEvent[]>();
  const log: LogEntry[] = [];
  const wakes: World['wakes'] = [];
  const nowMs = () => time.nowMs;
  const readEvents: ReadEvents = async ({ client, after, limit }) => {
    const events = (orders.get(client) ?? []).slice(after, after + limit);
    const last = events.at(-1);
    return { events, next: last?.seq ?? after, nextMs: last?.cursorMs, passed: false };
  };
  const wake = async (ids: readonly string[], delayMs: number) => {
    for (const id of ids) {
      wakes.push({ id, delayMs });
      // As the function: a turn that failed is logged, and the schedule tries again.
      if (arrives()) void time.sleep(delayMs).then(() => deliver.turn(id).catch(() => {}));
    }
  };
  const deliver = createDeliver({
    endpoints,
    events: {
      range: async (order) => ({ settled: 0, last: orders.get(order)?.length ?? 0 }),
      query: async (order, after, limit) =>
        (orders.get(order) ?? [])
          .slice(after, after + limit)
          .map((event) => ({ ...event, writtenAtMs: event.cursorMs, event })),
    },
    readEvents,
    registry: { read: async () => undefined },
    sign: async () => ({ header: 'v1a,', bySecret: true }),
    send: (callback) => send(callback, time),
    wake,
    isStopped: async () => isStopped(),
    region: HERE,
    regions: [HERE, 'eu-central-1'],
    nowMs,
    random: () => 0.5,
    log: (entry) => log.push(entry),
  });
  let count = 0;
  return {
    time,
    endpoints,
    deliver,
    log,
    wakes,
    async emit(client, id = `evt_${count++}`) {
      const now = time.nowMs;
      const timestamp = new Date(now).toISOString();
      for (const order of [client, '*']) {
        const list = orders.get(order) ?? [];
        orders.set(order, list);
        const data = { client_id: client, id, version: 'v' };
        const event = { seq: list.length + 1, id, type: 'registration.created' as const, timestamp };
        list.push({ ...event, clientId: client, data, cursorMs: now });
      }
      const { endpoints: all } = await endpoints.list();
      const interested = all.filter((each) => each.client === client || each.client === '*');
      await wake(
        interested.map(({ id }) => id),
        0,
      );
    },
    startSchedule() {
      const again = (): void => {
        void time.sleep(60_000).then(async () => {
          await deliver.sweep();
          again();
        });
      };
      again();
    },
    endpoint: async (id) => (await endpoints.get(id))!,
    dead: async (id) => (await endpoints.dead(id, undefined, 1_000)).letters,
  };
}

export const newEndpoint = (id: string, changes: Partial<Endpoint> = {}): Endpoint => ({
  id,
  client: id.replace('ep_', 'client-'),
  url: `https://${id}.example.com/`,
  urlSinceMs: T0,
  clientSinceMs: 0,
  events: null,
  payload: 'thin',
  rootKid: 'AAAAAA',
  salt: new Uint8Array(16),
  previous: [],
  state: 'active',
  verified: changes.url ?? `https://${id}.example.com/`,
  cursor: 0,
  cursorAtMs: 0,
  openSinceMs: null,
  probes: 0,
  probeAtMs: 0,
  failingSinceMs: null,
  ping: null,
  pinged: null,
  holder: HERE,
  term: 'first',
  takesOver: null,
  createdAtMs: T0,
  lease: null,
  leaseUntilMs: 0,
  ...changes,
});

/** As the adapter; its test in test/lambda/adapters/endpoints.test.ts runs on both. */
export function memoryEndpoints(): Endpoints {
  const held = new Map<string, Endpoint>();
  const retries = new Map<string, Map<string, Retry>>();
  const letters = new Map<string, DeadLetter[]>();
  const retriesOf = (id: string) => [...(retries.get(id)?.values() ?? [])];
  const release: Pick<Endpoint, 'lease' | 'leaseUntilMs'> = { lease: null, leaseUntilMs: 0 };
  const set = (endpoint: Endpoint) => held.set(endpoint.id, { ...endpoint, ...unverified(endpoint) });
  const inTerm = ({ id, term }: Term) => (held.get(id)?.term === term ? held.get(id) : undefined);
  return {
    get: async (id) => held.get(id),
    list: async () => ({
      endpoints: [...held.values()],
      retries: new Map([...retries.keys()].map((id) => [id, retriesOf(id)])),
    }),
    retries: async (id) => retriesOf(id),
    async create(endpoint) {
      set({ ...endpoint, term: 'first', takesOver: null });
    },
    async remove(id) {
      retries.delete(id);
      letters.delete(id);
      return held.delete(id);
    },
    async move(endpoint, { holder, atMs, sinceMs = null }) {
      const found = inTerm(endpoint);
      if (found) set({ ...found, holder, term: `${atMs}.${holder}`, takesOver: { sinceMs }, ...release });
      return found !== undefined;
    },
    async begin(endpoint, progress) {
      const found = inTerm(endpoint);
      if (found?.takesOver) set({ ...found, ...progress, takesOver: null });
    },
    async take(endpoint, lease, nowMs, leaseUntilMs) {
      const found = inTerm(endpoint);
      if (!found || found.takesOver || found.leaseUntilMs >= nowMs) return undefined;
      set({ ...found, lease, leaseUntilMs });
      return held.get(endpoint.id);
    },
    async save(endpoint, lease, changes, then) {
      const found = inTerm(endpoint);
      if (found?.lease !== lease) return false;
      const leased = then === 'release' ? release : { leaseUntilMs: then.keepUntilMs };
      set({ ...found, ...changes, ...leased });
      return true;
    },
    async change(endpoint, changes) {
      const found = inTerm(endpoint);
      if (found) set({ ...found, ...changes, ...release });
      return found !== undefined;
    },
    async putRetry(id, retry) {
      retries.set(id, (retries.get(id) ?? new Map()).set(retry.event, retry));
    },
    async hasten(id, event, untilMs) {
      const retry = retries.get(id)?.get(event);
      if (retry && retry.nextAtMs > untilMs) retries.get(id)!.set(event, { ...retry, nextAtMs: untilMs });
    },
    async dropRetry(id, event) {
      retries.get(id)?.delete(event);
    },
    async putDead(id, letter) {
      letters.set(id, [...(letters.get(id) ?? []), letter]);
    },
    async dropDead(id, letter) {
      letters.set(
        id,
        (letters.get(id) ?? []).filter(({ event }) => event !== letter.event),
      );
    },
    dead: async (id, _after, limit) => ({ letters: (letters.get(id) ?? []).slice(0, limit) }),
  };
}
