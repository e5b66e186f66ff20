/**
 * The CloudWatch metrics for alarms, the dashboard and the constructs' `metric…` methods. Every name is fixed
 * and contains the stage, so that a stack of another team or Region reads a metric without importing
 * anything.
 */
import type { Duration } from 'aws-cdk-lib';
import { MathExpression, Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
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
  failedTurns: logged('FailedTurns'),
  endpointsLeft: logged('EndpointsLeft'),
  endingEndpointSecrets: logged('EndingEndpointSecrets'),
  endedEndpointSecrets: logged('EndedEndpointSecrets'),
  unreadableChanges: logged('UnreadableChanges'),
  enrolments: logged('Enrolments'),
  refusedAttestations: logged('RefusedAttestations'),
  manyInstances: logged('ManyInstances'),
  issuerKeysUnreadable: logged('IssuerKeysUnreadable'),
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
    | 'failedTurns'
    | 'endpointsLeft'
    | 'endingEndpointSecrets'
    | 'endedEndpointSecrets'
    | 'enrolments'
    | 'refusedAttestations'
    | 'manyInstances'
    | 'issuerKeysUnreadable',
  stage: string,
): Pick<MetricFilterOptions, 'metricNamespace' | 'metricName'> {
  const { namespace: metricNamespace, metricName } = METRICS[name](stage);
  return { metricNamespace, metricName };
}

/** @returns how often EventBridge called a rule's target, without calls that failed */
export function callsOf(RuleName: string, period: Duration): MathExpression {
  const metric = (metricName: string) => {
    const dimensionsMap = { RuleName };
    return new Metric({ namespace: 'AWS/Events', metricName, dimensionsMap, statistic: 'sum', period });
  };
  return new MathExpression({
    expression: 'FILL(calls, 0) - FILL(failed, 0)',
    usingMetrics: { calls: metric('Invocations'), failed: metric('FailedInvocations') },
    period,
  });
}

/** @returns how often Lambda asked an event source for records, whether there were any or not */
export const pollsOf = (EventSourceMappingUUID: string, period: Duration): Metric =>
  new Metric({
    ...{ namespace: 'AWS/Lambda', metricName: 'PolledEventCount', statistic: 'n', period },
    dimensionsMap: { EventSourceMappingUUID },
  });

/** @returns a sum, unless the options say otherwise */
export const functionMetric = (name: string, metricName: string, options?: MetricOptions): Metric =>
  new Metric({ ...lambda(name, metricName), ...options });
