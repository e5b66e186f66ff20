/** One page for all Regions: requests, latency, load, refusals, and the runbook. */
import { Duration } from 'aws-cdk-lib';
import {
  Dashboard,
  GraphWidget,
  type IMetric,
  type IWidget,
  Metric,
  type MetricOptions,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { tableName } from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';
import { type RegionMetric, regionMetric } from './metrics.ts';
import { dashboardName, runbookSections } from './runbook.ts';

/** Longer texts scroll. */
const TEXT_HEIGHT = 6;

export class PlatformDashboard extends Construct {
  readonly dashboard: Dashboard;

  constructor(scope: Construct, id: string, config: Config) {
    super(scope, id);
    const stage = config.stage.name;
    /** One line for each Region. */
    const graph = (
      title: string,
      metric: (options: MetricOptions, region: Config['regions'][number]) => IMetric,
    ): GraphWidget => {
      const period = Duration.minutes(1);
      const left = config.regions.map((region) => metric({ label: region.name, period }, region));
      return new GraphWidget({ title, left, width: 8, height: 6 });
    };
    const regional =
      (name: RegionMetric, statistic?: string) =>
      (options: MetricOptions, { name: region }: Config['regions'][number]) =>
        regionMetric(name, stage, region, { ...options, ...(statistic && { statistic }) });
    const widgets: IWidget[][] = [
      [
        graph('Requests', regional('requests')),
        graph('5xx', regional('serverErrors')),
        graph('4xx', regional('clientErrors')),
      ],
      [
        graph('Latency p50, ms', regional('latency', 'p50')),
        graph('Latency p99, ms', regional('latency')),
        graph('Refused by the firewall', regional('blockedRequests')),
      ],
      [
        graph('Calls of register', regional('registrations')),
        graph('Instances of register', regional('instances')),
        graph('Writes of the ledger', (options, { name: region, ledgerGeneration }) => {
          const dimensionsMap = { TableName: tableName(stage, 'ledger', ledgerGeneration) };
          const metricName = 'ConsumedWriteCapacityUnits';
          const statistic = 'sum';
          return new Metric({
            namespace: 'AWS/DynamoDB',
            metricName,
            statistic,
            dimensionsMap,
            region,
            ...options,
          });
        }),
      ],
    ];
    const runbook = config.runbookUrl === undefined ? runbookSections() : [];
    widgets.push(
      ...runbook.map((markdown) => [new TextWidget({ markdown, width: 24, height: TEXT_HEIGHT })]),
    );
    this.dashboard = new Dashboard(this, 'Dashboard', { dashboardName: dashboardName(stage), widgets });
  }
}
