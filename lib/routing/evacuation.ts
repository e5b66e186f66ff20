/**
 * A Region is taken out of DNS by an alarm that lies in another one, on a metric that an operator puts there: the lost
 * Region is not asked, and no record is edited (design: 4-regions, "Evacuation").
 */
import { Duration } from 'aws-cdk-lib';
import { Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Config } from '../config/read.ts';
import { PlatformAlarm } from '../operations/alarm.ts';
import { metricNamespace } from '../operations/metrics.ts';

const SECTION = 'evacuated';

export const evacuationAlarmName = (stage: string, region: string): string =>
  `countersign-${stage}-${SECTION}-${region}`;

/** @returns the Region that keeps another's evacuation alarm: the next in the config's order */
export function keeperOf(region: string, { regions }: Config): string {
  const index = regions.findIndex(({ name }) => name === region);
  return regions[(index + 1) % regions.length]!.name;
}

export interface EvacuationAlarmProps {
  readonly config: Config;
  /** The Region that it takes out, not the one that it lies in. */
  readonly of: string;
  readonly topic: ITopic | undefined;
}

export class EvacuationAlarm extends Construct {
  constructor(scope: Construct, id: string, { config, of, topic }: EvacuationAlarmProps) {
    super(scope, id);
    new PlatformAlarm(this, 'Alarm', {
      config,
      section: SECTION,
      of,
      what: `${of} was taken out of DNS by an operator, and stays out until it is put back.`,
      metric: new Metric({
        namespace: metricNamespace(config.stage.name),
        metricName: 'Evacuated',
        dimensionsMap: { Region: of },
        statistic: 'max',
        period: Duration.minutes(1),
      }),
      threshold: 1,
      // One value is enough: without another, an alarm that ignores missing data stays as it is.
      treatMissingData: TreatMissingData.IGNORE,
      topic,
    });
  }
}
