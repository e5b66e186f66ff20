/** A strict client's API key was sent in a request. The key must be considered exposed. */
import { FilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { ServingFunctions } from '../../lambda/contract/names.ts';
import { routesOf } from '../../lambda/contract/routes.ts';
import { STRICT_KEY_AS_BEARER } from '../../protocol/nonce-request.ts';
import type { Config } from '../config/read.ts';
import { PlatformAlarm } from './alarm.ts';
import { linesThatHave, linesWith } from './log-filter.ts';
import { filterTarget, regionMetric } from './metrics.ts';

export interface ExposedKeyAlarmProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  readonly logGroups: ServingFunctions<ILogGroup>;
  readonly topic: ITopic | undefined;
}

export class ExposedKeyAlarm extends Construct {
  constructor(scope: Construct, id: string, { config, region, logGroups, topic }: ExposedKeyAlarmProps) {
    super(scope, id);
    const stage = config.stage.name;
    // A key of the right form and checksum anywhere in a request; as Bearer also a mistyped one.
    const filterPattern = FilterPattern.any(
      linesThatHave('exposed_key'),
      linesWith('reason', STRICT_KEY_AS_BEARER),
    );
    // All filters write to one metric, so it counts all logs.
    const target = filterTarget('exposedKeys', stage);
    for (const name of new Set(routesOf(config.oauth !== undefined).map((route) => route.function)))
      new MetricFilter(this, name, { logGroup: logGroups[name]!, filterPattern, ...target });
    new PlatformAlarm(this, 'Alarm', {
      config,
      section: 'strict-key-exposed',
      what:
        'A request carried a strict API key, which must be considered exposed. The log line has the time and the ' +
        'client that the key names. Find the sender, then give the client a new key.',
      metric: regionMetric('exposedKeys', stage, region.name),
      threshold: 1,
      topic,
    });
  }
}
