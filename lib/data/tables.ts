/** The tables: those that all Regions share, and those of one Region. */
import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  type Attribute,
  AttributeType,
  Billing,
  BillingMode,
  MultiRegionConsistency,
  StreamViewType,
  Table,
  TableEncryptionV2,
  TableV2,
} from 'aws-cdk-lib/aws-dynamodb';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { keyType, TABLES, type TableKind, tableName } from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';
import type { TableSet } from '../config/tables.ts';
import { keyArn } from './encryption.ts';

type Scoped<S extends string> = {
  [K in TableKind]: (typeof TABLES)[K]['scope'] extends S ? K : never;
}[TableKind];

export interface GlobalTableProps {
  readonly config: Config;
  readonly kind: Scoped<'global'>;
  readonly set: TableSet;
}

/**
 * A replica in every Region of its set. A stage of kind prod keeps and protects it; one of kind dev deletes
 * it with its stack.
 */
export class GlobalTable extends Construct {
  readonly table: TableV2;

  constructor(scope: Construct, id: string, { config, kind, set }: GlobalTableProps) {
    super(scope, id);
    const { stage, homeRegion } = config;
    const { generation, consistency, regions, witnessRegion } = set;
    const kept = stage.kind === 'prod';
    const others = regions.filter((name) => name !== homeRegion);
    this.table = new TableV2(this, 'Table', {
      tableName: tableName(stage.name, kind, generation),
      ...keySchema(kind),
      billing: Billing.onDemand(),
      // Removes old tombstones. A strongly consistent table has no TTL, and keeps them.
      ...(kind === 'registry' && consistency !== 'strong' && { timeToLiveAttribute: 'ttl' }),
      ...(others.length > 0 && { replicas: others.map((region) => ({ region, ...tags(config) })) }),
      ...(consistency === 'strong' && { multiRegionConsistency: MultiRegionConsistency.STRONG }),
      ...(witnessRegion !== undefined && { witnessRegion }),
      // The outbox reads it. A replica of an eventual table needs it as well, and CloudFormation takes no
      // replica in the same update as the stream: so a single Region has it from the start.
      dynamoStream: StreamViewType.NEW_AND_OLD_IMAGES,
      ...(kept && {
        encryption: encryption(this, config, regions),
        deletionProtection: true,
        pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      }),
      ...tags(config),
      removalPolicy: kept ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }
}

/** CloudFormation does not give a stack's tags to the replicas of its global tables. */
function tags({ tags }: Config) {
  const list = Object.entries(tags).map(([key, value]) => ({ key, value }));
  return list.length === 0 ? {} : { tags: list };
}

function encryption(scope: Construct, config: Config, regions: readonly string[]): TableEncryptionV2 {
  const keys = regions.map((name) => [name, keyArn(scope, config, regionOf(config, name))!] as const);
  const home = Stack.of(scope).region;
  const replicas = Object.fromEntries(keys.filter(([name]) => name !== home));
  return TableEncryptionV2.customerManagedKey(
    Key.fromKeyArn(scope, 'Key', keys.find(([name]) => name === home)![1]),
    replicas,
  );
}

/** A Region that only has tables of another generation is not in the settings, so the stage makes its key. */
const regionOf = ({ regions }: Config, name: string) =>
  regions.find((each) => each.name === name) ?? { name };

export interface RegionTableProps {
  readonly stage: string;
  readonly kind: Scoped<'region'>;
  /** @default 1 */
  readonly generation?: number;
}

/** Its items are worthless after a while: each has a `ttl`, and there is no replica and no backup. */
export class RegionTable extends Construct {
  readonly table: Table;

  constructor(scope: Construct, id: string, { stage, kind, generation }: RegionTableProps) {
    super(scope, id);
    this.table = new Table(this, 'Table', {
      tableName: tableName(stage, kind, generation),
      ...keySchema(kind),
      billingMode: BillingMode.PAY_PER_REQUEST,
      timeToLiveAttribute: 'ttl',
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }
}

function keySchema(kind: TableKind): { partitionKey: Attribute; sortKey?: Attribute } {
  const [pk, sk]: readonly string[] = TABLES[kind].keys;
  const attribute = (name: string): Attribute => ({
    name,
    type: keyType(name) === 'N' ? AttributeType.NUMBER : AttributeType.STRING,
  });
  return { partitionKey: attribute(pk!), ...(sk !== undefined && { sortKey: attribute(sk) }) };
}
