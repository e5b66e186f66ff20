/**
 * Simulates how CloudWatch and Route 53 turn requests and data points into DNS answers, without a network or
 * a clock. Each rule is a row of docs/aws-truths.md, "Names and health". Times are epoch milliseconds.
 */

export interface DataPoint {
  readonly atMs: number;
  readonly value: number;
}

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

/**
 * An alarm looks back further than the one period that it evaluates. How far is not documented for every
 * case.
 */
const EVALUATION_RANGE = 3;

/**
 * The state that an alarm's data shows: one period at or above 1 fires it, and missing data stays missing. An
 * alarm that ignores missing data keeps its own state for longer, but Route 53 reads the data.
 */
export function alarmData(points: readonly DataPoint[], nowMs: number, periodMs: number): AlarmState {
  const period = ({ atMs }: DataPoint) => Math.floor(atMs / periodMs);
  const now = period({ atMs: nowMs, value: 0 });
  const recent = points.filter((point) => period(point) > now - EVALUATION_RANGE && point.atMs <= nowMs);
  if (recent.length === 0) return 'INSUFFICIENT_DATA';
  const newest = Math.max(...recent.map(period));
  const highest = Math.max(...recent.filter((point) => period(point) === newest).map(({ value }) => value));
  return highest >= 1 ? 'ALARM' : 'OK';
}

/** Older data points change no state. */
export const isForgotten = ({ atMs }: DataPoint, nowMs: number, periodMs: number): boolean =>
  nowMs - atMs > EVALUATION_RANGE * periodMs;

export type WithoutData = 'LastKnownStatus' | 'Healthy';

/**
 * A health check of an alarm.
 *
 * @param was its status so far; a new check is healthy
 */
export function alarmCheck(was: boolean, data: AlarmState, without: WithoutData): boolean {
  if (data !== 'INSUFFICIENT_DATA') return data === 'OK';
  return without === 'Healthy' ? true : was;
}

export interface EndpointCheck {
  readonly healthy: boolean;
  /** The number of results in a row that contradict the status. */
  readonly contrary: number;
}

/** A new check is healthy. */
export const NEW_ENDPOINT_CHECK: EndpointCheck = { healthy: true, contrary: 0 };

/** @param threshold the number of results in a row that change the status */
export function endpointCheck(
  { healthy, contrary }: EndpointCheck,
  passed: boolean,
  threshold = 1,
): EndpointCheck {
  if (passed === healthy) return { healthy, contrary: 0 };
  return contrary + 1 < threshold ? { healthy, contrary: contrary + 1 } : { healthy: passed, contrary: 0 };
}

/** The checks of one Region: of its endpoint, and of its evacuation alarm. */
export interface RegionChecks {
  readonly endpoint: EndpointCheck;
  readonly notEvacuated: boolean;
}

export const NEW_CHECKS: RegionChecks = { endpoint: NEW_ENDPOINT_CHECK, notEvacuated: true };

/** The Region's calculated check: both must be healthy. */
export const isHealthy = ({ endpoint, notEvacuated }: RegionChecks): boolean =>
  endpoint.healthy && notEvacuated;

/** @returns the Regions that DNS answers with: the healthy ones, or all of them if none is healthy */
export function answers<R>(regions: readonly R[], healthy: (region: R) => boolean): readonly R[] {
  const found = regions.filter(healthy);
  return found.length > 0 ? found : regions;
}
