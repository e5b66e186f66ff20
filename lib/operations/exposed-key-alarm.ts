/** A strict client's API key was sent in a request. The key must be considered exposed. */
import { FilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { metricNamespace } from '../../lambda/contract/evacuation.ts';
import type { FunctionName } from '../../lambda/contract/names.ts';
import { ROUTES } from '../../lambda/contract/routes.ts';
import type { Config } from '../config/read.ts';
import { PlatformAlarm } from './alarm.ts';

export interface ExposedKeyAlarmProps {
  readonly config: Config;
  readonly logGroups: Readonly<Record<FunctionName, ILogGroup>>;
  readonly topic: ITopic | undefined;
}

export class ExposedKeyAlarm extends Construct {
  constructor(scope: Construct, id: string, { config, logGroups, topic }: ExposedKeyAlarmProps) {
    super(scope, id);
    // A key of the right form and checksum anywhere in a request; as Bearer also a mistyped one.
    const filterPattern = FilterPattern.any(
      FilterPattern.exists('$.exposed_key'),
      FilterPattern.stringValue('$.reason', '=', 'strict_key_as_bearer'),
    );
    // All filters write to one metric, so it counts all logs.
    const counted = { metricNamespace: metricNamespace(config.stage.name), metricName: 'StrictKeyExposed' };
    const [filter] = [...new Set(ROUTES.map((route) => route.function))].map(
      (name) => new MetricFilter(this, name, { logGroup: logGroups[name], filterPattern, ...counted }),
    );
    new PlatformAlarm(this, 'Alarm', {
      config,
      section: 'strict-key-exposed',
      what:
        'A request carried a strict API key, which must be considered exposed. The log line has the time and the ' +
        'client that the key names. Find the sender, then give the client a new key.',
      metric: filter!.metric({ statistic: 'sum' }),
      threshold: 1,
      topic,
    });
  }
}
