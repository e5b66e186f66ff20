/** All of one Region: its ledger and limits, the functions, and the API that they answer. */
import { type App, CfnOutput, Stack } from 'aws-cdk-lib';
import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import { FUNCTIONS } from '../lambda/contract/names.ts';
import { buildBundles } from './api/bundles.ts';
import { environmentValues } from './api/environment.ts';
import { PlatformFunction } from './api/platform-function.ts';
import { addRoutes, createRestApi, stageUrl } from './api/rest-api.ts';
import type { Config } from './config/read.ts';
import { RegionTable } from './data/tables.ts';
import { ExposedKeyAlarm } from './operations/exposed-key-alarm.ts';

export interface RegionStackProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
}

export class RegionStack extends Stack {
  readonly api: RestApi;

  constructor(app: App, id: string, { config, region }: RegionStackProps) {
    const { account, registrationSchema } = config;
    const stage = config.stage.name;
    super(app, id, {
      env: { region: region.name, ...(account !== undefined && { account }) },
      description: `Countersign ${stage}: ${region.name}`,
    });
    // Ids are a contract: a renamed one replaces the table.
    new RegionTable(this, 'Ledger', { stage, kind: 'ledger', generation: region.ledgerGeneration });
    new RegionTable(this, 'Limits', { stage, kind: 'limits' });

    this.api = createRestApi(this, 'Api', { stage });
    const baseUrl = region.baseUrl ?? stageUrl(this.api);
    const entryUrl = baseUrl;
    const errorDocsUrl = config.errorDocsUrl ?? `${entryUrl}/errors`;
    const values = environmentValues(this, { config, region, baseUrl, entryUrl, errorDocsUrl });
    const bundles = buildBundles({ outdir: app.outdir, registrationSchema });
    const functions = Object.fromEntries(
      FUNCTIONS.map((name) => [
        name,
        new PlatformFunction(this, name, {
          stage,
          name,
          bundle: bundles[name],
          values,
          ledgerGeneration: region.ledgerGeneration,
        }),
      ]),
    ) as Record<(typeof FUNCTIONS)[number], PlatformFunction>;

    addRoutes(this.api, { functions, errorDocsUrl });
    new ExposedKeyAlarm(this, 'ExposedKey', { stage, logGroup: functions.nonce.logGroup });
    new CfnOutput(this, 'BaseUrl', { value: baseUrl, description: 'What clients are configured with' });
  }
}
