/** Alarms on delivery, of a stage of kind prod. Each has a section in docs/runbook.md. */
import { Duration } from 'aws-cdk-lib';
import { MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { deliverName } from '../../lambda/contract/names.ts';
import type { Delivery } from '../callbacks/delivery.ts';
import type { Config } from '../config/read.ts';
import { PlatformAlarm } from './alarm.ts';
import { linesWith } from './log-filter.ts';
import { filterTarget, functionMetric, regionMetric } from './metrics.ts';

export interface DeliveryAlarmsProps {
  readonly config: Config;
  readonly region: string;
  readonly delivery: Delivery;
  readonly topic: ITopic | undefined;
}

/** The log's `reason`, and the alarm on it. */
const LINES = [
  {
    id: 'Disabled',
    reason: 'endpoint_disabled',
    metric: 'disabledEndpoints',
    section: 'callbacks-endpoint-disabled',
    what: 'An endpoint took nothing for three days and gets no more callbacks.',
  },
  {
    id: 'Dead',
    reason: 'dead_letter',
    metric: 'deadCallbacks',
    section: 'callbacks-dead-letters',
    what: 'Events were not delivered within three days, and are not tried again.',
  },
  {
    id: 'SecretEnded',
    reason: 'secret_ended',
    metric: 'endedEndpointSecrets',
    section: 'callbacks-secret-ended',
    what: 'The key that an endpoint’s secret was derived from is gone: its callbacks are signed by the platform’s key alone.',
  },
] as const;

export class DeliveryAlarms extends Construct {
  constructor(scope: Construct, id: string, { config, region, delivery, topic }: DeliveryAlarmsProps) {
    super(scope, id);
    const stage = config.stage.name;
    const period = Duration.minutes(5);
    for (const { id, reason, metric, section, what } of LINES) {
      new MetricFilter(this, `${id}Lines`, {
        logGroup: delivery.logGroup,
        filterPattern: linesWith('reason', reason),
        ...filterTarget(metric, stage),
      });
      new PlatformAlarm(this, id, {
        ...{ config, topic, section, what, threshold: 1 },
        metric: regionMetric(metric, stage, region, { period }),
      });
    }
    new PlatformAlarm(this, 'Failed', {
      config,
      topic,
      section: 'callbacks-late',
      of: 'failed',
      what: 'The function that delivers callbacks fails. Callbacks are late.',
      metric: functionMetric(deliverName(stage), 'Errors', { period }),
      threshold: 1,
      evaluationPeriods: 3,
    });
    new PlatformAlarm(this, 'Late', {
      config,
      topic,
      section: 'callbacks-late',
      of: 'queue',
      what: 'Wake-ups wait for more than five minutes. Callbacks are late.',
      metric: delivery.wakeUps.metricApproximateAgeOfOldestMessage({ statistic: 'max', period }),
      threshold: Duration.minutes(5).toSeconds(),
    });
  }
}
