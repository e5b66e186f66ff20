/** Alarms of each Region of a stage of kind prod. Each has a section in docs/runbook.md. */
import { Duration } from 'aws-cdk-lib';
import type { ICertificate } from 'aws-cdk-lib/aws-certificatemanager';
import {
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Metric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import {
  bundleOf,
  functionName,
  functionsOf,
  type ServingFunctions,
  TABLES,
  type TableKind,
  tableInUse,
} from '../../lambda/contract/names.ts';
import { OAUTH_ROUTES, ROUTES, type Route } from '../../lambda/contract/routes.ts';
import type { Config } from '../config/read.ts';
import { PERMISSIONS } from '../functions/rights.ts';
import { PlatformAlarm, type PlatformAlarmProps } from './alarm.ts';
import { linesWith } from './log-filter.ts';
import { filterTarget, functionMetric, type RegionMetric, regionMetric } from './metrics.ts';

const PERIOD = Duration.minutes(5);
const SILENCE_MS = 3_600_000;
/** ACM renews its own certificates earlier, so one with fewer days left is not renewed by itself. */
const DAYS_TO_EXPIRY = 21;
/** The share of the concurrency quota at which the alarm fires. */
const HEADROOM = 0.8;

export interface RegionAlarmsProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  readonly logGroups: ServingFunctions<ILogGroup>;
  readonly topic: ITopic | undefined;
  /** Of the Region's names. Absent without a domain. */
  readonly certificate: ICertificate | undefined;
}

export class RegionAlarms extends Construct {
  constructor(scope: Construct, id: string, props: RegionAlarmsProps) {
    super(scope, id);
    const { config, region, logGroups, topic, certificate } = props;
    const stage = config.stage.name;
    const oauth = config.oauth !== undefined;
    const alarm = (id: string, props: Omit<PlatformAlarmProps, 'config' | 'topic'>) =>
      new PlatformAlarm(this, id, { config, topic, ...props });

    const own = (name: RegionMetric) => regionMetric(name, stage, region.name, { period: PERIOD });
    alarm('ApiErrors', {
      section: 'api-errors',
      what: 'More than 1 % of requests to this Region are answered 5xx. Clients retry, then fail over.',
      // With few requests, one error is many per cent. The alarm on function errors covers those.
      metric: expression('IF(requests >= 100, 100 * errors / requests, 0)', {
        requests: own('requests'),
        errors: own('serverErrors'),
      }),
      threshold: 1,
      evaluationPeriods: 2,
    });
    alarm('SlowAnswers', {
      section: 'slow-answers',
      what: 'One request in a hundred takes two seconds or more in this Region.',
      metric: own('latency'),
      threshold: 2000,
      evaluationPeriods: 3,
    });

    const functionErrors = (routes: readonly Route[]) => ({
      section: 'function-errors',
      what: 'A function ended without an answer: it could not start, ran out of time or memory, or threw.',
      // Functions that clients call. Of the others an operator sees the failure.
      metric: sum(
        [...new Set(routes.map((route) => route.function))].map((name) =>
          functionMetric(functionName(stage, name), 'Errors', { period: PERIOD }),
        ),
      ),
      threshold: 1,
    });
    alarm('FunctionErrors', functionErrors(ROUTES));
    // All together would be more metrics than an alarm takes.
    if (oauth) alarm('OAuthFunctionErrors', { ...functionErrors(OAUTH_ROUTES), of: 'oauth' });
    alarm('ConcurrencyHeadroom', {
      section: 'concurrency-headroom',
      what:
        `The account uses ${HEADROOM * 100} % of its Lambda quota in this Region, all products together. At the ` +
        'quota, requests are refused.',
      metric: metric('AWS/Lambda', 'ClaimedAccountConcurrency', {}, 'max'),
      threshold: Math.floor(HEADROOM * config.concurrencyQuota),
      evaluationPeriods: 2,
    });
    alarm('FunctionThrottles', {
      section: 'function-throttles',
      what: "Lambda refuses calls: the account's concurrency quota in this Region is used up.",
      // This metric covers the whole account, like the quota.
      metric: metric('AWS/Lambda', 'Throttles', {}, 'sum'),
      threshold: 1,
    });

    const generations = {
      ledgerGeneration: region.ledgerGeneration,
      tableGeneration: config.tables.generation,
    };
    const tables = Object.keys(TABLES).map((kind) => tableInUse(stage, kind as TableKind, generations));
    alarm('TableThrottles', {
      section: 'table-throttles',
      what: 'DynamoDB throttles reads or writes. Registrations are answered 503.',
      metric: sum(
        tables.flatMap((TableName) =>
          ['ReadThrottleEvents', 'WriteThrottleEvents'].map((name) =>
            metric('AWS/DynamoDB', name, { TableName }, 'sum'),
          ),
        ),
      ),
      threshold: 1,
    });
    // Strongly consistent replicas have no lag.
    if (config.consistency === 'eventual')
      alarm('ReplicationLag', {
        section: 'replication-lag',
        what: 'Registrations of this Region reach another Region after more than a minute, or not at all.',
        metric: replicationLag(
          tableInUse(stage, 'registry', generations),
          config.regions.filter(({ name }) => name !== region.name),
        ),
        threshold: 60_000,
        evaluationPeriods: 3,
        // CloudWatch does this for all metrics of DynamoDB, even if an alarm says otherwise:
        // docs/aws-truths.md.
        treatMissingData: TreatMissingData.IGNORE,
      });

    // All filters write to one metric, so it counts all logs.
    const target = filterTarget('keysetUnreadable', stage);
    for (const name of functionsOf(oauth).filter((each) => PERMISSIONS[bundleOf(each, oauth)].secrets))
      new MetricFilter(this, `Keyset-${name}`, {
        logGroup: logGroups[name]!,
        filterPattern: linesWith('message', 'keyset'),
        ...target,
      });
    alarm('KeysetUnreadable', {
      section: 'keyset-unreadable',
      what:
        'Functions cannot read their keys. Instances that hold copies still serve, until the copies are too old. New ' +
        'instances answer 503.',
      metric: own('keysetUnreadable'),
      threshold: 1,
      evaluationPeriods: 3,
    });
    alarm('BlockedRequests', {
      section: 'blocked-requests',
      what: 'The firewall refuses many requests: an attack, or a client that looks like one.',
      metric: own('blockedRequests'),
      threshold: 1000,
      evaluationPeriods: 3,
    });
    if (certificate)
      alarm('CertificateExpiry', {
        section: 'certificate-expiry',
        what:
          `The certificate of this Region's names ends in less than ${DAYS_TO_EXPIRY} days. No client connects afterwards, ` +
          'and no health check notices.',
        metric: new Metric({
          namespace: 'AWS/CertificateManager',
          metricName: 'DaysToExpiry',
          dimensionsMap: { CertificateArn: certificate.certificateArn },
          statistic: 'min',
          // There are two values a day.
          period: Duration.days(1),
        }),
        threshold: DAYS_TO_EXPIRY,
        comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
        // The metric ends when the certificate does, and begins some time after it was issued.
        treatMissingData: TreatMissingData.IGNORE,
      });
  }
}

/**
 * The longest replication lag to another Region, in milliseconds. DynamoDB reports it when a write arrives:
 * if none arrives there is no value, so after a write no value counts as an hour. Each answer to a health
 * check writes.
 */
function replicationLag(TableName: string, others: Config['regions']): MathExpression {
  const to = others.map(({ name: ReceivingRegion }) =>
    metric('AWS/DynamoDB', 'ReplicationLatency', { TableName, ReceivingRegion }, 'average'),
  );
  const slowest = `MAX([${to.map((_, i) => `FILL(to${i}, ${SILENCE_MS})`).join(', ')}])`;
  return expression(`IF(FILL(writes, 0) > 0, ${slowest}, 0)`, {
    // Counts requests of this Region, and not what replication writes.
    writes: metric('AWS/DynamoDB', 'SuccessfulRequestLatency', { TableName, Operation: 'PutItem' }, 'n'),
    ...Object.fromEntries(to.map((each, i) => [`to${i}`, each])),
  });
}

const metric = (
  namespace: string,
  metricName: string,
  dimensionsMap: Record<string, string>,
  statistic: string,
): Metric => new Metric({ namespace, metricName, dimensionsMap, statistic, period: PERIOD });

const expression = (text: string, usingMetrics: Record<string, IMetric>): MathExpression =>
  new MathExpression({ expression: text, usingMetrics, period: PERIOD });

/** @param metrics at most ten: an alarm takes no more */
const sum = (metrics: readonly IMetric[]): MathExpression =>
  expression(
    metrics.map((_, i) => `FILL(m${i}, 0)`).join(' + '),
    Object.fromEntries(metrics.map((each, i) => [`m${i}`, each])),
  );
