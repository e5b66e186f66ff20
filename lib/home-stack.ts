/** What exists once for all Regions: registrations, clients and the platform's keys. */
import { type App, Stack } from 'aws-cdk-lib';
import type { Config } from './config/read.ts';
import { GlobalTable } from './data/tables.ts';
import { KeysetSecrets } from './keys/keyset-secrets.ts';

export interface HomeStackProps {
  readonly config: Config;
}

export class HomeStack extends Stack {
  constructor(app: App, id: string, { config }: HomeStackProps) {
    const { stage, account, homeRegion } = config;
    super(app, id, {
      env: { region: homeRegion, ...(account !== undefined && { account }) },
      description: `Countersign ${stage.name}: registrations, clients and keys`,
    });
    // Ids are a contract: a renamed one replaces the table or the secret.
    new GlobalTable(this, 'Registry', { stage: stage.name, kind: 'registry' });
    new GlobalTable(this, 'Clients', { stage: stage.name, kind: 'clients' });
    new KeysetSecrets(this, 'Keys', { stage: stage.name });
  }
}
