/** Reads a Region's own `/v1/health`, as a client would. */
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

/**
 * @param baseUrl the Region's
 * @returns undefined where there is no such answer in time
 */
export async function askHealth(baseUrl: string, timeoutMs: number): Promise<HealthAnswer | undefined> {
  try {
    const answer = await fetch(`${baseUrl}/v1/health`, { signal: AbortSignal.timeout(timeoutMs) });
    return readHealth(answer.ok, await answer.json());
  } catch {
    return undefined;
  }
}
