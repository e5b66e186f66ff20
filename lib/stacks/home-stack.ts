/** What exists once for all Regions: registrations, clients and the platform's keys. */
import type { App } from 'aws-cdk-lib';
import type { Config } from '../config/read.ts';
import { GlobalTable } from '../data/tables.ts';
import { KeysetSecrets } from '../keys/keyset-secrets.ts';
import { PlatformStack } from './platform-stack.ts';

export interface HomeStackProps {
  readonly config: Config;
}

export class HomeStack extends PlatformStack {
  constructor(app: App, id: string, { config }: HomeStackProps) {
    const description = `Countersign ${config.stage.name}: registrations, clients and keys`;
    super(app, id, { config, region: config.homeRegion, description, keeps: true });
    // Ids are a contract: a renamed one replaces the table or the secret.
    new GlobalTable(this, 'Registry', { config, kind: 'registry' });
    new GlobalTable(this, 'Clients', { config, kind: 'clients' });
    new KeysetSecrets(this, 'Keys', { config });
  }
}
