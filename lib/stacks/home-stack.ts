/** Registrations, clients and the platform's keys, which exist once for all Regions. */
import type { App } from 'aws-cdk-lib';
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import type { Config } from '../config/read.ts';
import { type TableSet, tableSets } from '../config/tables.ts';
import { GlobalTable } from '../data/tables.ts';
import { KeysetSecrets } from '../keys/keyset-secrets.ts';
import { PlatformStack } from './platform-stack.ts';

export interface HomeStackProps {
  readonly config: Config;
}

/**
 * The global tables and, until a promotion, the secrets of all Regions. Home is where they are created and
 * replicated from.
 */
export class HomeStack extends PlatformStack {
  /** Registrations, with a replica in every Region: the generation in use. */
  readonly registry: TableV2;
  /** Clients and their keys, with a replica in every Region: the generation in use. */
  readonly clients: TableV2;

  constructor(app: App, id: string, { config }: HomeStackProps) {
    const description = `Countersign ${config.stage.name}: registrations, clients and keys`;
    super(app, id, { config, region: config.homeRegion, description, keeps: true });
    const { inUse, other } = tableSets(config);
    ({ registry: this.registry, clients: this.clients } = this.#tables(config, inUse));
    if (other) this.#tables(config, other);
    // After a promotion the secrets have another primary. They leave the stack, which keeps them, and never
    // come back: CloudFormation would try to make them again.
    if (config.keys.managedBy === undefined) new KeysetSecrets(this, 'Keys', { config });
  }

  /**
   * Ids are a contract: a renamed one replaces the table. So a generation has the same ones, whether it is in
   * use or not.
   */
  #tables(config: Config, set: TableSet) {
    const id = set.generation === 1 ? '' : set.generation;
    return {
      registry: new GlobalTable(this, `Registry${id}`, { config, kind: 'registry', set }).table,
      clients: new GlobalTable(this, `Clients${id}`, { config, kind: 'clients', set }).table,
    };
  }
}
