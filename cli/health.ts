/** Reads a Region's own `/v1/health`, as a client would. */
import { setTimeout as delay } from 'node:timers/promises';
import { isJsonObject } from '../protocol/json.ts';

export interface HealthAnswer {
  readonly healthy: boolean;
  /** Checks that fail. */
  readonly failing: readonly string[];
  /** Other reasons that keep the Region out of service. */
  readonly notes: readonly string[];
  /** Whether an operator stopped writes; the Region can be healthy nevertheless. */
  readonly writesStopped: boolean;
}

/** @returns undefined where this is no answer of `/v1/health` */
export function readHealth(ok: boolean, json: unknown): HealthAnswer | undefined {
  const { status, checks, notes, writes } = isJsonObject(json) ? json : {};
  if (!isJsonObject(checks) || (status !== 'pass' && status !== 'fail')) return undefined;
  return {
    healthy: ok && status === 'pass',
    failing: Object.keys(checks).filter((name) => checks[name] !== 'pass'),
    notes: Array.isArray(notes) ? notes.map(String) : [],
    writesStopped: writes === 'stopped',
  };
}

/** Too many ask: the front door refuses, and how the Region is is not known. */
export const THROTTLED = 'throttled';

export interface HealthQuestion {
  /** Limit on one answer. */
  readonly timeoutMs: number;
  /** How long to ask again while the answer is 429: a flood of the public path stops no operator. */
  readonly throttledMs: number;
  /** Ends the questions; the last answer counts. */
  readonly signal?: AbortSignal;
}

const BASE_MS = 100;
const CAP_MS = 2_000;

/**
 * @param baseUrl the Region's
 * @returns undefined where there is no such answer in time
 */
export async function askHealth(
  baseUrl: string,
  { timeoutMs, throttledMs, signal }: HealthQuestion,
): Promise<HealthAnswer | typeof THROTTLED | undefined> {
  const untilMs = performance.now() + throttledMs;
  for (let capMs = BASE_MS; ; capMs = Math.min(2 * capMs, CAP_MS)) {
    const answer = await askOnce(baseUrl, timeoutMs);
    if (answer !== THROTTLED || signal?.aborted || performance.now() >= untilMs) return answer;
    await delay(Math.random() * capMs, undefined, { signal }).catch(() => {});
  }
}

async function askOnce(
  baseUrl: string,
  timeoutMs: number,
): Promise<HealthAnswer | typeof THROTTLED | undefined> {
  try {
    const answer = await fetch(`${baseUrl}/v1/health`, { signal: AbortSignal.timeout(timeoutMs) });
    if (answer.status === 429) return THROTTLED;
    return readHealth(answer.ok, await answer.json());
  } catch {
    return undefined;
  }
}
