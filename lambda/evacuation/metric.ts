/** Puts the metric of evacuated Regions. */
import { type CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { EVACUATED_METRIC, metricNamespace } from '../contract/evacuation.ts';

/** @returns a function that puts one value for a Region */
export const evacuationMetricPut =
  (cloudwatch: CloudWatchClient, stage: string) =>
  async (region: string, value: 0 | 1): Promise<void> => {
    const Dimensions = [{ Name: 'Region', Value: region }];
    const MetricData = [{ MetricName: EVACUATED_METRIC, Dimensions, Value: value }];
    await cloudwatch.send(new PutMetricDataCommand({ Namespace: metricNamespace(stage), MetricData }));
  };
