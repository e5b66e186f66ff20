/**
 * All of one Region: tables, functions, the API that they answer, the rotation of keys, domain and alarms.
 */
import { type App, CfnOutput } from 'aws-cdk-lib';
import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { keptBy } from '../../lambda/contract/evacuation.ts';
import {
  type BundleName,
  type FunctionName,
  functionsOf,
  type ServingFunctions,
} from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { routesOf } from '../../lambda/contract/routes.ts';
import { Firewall } from '../api/firewall.ts';
import { addRoutes, createRestApi, stageUrl } from '../api/rest-api.ts';
import { Delivery } from '../callbacks/delivery.ts';
import { Outbox } from '../callbacks/outbox.ts';
import { wakeUpsUrl } from '../callbacks/wake-ups.ts';
import type { Config } from '../config/read.ts';
import { RegionTable } from '../data/tables.ts';
import { EnrolmentSweep } from '../enrolment/sweep.ts';
import { environmentValues } from '../functions/environment.ts';
import { ServingFunction } from '../functions/serving-function.ts';
import { KeyRotation } from '../keys/rotation.ts';
import { DeliveryAlarms } from '../operations/delivery-alarms.ts';
import { EnrolmentAlarms } from '../operations/enrolment-alarms.ts';
import { EventAlarms } from '../operations/event-alarms.ts';
import { ExposedKeyAlarm } from '../operations/exposed-key-alarm.ts';
import { KeyAlarms } from '../operations/key-alarms.ts';
import { type RegionMetric, regionMetric } from '../operations/metrics.ts';
import { RegionAlarms } from '../operations/region-alarms.ts';
import { alarmTopic } from '../operations/topic.ts';
import { checkersPath } from '../routing/checkers.ts';
import { Evacuation } from '../routing/evacuation.ts';
import { RegionDomain } from '../routing/region-domain.ts';
import { entryUrl, regionUrl } from '../routing/urls.ts';
import { PlatformStack } from './platform-stack.ts';

export interface RegionStackProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  /** Each function's directory. */
  readonly bundles: Readonly<Record<BundleName, string>>;
}

/** Serves clients in one Region. */
export class RegionStack extends PlatformStack {
  /** The API that clients call. */
  readonly api: RestApi;
  /**
   * The base URL that clients are configured with; without a `domain` or `baseUrl` it is known once deployed.
   */
  readonly baseUrl: string;
  /** The functions that answer clients and operators, by name. */
  readonly functions: ServingFunctions<LambdaFunction>;
  /** The functions that rotate keys, by purpose. Only the Region that makes keys schedules them. */
  readonly rotationFunctions: Readonly<Record<Purpose, LambdaFunction>>;
  /** Checks every hour that keys are rotated and replicated. */
  readonly keysWatchFunction: LambdaFunction;
  /** Used nonces. */
  readonly ledger: Table;
  /** Quotas, revoked and published keys, the record of health, evacuation flags and the stop of writes. */
  readonly limits: Table;
  /** What consumers learn about changes, for 30 days. */
  readonly events: Table;
  /** Notified by the Region's alarms. Undefined for `dev` without a topic in the config. */
  readonly alarmTopic?: ITopic;

  readonly #stage: string;

  constructor(app: App, id: string, { config, region, bundles }: RegionStackProps) {
    const { domain } = config;
    const { name: stage, kind } = config.stage;
    super(app, id, { config, region: region.name, description: `Countersign ${stage}: ${region.name}` });
    this.#stage = stage;
    // Ids are a contract: a renamed one replaces the table.
    const generation = region.ledgerGeneration;
    this.ledger = new RegionTable(this, 'Ledger', { stage, kind: 'ledger', generation }).table;
    this.limits = new RegionTable(this, 'Limits', { stage, kind: 'limits' }).table;
    this.events = new RegionTable(this, 'Events', { stage, kind: 'events' }).table;

    const checkers = checkersPath(config);
    this.api = createRestApi(this, 'Api', config, checkers);
    const baseUrl = regionUrl(config, region) ?? stageUrl(this.api);
    this.baseUrl = baseUrl;
    const entry = entryUrl(config) ?? baseUrl;
    const errorDocsUrl = config.errorDocsUrl ?? `${entry}/errors`;
    // The config has every URL but that of a single Region, which is `baseUrl`.
    const regions = config.regions.map((each) => ({
      name: each.name,
      url: regionUrl(config, each) ?? baseUrl,
    }));
    const values = environmentValues({
      config,
      region,
      baseUrl,
      entryUrl: entry,
      errorDocsUrl,
      regions,
      wakeUpsUrl: wakeUpsUrl(this, stage),
    });
    const oauth = config.oauth !== undefined;
    const functions = eachOf(
      functionsOf(oauth),
      (name) => new ServingFunction(this, name, { config, region, name, bundles, values }),
    );
    this.functions = eachOf(functionsOf(oauth), (name) => functions[name]!.function);
    const routes = routesOf(oauth);
    addRoutes(this.api, { routes, functions, errorDocsUrl, checkers });
    const delivery = new Delivery(this, 'Delivery', { config, region, bundle: bundles.deliver, values });
    const outbox = new Outbox(this, 'Callbacks', { config, region, bundles, values });
    const rotation = new KeyRotation(this, 'Rotation', { config, region, bundles, errorDocsUrl });
    this.rotationFunctions = rotation.functions;
    this.keysWatchFunction = rotation.watchFunction;
    const certificate =
      domain && new RegionDomain(this, 'Domain', { domain, region, api: this.api }).certificate;

    const topic = alarmTopic(this, config, region);
    if (topic) this.alarmTopic = topic;
    const logGroups: ServingFunctions<ILogGroup> = eachOf(
      functionsOf(oauth),
      (name) => functions[name]!.logGroup,
    );
    new ExposedKeyAlarm(this, 'ExposedKey', { config, region, logGroups, topic });
    const enrols = config.enrolment.length > 0;
    // Every Region could do it; one is enough.
    const sweep =
      enrols && region.name === config.homeRegion
        ? new EnrolmentSweep(this, 'EnrolmentSweep', {
            ...{ config, region, errorDocsUrl },
            bundle: bundles['enrolment-sweep'],
          })
        : undefined;
    if (kind === 'prod') {
      const { requestsPerIp } = config.waf;
      const apiStage = this.api.deploymentStage;
      new Firewall(this, 'Firewall', { stage, requestsPerIp, apiStage, checkers });
      new RegionAlarms(this, 'Alarms', { config, region, logGroups, topic, certificate });
      new KeyAlarms(this, 'KeyAlarms', { config, rotation, topic });
      new DeliveryAlarms(this, 'DeliveryAlarms', { config, region: region.name, delivery, topic });
      if (enrols)
        new EnrolmentAlarms(this, 'EnrolmentAlarms', {
          ...{ config, region: region.name, topic },
          registerLog: logGroups['oauth-register']!,
          sweepLog: sweep?.logGroup,
        });
      new EventAlarms(this, 'EventAlarms', { config, region: region.name, outbox, topic });
    }
    const of = keptBy(
      region.name,
      config.regions.map(({ name }) => name),
    );
    if (of !== undefined) {
      const bundle = bundles.evacuation;
      // One id, whichever Region it keeps: function, log and rule have one name in all cases, and
      // CloudFormation makes what has another id before it deletes what had the name.
      new Evacuation(this, 'Evacuation', {
        config,
        region: region.name,
        of,
        bundle,
        errorDocsUrl,
        topic,
      });
    }
    new CfnOutput(this, 'BaseUrl', { value: baseUrl, description: 'What clients are configured with' });
  }

  /** Calls of `register`, refused ones included. Default: sum over 5 minutes. */
  metricRegistrations(options?: MetricOptions): Metric {
    return this.#metric('registrations', options);
  }

  /** Requests to the API. Default: sum over 5 minutes. */
  metricRequests(options?: MetricOptions): Metric {
    return this.#metric('requests', options);
  }

  /** Requests that the API answers 4xx. Default: sum over 5 minutes. */
  metricClientErrors(options?: MetricOptions): Metric {
    return this.#metric('clientErrors', options);
  }

  /** Requests that the API answers 5xx. Default: sum over 5 minutes. */
  metricServerErrors(options?: MetricOptions): Metric {
    return this.#metric('serverErrors', options);
  }

  /** From request to answer, in milliseconds. Default: p99 over 5 minutes. */
  metricLatency(options?: MetricOptions): Metric {
    return this.#metric('latency', options);
  }

  /** Requests that the firewall refuses; `prod` only. Default: sum over 5 minutes. */
  metricBlockedRequests(options?: MetricOptions): Metric {
    return this.#metric('blockedRequests', options);
  }

  /**
   * Requests that carried a strict API key, which must be considered exposed. Default: sum over 5 minutes.
   */
  metricExposedKeys(options?: MetricOptions): Metric {
    return this.#metric('exposedKeys', options);
  }

  #metric(name: RegionMetric, options?: MetricOptions): Metric {
    return regionMetric(name, this.#stage, this.region, options);
  }
}

const eachOf = <T>(names: readonly FunctionName[], make: (name: FunctionName) => T): ServingFunctions<T> =>
  Object.fromEntries(names.map((name) => [name, make(name)])) as ServingFunctions<T>;
