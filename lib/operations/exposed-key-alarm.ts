/** A strict client's API key came over the wire: it must be considered exposed (design: 2-protocol "API keys"). */
import { FilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Config } from '../config/read.ts';
import { PlatformAlarm } from './alarm.ts';

export interface ExposedKeyAlarmProps {
  readonly config: Config;
  /** Of the nonce function, which refuses such a key with this reason in its log line. */
  readonly logGroup: ILogGroup;
  readonly topic: ITopic | undefined;
}

export class ExposedKeyAlarm extends Construct {
  constructor(scope: Construct, id: string, { config, logGroup, topic }: ExposedKeyAlarmProps) {
    super(scope, id);
    const filter = new MetricFilter(this, 'Filter', {
      logGroup,
      filterPattern: FilterPattern.stringValue('$.reason', '=', 'strict_key_as_bearer'),
      metricNamespace: `Countersign/${config.stage.name}`,
      metricName: 'StrictKeyAsBearer',
    });
    new PlatformAlarm(this, 'Alarm', {
      config,
      section: 'strict-key-as-bearer',
      what:
        'A client sent its strict API key as a Bearer token. It was refused, and has to be considered exposed: ' +
        'the log line says when; find the sender, then give the client a new key.',
      metric: filter.metric({ statistic: 'sum' }),
      threshold: 1,
      topic,
    });
  }
}
