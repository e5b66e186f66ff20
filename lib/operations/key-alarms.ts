/** Alarms on the platform's keys. Each has a section in docs/runbook.md. */
import { Duration } from 'aws-cdk-lib';
import { MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { FilterPattern, type IFilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { metricNamespace } from '../../lambda/contract/evacuation.ts';
import type { TableFinding, WatchFinding } from '../../lambda/contract/keys.ts';
import { keysWatchName, rotationFunctionName } from '../../lambda/contract/names.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import type { Config } from '../config/read.ts';
import type { KeyRotation } from '../keys/rotation.ts';
import { PlatformAlarm, type PlatformAlarmProps, SILENCE } from './alarm.ts';
import { linesWith } from './log-filter.ts';
import { functionMetric } from './metrics.ts';

export interface KeyAlarmsProps {
  readonly config: Config;
  readonly rotation: KeyRotation;
  readonly topic: ITopic | undefined;
}

/**
 * Twice the interval of keys-watch: a finding that repeats every hour keeps one alarm on, and does not
 * restart it.
 */
const PERIOD = Duration.hours(2);

export class KeyAlarms extends Construct {
  constructor(scope: Construct, id: string, { config, rotation, topic }: KeyAlarmsProps) {
    super(scope, id);
    const stage = config.stage.name;
    const namespace = metricNamespace(stage);
    const alarm = (id: string, props: Omit<PlatformAlarmProps, 'config' | 'topic'>) =>
      new PlatformAlarm(this, id, { config, topic, ...props });
    const found = (name: string, ...reasons: (WatchFinding | TableFinding)[]): Metric => {
      const patterns = reasons.map((reason) => linesWith('reason', reason));
      return this.#counted(namespace, name, rotation.watchLog, FilterPattern.any(...patterns));
    };

    const [logged] = rotation.rotationLogs.map((log) =>
      this.#counted(namespace, 'RotationFailed', log, linesWith('level', 'ERROR')),
    );
    const ended = PURPOSES.map((purpose) =>
      functionMetric(rotationFunctionName(stage, purpose), 'Errors', { period: PERIOD }),
    );
    alarm('RotationFailed', {
      section: 'rotation-failed',
      what: 'A rotation failed. Keys stay as they are, and the next scheduled rotation tries again. No client notices.',
      // A function that runs out of time or memory writes no line.
      metric: new MathExpression({
        expression: ['logged', ...ended.map((_, i) => `ended${i}`)].map((id) => `FILL(${id}, 0)`).join(' + '),
        usingMetrics: {
          logged: logged!,
          ...Object.fromEntries(ended.map((each, i) => [`ended${i}`, each])),
        },
        period: PERIOD,
      }),
      threshold: 1,
    });
    alarm('RotationOverdue', {
      section: 'rotation-overdue',
      what: 'Keys are older than the configured period: rotations fail, do not run, or were interrupted. No client notices.',
      metric: found('RotationOverdue', 'rotation_overdue', 'leftover_pending_removed'),
      threshold: 1,
    });
    alarm('ReplicaBehind', {
      section: 'replica-behind',
      what: 'A Region lacks the key that signs next, or could not be asked. Without that key it will refuse valid requests.',
      metric: found('ReplicaBehind', 'replica_lacks_next_key', 'replica_unreadable'),
      threshold: 1,
    });
    alarm('NoKeys', {
      section: 'no-keys',
      what: 'A keyset has no key that signs, or was rolled back: it is new, or somebody emptied or overwrote it, or all its keys are revoked. Functions without a copy answer 503.',
      metric: found('NoKeys', 'no_keys', 'rolled_back'),
      threshold: 1,
    });
    alarm('RevokedKeyAccepted', {
      section: 'revoked-key-accepted',
      what: 'A Region does not refuse a revoked key. Whoever stole it may still use it there.',
      metric: found('RevokedKeyAccepted', 'revoked_key_accepted'),
      threshold: 1,
    });
    // A stage of kind dev has no customer key that could become unusable.
    if (config.stage.kind === 'prod')
      alarm('ReplicaCutOff', {
        section: 'replica-cut-off',
        what: "A Region's copy of a shared table cannot be used, or is no longer replicated, or soon will not be: its customer key is unusable, or was. What that Region then registers no other Region sees.",
        metric: found('ReplicaCutOff', 'replica_cut_off', 'replica_inaccessible'),
        threshold: 1,
      });
    const watch = (metricName: string) =>
      functionMetric(keysWatchName(stage), metricName, { period: PERIOD });
    alarm('KeysWatchFailed', {
      section: 'keys-watch-failed',
      what: 'keys-watch could not check every keyset and shared table. A rotation that fails may go unnoticed.',
      metric: watch('Errors'),
      threshold: 1,
    });
    alarm('KeysWatchSilent', {
      section: 'keys-watch-silent',
      what: 'keys-watch has not run in this Region for hours. A rotation that fails goes unnoticed.',
      metric: watch('Invocations'),
      ...SILENCE,
    });
  }

  /** All filters of one name write to one metric, so it counts all logs. */
  #counted(
    metricNamespace: string,
    metricName: string,
    logGroup: ILogGroup,
    pattern: IFilterPattern,
  ): Metric {
    const id = `${metricName}-${logGroup.node.path.split('/').at(-2)}`;
    new MetricFilter(this, id, { logGroup, filterPattern: pattern, metricNamespace, metricName });
    return new Metric({ namespace: metricNamespace, metricName, statistic: 'sum', period: PERIOD });
  }
}
