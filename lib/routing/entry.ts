/**
 * The entry's DNS records, one for each Region. Clients get the nearest Region that is healthy and not
 * evacuated.
 */
import { CfnOutput, Duration, Tags } from 'aws-cdk-lib';
import { ComparisonOperator, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import {
  CfnRecordSet,
  HealthCheck,
  HealthCheckType,
  InsufficientDataHealthStatusEnum,
} from 'aws-cdk-lib/aws-route53';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { evacuationAlarmName, keeperOf } from '../../lambda/contract/evacuation.ts';
import type { Route } from '../../lambda/contract/routes.ts';
import type { Config } from '../config/read.ts';
import { PlatformAlarm } from '../operations/alarm.ts';
import { checkersPath, hasHealthChecks } from './checkers.ts';
import { regionHost } from './urls.ts';

export interface EntryProps {
  readonly config: Config;
  readonly domain: NonNullable<Config['domain']>;
  readonly topic: ITopic;
}

export class Entry extends Construct {
  constructor(scope: Construct, id: string, { config, domain, topic }: EntryProps) {
    super(scope, id);
    const { hostedZone, entry } = domain;
    for (const { name } of config.regions) {
      const host = regionHost(domain, name);
      const checkers = hasHealthChecks(config) ? checkersPath(config) : undefined;
      const health = checkers && this.#health(config, name, host, checkers, topic);
      if (hostedZone)
        new CfnRecordSet(this, `Record-${name}`, {
          hostedZoneId: hostedZone.id,
          name: `${entry}.`,
          type: 'A',
          setIdentifier: name,
          region: name,
          // By the name of the Region's own record, so nothing is imported from its stack.
          aliasTarget: { dnsName: `${host}.`, hostedZoneId: hostedZone.id, evaluateTargetHealth: true },
          ...(health && { healthCheckId: health.healthCheckId }),
        });
      else
        new CfnOutput(this, `RecordToMake-${name}`, {
          value: `${entry} A latency ${name} alias ${host}${health ? ` health check ${health.healthCheckId}` : ''}`,
          description: 'Make this record, with the Region as its set identifier',
        });
    }
  }

  /** A Region is healthy if its endpoint answers and it is not evacuated. */
  #health(config: Config, region: string, host: string, checkers: Route, topic: ITopic): HealthCheck {
    const { interval, checkerRegions } = config.healthChecks;
    const endpoint = new HealthCheck(this, `Endpoint-${region}`, {
      type: HealthCheckType.HTTPS,
      fqdn: host,
      port: 443,
      resourcePath: checkers.resource,
      enableSNI: true,
      requestInterval: interval,
      // One is enough: the endpoint itself reports a lasting problem only, and one checker alone does not
      // decide.
      failureThreshold: 1,
      regions: [...checkerRegions],
    });
    const names = config.regions.map(({ name }) => name);
    const keeper = keeperOf(region, names)!;
    const stays = new HealthCheck(this, `NotEvacuated-${region}`, {
      type: HealthCheckType.CLOUDWATCH_METRIC,
      alarmIdentifier: {
        name: evacuationAlarmName(config.stage.name, region),
        region: keeper,
      },
      // Without data the keeper says nothing: it may be lost, and an evacuated Region must not come back by
      // that.
      insufficientDataHealthStatus: InsufficientDataHealthStatusEnum.LAST_KNOWN_STATUS,
    });
    const both = new HealthCheck(this, `Health-${region}`, {
      type: HealthCheckType.CALCULATED,
      childHealthChecks: [endpoint, stays],
      healthThreshold: 2,
    });
    new PlatformAlarm(this, `Unhealthy-${region}`, {
      config,
      section: 'region-unhealthy',
      of: region,
      what: `${region} is unhealthy or evacuated. DNS sends clients to the other Regions.`,
      metric: new Metric({
        namespace: 'AWS/Route53',
        metricName: 'HealthCheckStatus',
        dimensionsMap: { HealthCheckId: both.healthCheckId },
        statistic: 'min',
        period: Duration.minutes(1),
      }),
      threshold: 1,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      evaluationPeriods: 2,
      treatMissingData: TreatMissingData.BREACHING,
      topic,
    });
    // Without a name, Route 53's list shows ids.
    for (const [check, of] of [
      [endpoint, 'endpoint'],
      [stays, 'not evacuated'],
      [both, 'endpoint and not evacuated'],
    ] as const)
      Tags.of(check).add('Name', `countersign-${config.stage.name} ${region}: ${of}`);
    return both;
  }
}
