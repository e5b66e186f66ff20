/** Reads a Region's own `/v1/health`, as a client would. */
import { isJsonObject } from '../protocol/json.ts';

export interface HealthAnswer {
  readonly healthy: boolean;
  /** Checks that fail. */
  readonly failing: readonly string[];
  /** Other reasons that keep the Region out of service. */
  readonly notes: readonly string[];
}

/**
 * @param baseUrl the Region's
 * @returns undefined where there is no such answer in time
 */
export async function askHealth(baseUrl: string, timeoutMs: number): Promise<HealthAnswer | undefined> {
  try {
    const answer = await fetch(`${baseUrl}/v1/health`, { signal: AbortSignal.timeout(timeoutMs) });
    const { status, checks, notes } = (await answer.json()) as Record<string, unknown>;
    if (!isJsonObject(checks) || (status !== 'pass' && status !== 'fail')) return undefined;
    return {
      healthy: answer.ok && status === 'pass',
      failing: Object.keys(checks).filter((name) => checks[name] !== 'pass'),
      notes: Array.isArray(notes) ? notes.map(String) : [],
    };
  } catch {
    return undefined;
  }
}
