/**
 * An operator takes a Region out of DNS by writing a metric in another Region, where an alarm waits for it. That works
 * when the Region is lost, and no DNS record is edited: docs/runbook.md.
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

/** @returns the Region that holds a Region's evacuation alarm: the next in the config's order */
export function keeperOf(region: string, { regions }: Config): string {
  const index = regions.findIndex(({ name }) => name === region);
  return regions[(index + 1) % regions.length]!.name;
}

export interface EvacuationAlarmProps {
  readonly config: Config;
  /** The Region that it takes out. The alarm itself lies in another. */
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
      what: `An operator took ${of} out of DNS. It stays out until an operator puts it back.`,
      metric: new Metric({
        namespace: metricNamespace(config.stage.name),
        metricName: 'Evacuated',
        dimensionsMap: { Region: of },
        statistic: 'max',
        period: Duration.minutes(1),
      }),
      threshold: 1,
      // So that one value is enough: without a newer one, the alarm keeps its state.
      treatMissingData: TreatMissingData.IGNORE,
      topic,
    });
  }
}
