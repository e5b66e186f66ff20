/** Names that the stacks, the functions and the command line share for taking a Region out of service. */

/** Prefix of the names of a stage's metrics. */
export const metricNamespace = (stage: string): string => `Countersign/${stage}`;

/** 1 while a Region is evacuated, 0 for a while after it returned; the dimension `Region` names it. */
export const EVACUATED_METRIC = 'Evacuated';

/** Section of the runbook, and part of the alarm's name. */
export const EVACUATED_SECTION = 'evacuated';

/** Lies in the Region's keeper. */
export const evacuationAlarmName = (stage: string, region: string): string =>
  `countersign-${stage}-${EVACUATED_SECTION}-${region}`;

/** Puts the metric, in the Region that keeps the flag of another. */
export const evacuationFunctionName = (stage: string): string => `countersign-${stage}-evacuation`;

/**
 * The Region that keeps the evacuation flag of another: the next in alphabetical order, whatever the order of
 * the config. So another order of preference moves no flag, and a Region that is added or removed moves the
 * flag of one other.
 *
 * @returns undefined where there is no other Region
 */
export function keeperOf(region: string, regions: readonly string[]): string | undefined {
  const ring = [...regions].sort();
  const next = ring[(ring.indexOf(region) + 1) % ring.length];
  return next === region ? undefined : next;
}

/** @returns the Region whose flag a Region keeps; undefined where there is no other Region */
export const keptBy = (keeper: string, regions: readonly string[]): string | undefined =>
  regions.find((region) => keeperOf(region, regions) === keeper);
