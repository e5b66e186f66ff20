/** One page for all Regions: what clients see, what it costs the parts, what is refused, and what to do about alarms. */
import { Duration } from 'aws-cdk-lib';
import {
  Dashboard,
  GraphWidget,
  type IMetric,
  type IWidget,
  Metric,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { functionName, tableName } from '../../lambda/contract/names.ts';
import { firewallName } from '../api/firewall.ts';
import { API_STAGE, apiName } from '../api/rest-api.ts';
import type { Config } from '../config/read.ts';
import { dashboardName, runbookSections } from './runbook.ts';

/** Longer texts scroll. */
const TEXT_HEIGHT = 6;

export class PlatformDashboard extends Construct {
  constructor(scope: Construct, id: string, config: Config) {
    super(scope, id);
    const stage = config.stage.name;
    const api = { ApiName: apiName(stage), Stage: API_STAGE };
    /** One line a Region. */
    const graph = (
      title: string,
      namespace: string,
      metricName: string,
      statistic: string,
      dimensions: Record<string, string> | ((region: Config['regions'][number]) => Record<string, string>),
    ): GraphWidget => {
      const left = config.regions.map(
        (region): IMetric =>
          new Metric({
            namespace,
            metricName,
            statistic,
            dimensionsMap: typeof dimensions === 'function' ? dimensions(region) : dimensions,
            region: region.name,
            label: region.name,
            period: Duration.minutes(1),
          }),
      );
      return new GraphWidget({ title, left, width: 8, height: 6 });
    };
    const register = { FunctionName: functionName(stage, 'register') };
    const widgets: IWidget[][] = [
      [
        graph('Requests', 'AWS/ApiGateway', 'Count', 'sum', api),
        graph('5xx', 'AWS/ApiGateway', '5XXError', 'sum', api),
        graph('4xx', 'AWS/ApiGateway', '4XXError', 'sum', api),
      ],
      [
        graph('Latency p50, ms', 'AWS/ApiGateway', 'Latency', 'p50', api),
        graph('Latency p99, ms', 'AWS/ApiGateway', 'Latency', 'p99', api),
        graph('Refused by the firewall', 'AWS/WAFV2', 'BlockedRequests', 'sum', ({ name: Region }) => ({
          WebACL: firewallName(stage),
          Region,
          Rule: 'ALL',
        })),
      ],
      [
        graph('Calls of register', 'AWS/Lambda', 'Invocations', 'sum', register),
        graph('Instances of register', 'AWS/Lambda', 'ConcurrentExecutions', 'max', register),
        graph('Writes of the ledger', 'AWS/DynamoDB', 'ConsumedWriteCapacityUnits', 'sum', (region) => ({
          TableName: tableName(stage, 'ledger', region.ledgerGeneration),
        })),
      ],
    ];
    const runbook = config.runbookUrl === undefined ? runbookSections() : [];
    widgets.push(
      ...runbook.map((markdown) => [new TextWidget({ markdown, width: 24, height: TEXT_HEIGHT })]),
    );
    new Dashboard(this, 'Dashboard', { dashboardName: dashboardName(stage), widgets });
  }
}
