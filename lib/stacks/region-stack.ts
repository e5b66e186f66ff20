/** All of one Region: its ledger and limits, the functions, the API that they answer, what rotates its keys,
 * its name and its alarms. */
import { type App, CfnOutput } from 'aws-cdk-lib';
import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { type BundleName, FUNCTIONS, type FunctionName } from '../../lambda/contract/names.ts';
import { Firewall } from '../api/firewall.ts';
import { addRoutes, createRestApi, stageUrl } from '../api/rest-api.ts';
import type { Config } from '../config/read.ts';
import { RegionTable } from '../data/tables.ts';
import { environmentValues } from '../functions/environment.ts';
import { ServingFunction } from '../functions/serving-function.ts';
import { Rotation } from '../keys/rotation.ts';
import { ExposedKeyAlarm } from '../operations/exposed-key-alarm.ts';
import { KeyAlarms } from '../operations/key-alarms.ts';
import { RegionAlarms } from '../operations/region-alarms.ts';
import { alarmTopic } from '../operations/topic.ts';
import { EvacuationAlarm, keeperOf } from '../routing/evacuation.ts';
import { RegionDomain } from '../routing/region-domain.ts';
import { entryUrl, regionUrl } from '../routing/urls.ts';
import { PlatformStack } from './platform-stack.ts';

export interface RegionStackProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  /** Each function's directory. */
  readonly bundles: Readonly<Record<BundleName, string>>;
}

export class RegionStack extends PlatformStack {
  readonly api: RestApi;

  constructor(app: App, id: string, { config, region, bundles }: RegionStackProps) {
    const { domain } = config;
    const { name: stage, kind } = config.stage;
    super(app, id, { config, region: region.name, description: `Countersign ${stage}: ${region.name}` });
    // Ids are a contract: a renamed one replaces the table.
    new RegionTable(this, 'Ledger', { stage, kind: 'ledger', generation: region.ledgerGeneration });
    new RegionTable(this, 'Limits', { stage, kind: 'limits' });

    this.api = createRestApi(this, 'Api', config);
    const baseUrl = regionUrl(config, region) ?? stageUrl(this.api);
    const entry = entryUrl(config) ?? baseUrl;
    const errorDocsUrl = config.errorDocsUrl ?? `${entry}/errors`;
    // Only a single Region's URL is not known from the config.
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
    });
    const functions = eachFunction(
      (name) => new ServingFunction(this, name, { config, region, name, bundle: bundles[name], values }),
    );
    addRoutes(this.api, { functions, errorDocsUrl });
    const rotation = new Rotation(this, 'Rotation', { config, region, bundles, errorDocsUrl });
    if (domain) new RegionDomain(this, 'Domain', { domain, region, api: this.api });

    const topic = alarmTopic(this, config, region);
    const logGroups: Record<FunctionName, ILogGroup> = eachFunction((name) => functions[name].logGroup);
    new ExposedKeyAlarm(this, 'ExposedKey', { config, logGroups, topic });
    if (kind === 'prod') {
      const { requestsPerIp } = config.waf;
      new Firewall(this, 'Firewall', { stage, requestsPerIp, apiStage: this.api.deploymentStage });
      new RegionAlarms(this, 'Alarms', { config, region, logGroups, topic });
      new KeyAlarms(this, 'KeyAlarms', { config, rotation, topic });
    }
    for (const { name: of } of domain && config.regions.length > 1 ? config.regions : [])
      if (keeperOf(of, config) === region.name)
        new EvacuationAlarm(this, `Evacuated-${of}`, { config, of, topic });
    new CfnOutput(this, 'BaseUrl', { value: baseUrl, description: 'What clients are configured with' });
  }
}

const eachFunction = <T>(make: (name: FunctionName) => T): Record<FunctionName, T> =>
  Object.fromEntries(FUNCTIONS.map((name) => [name, make(name)])) as Record<FunctionName, T>;
