/** Alarms on the outbox, of a stage of kind prod. Each has a section in docs/runbook.md. */
import { Duration } from 'aws-cdk-lib';
import { MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { outboxName, tableKinds } from '../../lambda/contract/names.ts';
import type { Outbox } from '../callbacks/outbox.ts';
import type { Config } from '../config/read.ts';
import { PlatformAlarm, SILENCE } from './alarm.ts';
import { linesWith } from './log-filter.ts';
import { callsOf, filterTarget, functionMetric, pollsOf, regionMetric } from './metrics.ts';

/** A record is gone after 24 hours: this leaves an operator most of a day. */
const LATE = Duration.minutes(15);
/** Twice the interval of the outbox's schedule. */
const TWO_CALLS = Duration.minutes(20);

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
    const late = { config, topic, section: 'events-late' };
    const missed = { config, topic, section: 'events-missed' };
    new PlatformAlarm(this, 'Late', {
      ...late,
      what: 'Changes wait for more than 15 minutes until they become events. After 24 hours they are lost to consumers.',
      metric: functionMetric(outboxName(stage), 'IteratorAge', { statistic: 'max', period }),
      threshold: LATE.toMilliseconds(),
    });
    // A mapping that calls nothing has no IteratorAge.
    for (const kind of tableKinds('global'))
      new PlatformAlarm(this, `Silent-${kind}`, {
        ...late,
        of: `unread-${kind}`,
        what: `Nothing reads the stream of ${kind}. After 24 hours its changes are lost to consumers.`,
        metric: pollsOf(outbox.mappings[kind], period),
        evaluationPeriods: 3,
        ...SILENCE,
      });
    new PlatformAlarm(this, 'Failed', {
      ...late,
      of: 'failed',
      what: 'The function that writes events fails again and again. Changes, or warnings of keys that end soon, come late.',
      metric: functionMetric(outboxName(stage), 'Errors', { period: TWO_CALLS }),
      threshold: 1,
      evaluationPeriods: 3,
    });
    new PlatformAlarm(this, 'Silent', {
      ...late,
      of: 'silent',
      what: 'The schedule does not call the function that writes events. Nobody learns of keys that end soon.',
      metric: callsOf(outboxName(stage), TWO_CALLS),
      evaluationPeriods: 2,
      ...SILENCE,
    });
    new PlatformAlarm(this, 'Expired', {
      ...missed,
      of: 'expired',
      what: 'Changes were too old before they became events. Consumers miss them until an operator rebuilds the events.',
      metric: outbox.failed.metricApproximateNumberOfMessagesVisible({ statistic: 'max', period }),
      threshold: 1,
    });
    new PlatformAlarm(this, 'Unsent', {
      ...missed,
      of: 'unsent',
      what: 'Changes were too old before they became events, and the queue that says which ones could not be written. Consumers miss them until an operator rebuilds the events.',
      metric: functionMetric(outboxName(stage), 'DestinationDeliveryFailures', { period }),
      threshold: 1,
    });
    new MetricFilter(this, 'UnreadableLines', {
      logGroup: outbox.logGroup,
      filterPattern: linesWith('reason', 'record'),
      ...filterTarget('unreadableChanges', stage),
    });
    new PlatformAlarm(this, 'Unreadable', {
      ...missed,
      of: 'unreadable',
      what: 'The outbox left out changes that it cannot read: another program wrote them.',
      metric: regionMetric('unreadableChanges', stage, region, { period }),
      threshold: 1,
    });
  }
}
