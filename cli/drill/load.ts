/**
 * The load of a drill: SDK clients that register users one after the other, and a repeater, which sends what
 * it saw again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CountersignClient, CountersignError, NotFoundError } from '@countersign/sdk';
import { parseApiKey } from '../../protocol/api-key.ts';
import { buildProof } from '../../protocol/proof/build.ts';
import type { LocalPlatform } from '../local.ts';
import type { AcknowledgedCall, Attempt, History } from './history.ts';

/** Time from one registration of a client to its next, on average. */
const PACE_MS = 400;
/** Of so many acknowledged requests one is repeated at the end. */
const REPEAT_ONE_OF = 10;
/** Longer than an instance holds its copy of a write stop. */
const WRITES_AGAIN_MS = 15_000;
/** Within this time after a registration every Region has its event. */
const EVENTS_MS = 15_000;
/** How many registrations are read back at a time. */
const READERS = 16;

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
}

type RegionInfo = LocalPlatform['regions'][number];

export class Load {
  readonly #info: LocalPlatform;
  readonly #history: History;
  readonly #apiKey: string;
  readonly #clients: CountersignClient[] = [];
  readonly #ended = new AbortController();
  readonly #running: Promise<void>[] = [];
  /** Acknowledged requests, to repeat. */
  readonly #seen: Sent[] = [];
  /** Users of one run differ from those of another on the same platform. */
  readonly #run = Date.now().toString(36);

  constructor(info: LocalPlatform, history: History) {
    this.#info = info;
    this.#history = history;
    for (const { name } of info.regions) history.unrepeated.add(name);
    this.#apiKey = info.clients.find(({ profile }) => profile === 'strict')!.api_key;
  }

  /**
   * Half of the clients prefer the first Region, which DNS leads to; half of them prefer the last.
   *
   * @returns when each has had its first answer: a client learns the other Regions from the one that it knows
   */
  async start(clients: number): Promise<void> {
    const { entry, regions } = this.#info;
    this.#running.push(this.#repeater());
    const first = Array.from({ length: clients }, (_, i) => {
      const prefers = i % 2 === 0 ? regions[0]! : regions.at(-1)!;
      return new Promise<void>((begun) => {
        this.#running.push(
          this.#client(i, i % 2 === 0 ? entry : prefers.url, prefers.name, begun).finally(begun),
        );
      });
    });
    await Promise.all(first);
  }

  /** Lets the calls that are under way end. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#running);
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.stop();
  }

  async #client(i: number, url: string, prefers: string, begun: () => void): Promise<void> {
    let attempts: Attempt[] = [];
    let transportFailures = 0;
    let last: Sent | undefined;
    const recording = (async (to: string, init: RequestInit) => {
      const region = this.#regionOf(to);
      const isAttempt = init.method === 'POST';
      const startMs = this.#history.now();
      const note = (outcome: Attempt['outcome'], code?: string) => {
        if (!isAttempt) return;
        attempts.push({ region: region!, startMs, endMs: this.#history.now(), outcome, code });
      };
      try {
        const answer = await fetch(to, init);
        const { ok } = answer;
        const code = ok
          ? undefined
          : (
              (await answer
                .clone()
                .json()
                .catch(() => ({}))) as { code?: string }
            ).code;
        note(ok ? 'acknowledged' : 'refused', code ?? String(answer.status));
        if (isAttempt && ok) last = { url: to, init };
        return answer;
      } catch (error) {
        // The entry only has the document, which the client keeps.
        if (region !== undefined) transportFailures += 1;
        note('failed');
        throw error;
      }
    }) as typeof fetch;
    const client = new CountersignClient({ url, apiKey: this.#apiKey, fetch: recording });
    this.#clients.push(client);
    await this.#pause(Math.random() * PACE_MS);
    for (let n = 0; !this.#ended.signal.aborted; n++) {
      const userId = `drill-${this.#run}-${i}-${n}`;
      attempts = [];
      transportFailures = 0;
      const call = await register(client, userId);
      const { region } = attempts.at(-1) ?? { region: prefers };
      const acknowledged = call.registered && { ...call.registered, region };
      this.#history.calls.push({
        ...{ userId, prefers, endMs: this.#history.now(), attempts, transportFailures },
        ...(acknowledged && { acknowledged }),
        ...(call.error !== undefined && { error: call.error }),
      });
      begun();
      if (acknowledged && n % REPEAT_ONE_OF === 0) this.#seen.push(last!);
      await this.#pause(PACE_MS * (0.5 + Math.random()));
    }
  }

  /**
   * Registers by the entry, whose proofs every Region takes, and repeats each request in every Region at
   * once.
   */
  async #repeater(): Promise<void> {
    const { entry, regions } = this.#info;
    const { clientId, generation } = parseApiKey(this.#apiKey)!;
    const url = `${entry}/v1/register`;
    for (let n = 0; !this.#ended.signal.aborted; n++) {
      await this.#pause(PACE_MS);
      const body = Buffer.from(JSON.stringify({ user_id: `drill-${this.#run}-repeater-${n}` }));
      try {
        const asked = await fetch(`${entry}/v1/nonce?client_id=${clientId}`);
        const { nonce } = (await asked.json()) as { nonce: string };
        const proof = await buildProof({
          ...{
            key: Buffer.from(this.#apiKey),
            alg: 'HS256',
            kid: String(generation),
            clientId,
            issuer: entry,
          },
          ...{ method: 'POST', url, body, nonce, nowS: Date.now() / 1_000, lifeS: 300 },
        });
        const headers = { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' };
        const init = { method: 'POST', headers, body };
        const answer = await fetch(url, init);
        if (!answer.ok) continue;
        const everywhere = regions.map((region) => ({ url: `${region.url}/v1/register`, init }));
        this.#seen.push(...everywhere);
        await Promise.all(everywhere.map((sent) => this.#repeat(sent)));
      } catch {
        // The entry leads to a Region that is gone until DNS has noticed: no client of the SDK depends on
        // that.
      }
    }
  }

  /**
   * Sends every acknowledged request again that was kept, now that all Regions are back. A Region that judges
   * none of them is asked again: an instance that holds a copy of a write stop takes no write yet.
   */
  async repeatAll(signal: AbortSignal): Promise<void> {
    const { unrepeated } = this.#history;
    const untilMs = performance.now() + WRITES_AGAIN_MS;
    let left = this.#seen;
    do {
      await inParallel(left, signal, async (sent) => {
        if (await this.#repeat(sent).catch(() => false)) unrepeated.delete(this.#regionOf(sent.url)!);
      });
      left = left.filter(({ url }) => unrepeated.has(this.#regionOf(url)!));
      if (left.length > 0) await delay(PACE_MS, undefined, { signal });
    } while (left.length > 0 && performance.now() < untilMs);
  }

  /** @returns whether the Region has judged the request: a fault of its own says nothing about the nonce */
  async #repeat({ url, init }: Sent): Promise<boolean> {
    const { signal: _, ...again } = init;
    const answer = await fetch(url, { ...again, signal: AbortSignal.timeout(10_000) });
    const { user_id } = (await answer.json()) as { user_id?: string };
    if (answer.ok) this.#history.duplicated.add(`a request for ${user_id} was accepted twice`);
    return answer.status < 500 && answer.status !== 429;
  }

  /**
   * Reads registrations in one Region, and nowhere else.
   */
  async readBack(
    calls: readonly AcknowledgedCall[],
    { name, url }: RegionInfo,
    signal: AbortSignal,
  ): Promise<void> {
    await using client = this.#clientOf(url);
    await inParallel(calls, signal, async (call) => {
      try {
        this.#history.compare(call, (await client.get(call.acknowledged.id)).created_at);
      } catch (error) {
        if (error instanceof NotFoundError) this.#history.lost.add(call.userId);
        else this.#history.unread.add(`${call.userId} in ${name}: ${(error as Error).message}`);
      }
    });
  }

  /** Reads the events of one Region until each registration has one: a stream is a moment behind. */
  async readEvents(
    calls: readonly AcknowledgedCall[],
    { name, url }: RegionInfo,
    signal: AbortSignal,
  ): Promise<void> {
    await using client = this.#clientOf(url);
    const missing = new Map(calls.map(({ userId, acknowledged }) => [acknowledged.id, userId]));
    const untilMs = performance.now() + EVENTS_MS;
    try {
      for (let after = '0'; ; ) {
        for await (const { type, data, cursor } of client.events({ after, signal })) {
          if (type === 'registration.created') missing.delete(data.id);
          after = cursor;
        }
        if (missing.size === 0 || performance.now() > untilMs) break;
        await delay(PACE_MS, undefined, { signal });
      }
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error;
      this.#history.broken.push(`the events of ${name} could not be read: ${error.message}`);
    }
    this.#history.missed ??= new Set();
    for (const userId of missing.values()) this.#history.missed.add(`${userId} in ${name}`);
  }

  /** A client of one Region, and of no other. */
  #clientOf(url: string): CountersignClient {
    const only = ((to: string, init: RequestInit) =>
      to.startsWith(`${url}/`)
        ? fetch(to, init)
        : Promise.reject(new Error('another Region'))) as typeof fetch;
    return new CountersignClient({ url, apiKey: this.#apiKey, fetch: only });
  }

  #regionOf(url: string): string | undefined {
    return this.#info.regions.find((region) => url.startsWith(`${region.url}/`))?.name;
  }

  #pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#ended.signal }).catch(() => {});
  }
}

async function register(
  client: CountersignClient,
  userId: string,
): Promise<{ registered?: { id: string; createdAt: string }; error?: string }> {
  try {
    const { id, created_at: createdAt } = await client.register({ user_id: userId });
    return { registered: { id, createdAt } };
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error;
    return error.code === 'client_closed' ? {} : { error: error.code };
  }
}

async function inParallel<T>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = [...items];
  const worker = async () => {
    for (let item = rest.pop(); item !== undefined; item = rest.pop()) {
      signal.throwIfAborted();
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: READERS }, worker));
}
