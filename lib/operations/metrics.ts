/**
 * What CloudWatch counts of one Region. Metrics have the fixed names of the contract, so that a stack of another team or
 * Region reads them without importing anything.
 */
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { metricNamespace } from '../../lambda/contract/evacuation.ts';
import { functionName } from '../../lambda/contract/names.ts';
import { firewallName } from '../api/firewall.ts';
import { API_STAGE, apiName } from '../api/rest-api.ts';

const api =
  (metricName: string, statistic = 'sum') =>
  (stage: string) => ({
    namespace: 'AWS/ApiGateway',
    metricName,
    dimensionsMap: { ApiName: apiName(stage), Stage: API_STAGE },
    statistic,
  });

const METRICS = {
  requests: api('Count'),
  clientErrors: api('4XXError'),
  serverErrors: api('5XXError'),
  latency: api('Latency', 'p99'),
  registrations: (stage: string) => ({
    namespace: 'AWS/Lambda',
    metricName: 'Invocations',
    dimensionsMap: { FunctionName: functionName(stage, 'register') },
    statistic: 'sum',
  }),
  instances: (stage: string) => ({
    namespace: 'AWS/Lambda',
    metricName: 'ConcurrentExecutions',
    dimensionsMap: { FunctionName: functionName(stage, 'register') },
    statistic: 'max',
  }),
  blockedRequests: (stage: string, Region: string) => ({
    namespace: 'AWS/WAFV2',
    metricName: 'BlockedRequests',
    dimensionsMap: { WebACL: firewallName(stage), Region, Rule: 'ALL' },
    statistic: 'sum',
  }),
  exposedKeys: (stage: string) => ({
    namespace: metricNamespace(stage),
    metricName: 'StrictKeyExposed',
    statistic: 'sum',
  }),
} as const;

export type RegionMetric = keyof typeof METRICS;

/** @param options override the metric's own statistic, period and label */
export const regionMetric = (
  name: RegionMetric,
  stage: string,
  region: string,
  options?: MetricOptions,
): Metric => new Metric({ ...METRICS[name](stage, region), region, ...options });
