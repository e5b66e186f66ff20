/**
 * `GET /v1/health`: whether this Region can register (docs/openapi.yaml, `/v1/health`; docs/regions.md,
 * "Health").
 */
import { afterGood, type Goodness, isPastHoldDown, wasHealthy } from '../../protocol/health.ts';
import { Unavailable } from '../adapters/call.ts';
import type { Evacuations } from '../adapters/evacuations.ts';
import type { GoodnessRecord } from '../adapters/goodness.ts';
import type { Ledger } from '../adapters/ledger.ts';
import type { Registry } from '../adapters/registry.ts';
import type { WriteStop } from '../adapters/write-stop.ts';
import { json } from '../http/answer.ts';
import { type HttpContext, type HttpHandler, httpHandler } from '../http/handler.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';

export interface HealthOptions {
  readonly http: HttpContext;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly keysets: readonly KeysetCache[];
  readonly evacuations: Pick<Evacuations, 'read'>;
  readonly writeStop: Pick<WriteStop, 'read'>;
  readonly goodness: GoodnessRecord;
  /**
   * A Region that was unhealthy stays so until it has been good for this long. 0, without regular requests:
   * no hold-down.
   */
  readonly holdDownMs: number;
}

/** Health results are cached this long: frequent checks cause few writes. */
const CACHE_MS = 5_000;
/** The result changes after this many that contradict it: one slow write moves no traffic. */
const CHANGES_AFTER = 2;
/** A part that takes longer counts as failed: a health checker waits for an answer for two seconds. */
const PATIENCE_MS = 1_200;
/** The record takes the rest of those two seconds at most. */
const RECORD_PATIENCE_MS = 500;

type Status = 'pass' | 'fail';
const PARTS = ['ledger', 'registry', 'keys'] as const;
type Checks = Record<(typeof PARTS)[number], Status>;
/** Another reason that keeps a Region out of service. `limits`: the table of these records cannot be read. */
type Note = 'evacuated' | 'hold-down' | 'limits';

interface Result {
  readonly checks: Checks;
  readonly notes: readonly Note[];
}
interface Look extends Result {
  /** Undefined if the record was not read. */
  readonly held?: Goodness | undefined;
  /**
   * Whether an operator stopped writes for a copy of the tables. That does not make the Region unhealthy: as
   * a rule writes are stopped in every Region, and DNS could lead clients to no better one. A Region does not
   * know of the others' stops (docs/regions.md, "Health").
   */
  readonly stopped: boolean;
}

type Found = Pick<Look, 'checks' | 'notes' | 'stopped'>;

export function healthHandler(options: HealthOptions): HttpHandler {
  const { http, ledger, registry, keysets, evacuations, writeStop, goodness, holdDownMs } = options;
  let answered: Result | undefined;
  /** Results in a row that contradict the answer. */
  let contrary = 0;
  /** When this instance last found the Region bad, and could not note it. */
  let unnotedMs: number | undefined;
  let latest: { readonly atMs: number; readonly result: Promise<Found> } | undefined;

  return httpHandler(http, async () => {
    const nowMs = http.nowMs();
    if (!latest || nowMs - latest.atMs >= CACHE_MS || nowMs < latest.atMs)
      latest = { atMs: nowMs, result: find(nowMs) };
    const { checks, notes, stopped } = await latest.result;
    const status: Status = isGood({ checks, notes }) ? 'pass' : 'fail';
    return {
      ...json(
        status === 'pass' ? 200 : 503,
        {
          ...{ status, checks, region: http.region },
          ...(notes.length > 0 && { notes }),
          ...(stopped && { writes: 'stopped' }),
        },
        {
          'Cache-Control': 'no-store',
          'Content-Type': 'application/health+json',
        },
      ),
      reason: [...PARTS.filter((part) => checks[part] === 'fail'), ...notes].join(),
    };
  });

  async function find(nowMs: number): Promise<Found> {
    const found = await look(nowMs);
    return { ...(await judge(found, nowMs)), stopped: found.stopped };
  }

  async function look(nowMs: number): Promise<Look> {
    const read = async () => {
      const [flag, stoppedAtMs, held] = await Promise.all([
        evacuations.read(http.region),
        writeStop.read(),
        holdDownMs > 0 ? goodness.read() : undefined,
      ]);
      return { flag, held, stopped: stoppedAtMs !== undefined };
    };
    const [ledgerStatus, registryStatus, keys, limits] = await Promise.all([
      passes(() => ledger.probe(nowMs)),
      passes(() => registry.probe(http.region, nowMs)),
      passes(async () => {
        for (const keyset of keysets) if (!(await keyset.signingKey(nowMs))) throw new Unavailable('keys');
      }),
      inTime(read()).catch(unlessUnavailable),
    ]);
    const notes: readonly Note[] = !limits ? ['limits'] : limits.flag?.stands ? ['evacuated'] : [];
    return {
      checks: { ledger: ledgerStatus, registry: registryStatus, keys },
      notes,
      stopped: limits?.stopped === true,
      ...(limits && { held: limits.held }),
    };
  }

  /** @returns the result to answer with: the Region's, not only this instance's */
  async function judge(found: Look, nowMs: number): Promise<Result> {
    const before = known(found, nowMs);
    const changes = before !== undefined && isGood(before) !== isGood(found);
    contrary = changes ? contrary + 1 : 0;
    // The hold-down makes a Region wait long enough before it is healthy again.
    const isSettled = !changes || contrary >= CHANGES_AFTER || (isGood(found) && holdDownMs > 0);
    if (isSettled) contrary = 0;
    answered = isSettled ? await settle(found, nowMs) : before!;
    return answered;
  }

  /**
   * @returns the Region's last result: unhealthy if this instance found it unhealthy; otherwise the shared
   * record of all instances, if it can be read, because this instance may have just started or missed
   * something
   */
  function known({ notes, held }: Look, nowMs: number): Result | undefined {
    const alone = holdDownMs === 0 || notes.includes('limits');
    if (alone || (answered && !isGood(answered))) return answered;
    return wasHealthy(held, nowMs, holdDownMs) ? GOOD : undefined;
  }

  async function settle({ checks, notes, held }: Look, nowMs: number): Promise<Result> {
    const result = { checks, notes };
    if (holdDownMs === 0) return result;
    if (!isGood(result)) {
      unnotedMs = nowMs;
      await inTime(goodness.bad(held, nowMs), RECORD_PATIENCE_MS).then(() => {
        unnotedMs = undefined;
      }, unlessUnavailable);
      return result;
    }
    const noted = await inTime(goodness.good(held, nowMs, holdDownMs, unnotedMs), RECORD_PATIENCE_MS).catch(
      unlessUnavailable,
    );
    const state = noted ?? afterGood(held, nowMs, holdDownMs, unnotedMs);
    if (noted) unnotedMs = undefined;
    return isPastHoldDown(state, nowMs, holdDownMs) ? result : { checks, notes: ['hold-down'] };
  }
}

const GOOD: Result = { checks: { ledger: 'pass', registry: 'pass', keys: 'pass' }, notes: [] };

const isGood = ({ checks, notes }: Result): boolean =>
  notes.length === 0 && PARTS.every((part) => checks[part] === 'pass');

async function passes(check: () => Promise<void>): Promise<Status> {
  try {
    await inTime(check());
    return 'pass';
  } catch (error) {
    unlessUnavailable(error);
    return 'fail';
  }
}

function unlessUnavailable(error: unknown): undefined {
  if (error instanceof Unavailable) return undefined;
  throw error;
}

/** @throws Unavailable where it takes too long */
async function inTime<T>(work: Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Unavailable('answer in time')), patienceMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
