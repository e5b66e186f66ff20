/** Alarms on delivery, of a stage of kind prod. Each has a section in docs/runbook.md. */
import { Duration } from 'aws-cdk-lib';
import { MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { deliverName } from '../../lambda/contract/names.ts';
import type { Delivery } from '../callbacks/delivery.ts';
import type { Config } from '../config/read.ts';
import { PlatformAlarm, SILENCE } from './alarm.ts';
import { linesWith } from './log-filter.ts';
import { callsOf, filterTarget, functionMetric, regionMetric } from './metrics.ts';

export interface DeliveryAlarmsProps {
  readonly config: Config;
  readonly region: string;
  readonly delivery: Delivery;
  readonly topic: ITopic | undefined;
}

const PERIOD = Duration.minutes(5);
/** A secret that ends has a line an hour: its alarm rings once. */
const HOURS = Duration.hours(6);

/** The log's `reason`, and the alarm on it. */
const LINES = [
  {
    id: 'Disabled',
    reason: 'endpoint_disabled',
    metric: 'disabledEndpoints',
    section: 'callbacks-endpoint-disabled',
    period: PERIOD,
    what: 'An endpoint took nothing for three days and gets no more callbacks.',
  },
  {
    id: 'Dead',
    reason: 'dead_letter',
    metric: 'deadCallbacks',
    section: 'callbacks-dead-letters',
    period: PERIOD,
    what: 'Events were not delivered within three days, and are not tried again.',
  },
  {
    id: 'SecretEnds',
    reason: 'secret_ends',
    metric: 'endingEndpointSecrets',
    section: 'callbacks-secret-ends',
    period: HOURS,
    what: 'An endpoint’s secret ends within 14 days. Without another one, its consumer refuses callbacks from then on.',
  },
  {
    id: 'SecretEnded',
    reason: 'secret_ended',
    metric: 'endedEndpointSecrets',
    section: 'callbacks-secret-ended',
    period: HOURS,
    what: 'The key that an endpoint’s secret was derived from is gone: its callbacks are signed by the platform’s key alone.',
  },
  {
    id: 'Left',
    reason: 'no_holder',
    metric: 'endpointsLeft',
    section: 'callbacks-left',
    period: PERIOD,
    what: 'Endpoints of callbacks belong to a Region that the stage no longer has: nobody delivers to them.',
  },
] as const;

export class DeliveryAlarms extends Construct {
  constructor(scope: Construct, id: string, { config, region, delivery, topic }: DeliveryAlarmsProps) {
    super(scope, id);
    const stage = config.stage.name;
    for (const { id, reason, metric, section, what, period } of LINES) {
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
    new MetricFilter(this, 'Keyset', {
      logGroup: delivery.logGroup,
      filterPattern: linesWith('message', 'keyset'),
      ...filterTarget('keysetUnreadable', stage),
    });
    new MetricFilter(this, 'TurnLines', {
      logGroup: delivery.logGroup,
      filterPattern: linesWith('reason', 'turn'),
      ...filterTarget('failedTurns', stage),
    });
    const late = { config, topic, section: 'callbacks-late' };
    new PlatformAlarm(this, 'Turns', {
      ...late,
      of: 'turns',
      what: 'Callbacks of an endpoint, or of all, cannot be delivered: each try ends with an error of the platform.',
      metric: regionMetric('failedTurns', stage, region, { period: PERIOD }),
      threshold: 1,
      evaluationPeriods: 3,
    });
    new PlatformAlarm(this, 'Failed', {
      ...late,
      of: 'failed',
      what: 'The function that delivers callbacks fails. Callbacks are late.',
      metric: functionMetric(deliverName(stage), 'Errors', { period: PERIOD }),
      threshold: 1,
      evaluationPeriods: 3,
    });
    new PlatformAlarm(this, 'Silent', {
      ...late,
      of: 'silent',
      what: 'The schedule does not call the function that delivers callbacks. Retries, and callbacks whose wake-up was lost, wait.',
      // Not the calls of the function: the queue calls it, too.
      metric: callsOf(deliverName(stage), PERIOD),
      evaluationPeriods: 3,
      ...SILENCE,
    });
    new PlatformAlarm(this, 'Late', {
      ...late,
      of: 'queue',
      what: 'Wake-ups wait for more than five minutes. Callbacks are late.',
      metric: delivery.wakeUps.metricApproximateAgeOfOldestMessage({ statistic: 'max', period: PERIOD }),
      threshold: Duration.minutes(5).toSeconds(),
    });
  }
}
