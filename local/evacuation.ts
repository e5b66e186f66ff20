/** Evacuation on this machine. Each keeper has the real function, its schedule and its alarm. */
import { randomUUID } from 'node:crypto';
import {
  EVACUATED_METRIC,
  evacuationAlarmName,
  evacuationFunctionName,
  keeperOf,
  keptBy,
  metricNamespace,
} from '../lambda/contract/evacuation.ts';
import { tableName } from '../lambda/contract/names.ts';
import { evacuation } from '../lambda/entry/compose/evacuation.ts';
import { describeError, type Log } from '../lambda/log.ts';
import { CloudWatch } from './aws/cloudwatch.ts';
import type { LambdaHandler } from './aws/lambda.ts';
import type { AwsClients } from './region.ts';
import { STAGE } from './stage.ts';

/** @returns by Region, its CloudWatch with the alarm for the Region whose flag it keeps */
export function createCloudWatch(
  names: readonly string[],
  periodMs: number,
  nowMs: () => number,
): Map<string, CloudWatch> {
  const alarm = (of: string) => ({
    name: evacuationAlarmName(STAGE, of),
    namespace: metricNamespace(STAGE),
    metric: EVACUATED_METRIC,
    dimension: { Name: 'Region', Value: of },
  });
  return new Map(names.map((name) => [name, new CloudWatch([alarm(keptBy(name, names)!)], periodMs, nowMs)]));
}

/** @returns the state of the data of a Region's alarm */
export const evacuatedData = (
  cloudwatch: ReadonlyMap<string, CloudWatch>,
  region: string,
  names: readonly string[],
) => cloudwatch.get(keeperOf(region, names)!)!.state(evacuationAlarmName(STAGE, region));

export interface EvacuationOptions {
  readonly regions: readonly {
    readonly name: string;
    readonly aws: AwsClients;
    /** The Region's functions by full name. The function of the schedule is added here. */
    readonly functions: Map<string, LambdaHandler>;
  }[];
  readonly everyMs: number;
  readonly nowMs: () => number;
  readonly log: Log;
}

/** @returns a function that ends the schedule */
export function startEvacuation({ regions, everyMs, nowMs, log }: EvacuationOptions): () => void {
  const names = regions.map(({ name }) => name);
  const functions = regions.map(({ name, aws, functions }) => {
    const env = {
      COUNTERSIGN_STAGE: STAGE,
      COUNTERSIGN_REGION: name,
      COUNTERSIGN_KEPT_REGION: keptBy(name, names)!,
      COUNTERSIGN_LIMITS_TABLE: tableName(STAGE, 'limits'),
    };
    const run = evacuation({ env, nowMs, log, dynamodb: aws.dynamodb }, aws.cloudwatch) as LambdaHandler;
    functions.set(evacuationFunctionName(STAGE), run);
    return { name, run };
  });
  const timer = setInterval(() => {
    for (const { name, run } of functions)
      void run({}, { awsRequestId: randomUUID() }).catch((error: unknown) =>
        log({
          level: 'ERROR',
          message: 'evacuation',
          region: name,
          reason: 'metric',
          ...describeError(error),
        }),
      );
  }, everyMs);
  return () => clearInterval(timer);
}
