/** An alarm whose text says what broke and links to what to do. */
import { Alarm, type AlarmProps, ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { Config } from '../config/read.ts';
import { runbookLink } from './runbook.ts';

export interface PlatformAlarmProps
  extends Pick<AlarmProps, 'metric' | 'threshold'>,
    Partial<Pick<AlarmProps, 'evaluationPeriods' | 'comparisonOperator' | 'treatMissingData'>> {
  readonly config: Config;
  /** Part of its name, and the runbook's section. */
  readonly section: string;
  /** Rest of its name, where a section has several. */
  readonly of?: string;
  /** A sentence or two: what is wrong, and what of it a client notices. */
  readonly what: string;
  /** Who is told. @default nobody */
  readonly topic?: ITopic | undefined;
}

/** By default it fires at or above the threshold in one period, and not while the metric has no value. */
export class PlatformAlarm extends Alarm {
  constructor(scope: Construct, id: string, props: PlatformAlarmProps) {
    const { config, section, of, what, topic, ...alarm } = props;
    super(scope, id, {
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      ...alarm,
      alarmName: ['countersign', config.stage.name, section, ...(of === undefined ? [] : [of])].join('-'),
      alarmDescription: `${what} Runbook: ${runbookLink(config, section)}`,
    });
    if (!topic) return;
    this.addAlarmAction(new SnsAction(topic));
    this.addOkAction(new SnsAction(topic));
  }
}
