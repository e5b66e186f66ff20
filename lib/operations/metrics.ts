/**
 * The CloudWatch metrics for alarms, the dashboard and the constructs' `metric…` methods. Every name is fixed
 * and contains the stage, so that a stack of another team or Region reads a metric without importing
 * anything.
 */
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import type { MetricFilterOptions } from 'aws-cdk-lib/aws-logs';
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

const lambda = (FunctionName: string, metricName: string, statistic = 'sum') => ({
  namespace: 'AWS/Lambda',
  metricName,
  dimensionsMap: { FunctionName },
  statistic,
});

const logged = (metricName: string) => (stage: string) => ({
  namespace: metricNamespace(stage),
  metricName,
  statistic: 'sum',
});

const METRICS = {
  requests: api('Count'),
  clientErrors: api('4XXError'),
  serverErrors: api('5XXError'),
  latency: api('Latency', 'p99'),
  registrations: (stage: string) => lambda(functionName(stage, 'register'), 'Invocations'),
  instances: (stage: string) => lambda(functionName(stage, 'register'), 'ConcurrentExecutions', 'max'),
  blockedRequests: (stage: string, Region: string) => ({
    namespace: 'AWS/WAFV2',
    metricName: 'BlockedRequests',
    dimensionsMap: { WebACL: firewallName(stage), Region, Rule: 'ALL' },
    statistic: 'sum',
  }),
  exposedKeys: logged('StrictKeyExposed'),
  keysetUnreadable: logged('KeysetUnreadable'),
  disabledEndpoints: logged('DisabledEndpoints'),
  deadCallbacks: logged('DeadCallbacks'),
  endedEndpointSecrets: logged('EndedEndpointSecrets'),
  unreadableChanges: logged('UnreadableChanges'),
} as const;

export type RegionMetric = keyof typeof METRICS;

/** @param options override the metric's own statistic, period and label */
export const regionMetric = (
  name: RegionMetric,
  stage: string,
  region: string,
  options?: MetricOptions,
): Metric => new Metric({ ...METRICS[name](stage, region), region, ...options });

/**
 * @returns where a metric filter counts what `regionMetric` shows. All filters of one name count into one
 * metric
 */
export function filterTarget(
  name:
    | 'exposedKeys'
    | 'keysetUnreadable'
    | 'unreadableChanges'
    | 'disabledEndpoints'
    | 'deadCallbacks'
    | 'endedEndpointSecrets',
  stage: string,
): Pick<MetricFilterOptions, 'metricNamespace' | 'metricName'> {
  const { namespace: metricNamespace, metricName } = METRICS[name](stage);
  return { metricNamespace, metricName };
}

/** @returns a sum, unless the options say otherwise */
export const functionMetric = (name: string, metricName: string, options?: MetricOptions): Metric =>
  new Metric({ ...lambda(name, metricName), ...options });
