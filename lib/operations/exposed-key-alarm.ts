/** A strict client's API key came over the wire: it must be considered exposed (design: 2-protocol "API keys"). */
import { Alarm, ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { FilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

export interface ExposedKeyAlarmProps {
  readonly stage: string;
  /** Of the nonce function, which refuses such a key with this reason in its log line. */
  readonly logGroup: ILogGroup;
}

export class ExposedKeyAlarm extends Construct {
  constructor(scope: Construct, id: string, { stage, logGroup }: ExposedKeyAlarmProps) {
    super(scope, id);
    const filter = new MetricFilter(this, 'Filter', {
      logGroup,
      filterPattern: FilterPattern.stringValue('$.reason', '=', 'strict_key_as_bearer'),
      metricNamespace: `Countersign/${stage}`,
      metricName: 'StrictKeyAsBearer',
    });
    new Alarm(this, 'Alarm', {
      alarmName: `countersign-${stage}-strict-key-as-bearer`,
      alarmDescription:
        'A client sent its strict API key as a Bearer token. It was refused, and has to be considered exposed: ' +
        'the log line says when; find the sender, then give the client a new key.',
      metric: filter.metric({ statistic: 'sum' }),
      threshold: 1,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      // The metric has no value at all while nobody does it.
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  }
}
