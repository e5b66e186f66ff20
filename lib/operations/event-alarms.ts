/** Alarms on the outbox, of a stage of kind prod. Each has a section in docs/runbook.md. */
import { Duration } from 'aws-cdk-lib';
import { MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { outboxName } from '../../lambda/contract/names.ts';
import type { Outbox } from '../callbacks/outbox.ts';
import type { Config } from '../config/read.ts';
import { PlatformAlarm } from './alarm.ts';
import { linesWith } from './log-filter.ts';
import { filterTarget, functionMetric, regionMetric } from './metrics.ts';

/** A record is gone after 24 hours: this leaves an operator most of a day. */
const LATE = Duration.minutes(15);

export interface EventAlarmsProps {
  readonly config: Config;
  readonly region: string;
  readonly outbox: Outbox;
  readonly topic: ITopic | undefined;
}

export class EventAlarms extends Construct {
  constructor(scope: Construct, id: string, { config, region, outbox, topic }: EventAlarmsProps) {
    super(scope, id);
    const stage = config.stage.name;
    const period = Duration.minutes(5);
    new PlatformAlarm(this, 'Late', {
      config,
      topic,
      section: 'events-late',
      what: 'Changes wait for more than 15 minutes until they become events. After 24 hours they are lost to consumers.',
      metric: functionMetric(outboxName(stage), 'IteratorAge', { statistic: 'max', period }),
      threshold: LATE.toMilliseconds(),
    });
    new PlatformAlarm(this, 'Expired', {
      config,
      topic,
      section: 'events-missed',
      of: 'expired',
      what: 'Changes were too old before they became events. Consumers miss them until an operator rebuilds the events.',
      metric: outbox.failed.metricApproximateNumberOfMessagesVisible({ statistic: 'max', period }),
      threshold: 1,
    });
    new MetricFilter(this, 'UnreadableLines', {
      logGroup: outbox.logGroup,
      filterPattern: linesWith('reason', 'record'),
      ...filterTarget('unreadableChanges', stage),
    });
    new PlatformAlarm(this, 'Unreadable', {
      config,
      topic,
      section: 'events-missed',
      of: 'unreadable',
      what: 'The outbox left out changes that it cannot read: another program wrote them.',
      metric: regionMetric('unreadableChanges', stage, region, { period }),
      threshold: 1,
    });
  }
}
