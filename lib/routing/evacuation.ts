/**
 * Holds an evacuated Region out of DNS. The flag is an item in the keeper's `limits`. A function in the
 * keeper puts a metric every minute while the flag stands, an alarm waits for it, and Route 53 reads the
 * alarm's data. That works when the evacuated Region is lost, keeps what was when the keeper is lost, and
 * edits no DNS record: docs/regions.md.
 */
import { Duration, Stack } from 'aws-cdk-lib';
import { Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import {
  EVACUATED_METRIC,
  EVACUATED_SECTION,
  evacuationFunctionName,
  metricNamespace,
} from '../../lambda/contract/evacuation.ts';
import { evacuatedKey } from '../../lambda/contract/limits.ts';
import { tableName } from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';
import { allowItems } from '../functions/permissions.ts';
import { PlatformFunction } from '../functions/platform-function.ts';
import { callEvery } from '../functions/schedule.ts';
import { PlatformAlarm, SILENCE } from '../operations/alarm.ts';
import { functionMetric } from '../operations/metrics.ts';

export interface EvacuationProps {
  readonly config: Config;
  /** The keeper. */
  readonly region: string;
  /** The Region whose flag it keeps. */
  readonly of: string;
  /** Directory with `index.mjs`. */
  readonly bundle: string;
  readonly errorDocsUrl: string;
  readonly topic: ITopic | undefined;
}

export class Evacuation extends Construct {
  constructor(scope: Construct, id: string, props: EvacuationProps) {
    super(scope, id);
    const { config, region, of, bundle, errorDocsUrl, topic } = props;
    const stage = config.stage.name;
    const keeper = new PlatformFunction(this, 'Keeper', {
      config,
      functionName: evacuationFunctionName(stage),
      bundle,
      environment: {
        COUNTERSIGN_STAGE: stage,
        COUNTERSIGN_REGION: region,
        COUNTERSIGN_ERROR_DOCS_URL: errorDocsUrl,
        COUNTERSIGN_KEPT_REGION: of,
        COUNTERSIGN_LIMITS_TABLE: tableName(stage, 'limits'),
      },
      statements: [
        allowItems(Stack.of(this), stage, ['GetItem'], [evacuatedKey(of)]),
        // The action knows no resource but a namespace.
        new PolicyStatement({
          actions: ['cloudwatch:PutMetricData'],
          resources: ['*'],
          conditions: { StringEquals: { 'cloudwatch:namespace': metricNamespace(stage) } },
        }),
      ],
    });
    callEvery(this, 'EveryMinute', keeper.function, {
      ruleName: evacuationFunctionName(stage),
      description: `Says whether ${of} is evacuated`,
      interval: Duration.minutes(1),
    });
    const every = { config, topic, evaluationPeriods: 3 } as const;
    const of5Minutes = { period: Duration.minutes(5) };
    new PlatformAlarm(this, 'Failed', {
      ...every,
      section: 'evacuation-keeper-failed',
      what: 'The function that keeps the evacuation flag of another Region fails. Until it works, an evacuation of that Region does not reach DNS.',
      metric: functionMetric(evacuationFunctionName(stage), 'Errors', of5Minutes),
      threshold: 1,
    });
    new PlatformAlarm(this, 'Silent', {
      ...every,
      section: 'evacuation-keeper-silent',
      what: 'The function that keeps the evacuation flag of another Region does not run. An evacuation of that Region does not reach DNS.',
      metric: functionMetric(evacuationFunctionName(stage), 'Invocations', of5Minutes),
      ...SILENCE,
    });
    new PlatformAlarm(this, 'Alarm', {
      config,
      section: EVACUATED_SECTION,
      of,
      what: `An operator took ${of} out of service. It stays out until an operator returns it.`,
      metric: new Metric({
        namespace: metricNamespace(stage),
        metricName: EVACUATED_METRIC,
        dimensionsMap: { Region: of },
        statistic: 'max',
        period: Duration.minutes(1),
      }),
      threshold: 1,
      // Silence is neither: Route 53 then keeps what it knew last.
      treatMissingData: TreatMissingData.MISSING,
      topic,
    });
  }
}
