/** Composes the function that puts the metric of an evacuated Region. */
import type { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { createEvacuations } from '../../adapters/evacuations.ts';
import { evacuationHandler } from '../../evacuation/handler.ts';
import { evacuationMetricPut } from '../../evacuation/metric.ts';
import type { WithTables } from './parts.ts';
import { requireEnv } from './variables.ts';

export const evacuation = (
  { env, dynamodb, nowMs }: WithTables,
  cloudwatch: CloudWatchClient,
): (() => Promise<void>) =>
  evacuationHandler({
    evacuations: createEvacuations(dynamodb, requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE')),
    putMetric: evacuationMetricPut(cloudwatch, requireEnv(env, 'COUNTERSIGN_STAGE')),
    kept: requireEnv(env, 'COUNTERSIGN_KEPT_REGION'),
    nowMs,
  });
