/** Runs the health checks of all Regions, as Route 53 does. */
import {
  type AlarmState,
  alarmCheck,
  endpointCheck,
  isHealthy,
  NEW_CHECKS,
  type RegionChecks,
} from './health-check.ts';

export interface CheckedRegion {
  readonly name: string;
  /** The checkers' own path. */
  readonly healthUrl: string;
  /** The state of the data of its evacuation alarm. */
  readonly evacuated: () => AlarmState;
}

export interface Checker {
  readonly isHealthy: (region: string) => boolean;
  stop(): void;
}

/** A checker waits this long for an answer. */
const TIMEOUT_MS = 2_000;

/** @param everyMs the time from one request to the next */
export function startChecker(regions: readonly CheckedRegion[], everyMs: number): Checker {
  const checks = new Map<string, RegionChecks>(regions.map(({ name }) => [name, NEW_CHECKS]));
  const look = () => {
    for (const region of regions) void check(region);
  };
  look();
  const timer = setInterval(look, everyMs);
  return { isHealthy: (name) => isHealthy(checks.get(name)!), stop: () => clearInterval(timer) };

  async function check({ name, healthUrl, evacuated }: CheckedRegion): Promise<void> {
    const passed = await answersWell(healthUrl);
    const { endpoint, notEvacuated } = checks.get(name)!;
    checks.set(name, {
      endpoint: endpointCheck(endpoint, passed),
      notEvacuated: alarmCheck(notEvacuated, evacuated(), 'LastKnownStatus'),
    });
  }
}

/** @returns whether the answer is 2xx or 3xx, and in time */
async function answersWell(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'manual' });
    await answer.body?.cancel();
    return answer.status < 400;
  } catch {
    return false;
  }
}
