/** An alarm whose text says what broke and links to the runbook. */
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
  /** Section of the runbook, and part of the alarm's name. */
  readonly section: string;
  /** End of its name, where a section has several alarms. */
  readonly of?: string;
  /** One or two sentences: what is wrong, and what clients notice. */
  readonly what: string;
  /** Notified when it fires and when it ends. @default nobody is notified */
  readonly topic?: ITopic | undefined;
}

/** Of an alarm that fires where a metric counts nothing, or has no value. */
export const SILENCE = {
  threshold: 0,
  comparisonOperator: ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
  treatMissingData: TreatMissingData.BREACHING,
} as const;

/** By default it fires in one period at or above the threshold. A period without a value is fine. */
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
