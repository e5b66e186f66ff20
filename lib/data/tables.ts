/** The tables of the contract: every Region's, and a Region's own. */
import { RemovalPolicy } from 'aws-cdk-lib';
import {
  type Attribute,
  AttributeType,
  Billing,
  BillingMode,
  Table,
  TableV2,
} from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { TABLES, type TableKind, tableName } from '../../lambda/contract/names.ts';

type Scoped<S extends string> = {
  [K in TableKind]: (typeof TABLES)[K]['scope'] extends S ? K : never;
}[TableKind];

export interface GlobalTableProps {
  readonly stage: string;
  readonly kind: Scoped<'global'>;
}

/** Deleted with its stack: a stage of kind dev keeps nothing. */
export class GlobalTable extends Construct {
  constructor(scope: Construct, id: string, { stage, kind }: GlobalTableProps) {
    super(scope, id);
    new TableV2(this, 'Table', {
      tableName: tableName(stage, kind),
      ...keySchema(kind),
      billing: Billing.onDemand(),
      // Tombstones go by it (a strongly consistent table, which has no TTL, keeps them).
      ...(kind === 'registry' && { timeToLiveAttribute: 'ttl' }),
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }
}

export interface RegionTableProps {
  readonly stage: string;
  readonly kind: Scoped<'region'>;
  /** @default 1 */
  readonly generation?: number;
}

/** Holds what time makes worthless: no replica, no backup, every item with its `ttl`. */
export class RegionTable extends Construct {
  constructor(scope: Construct, id: string, { stage, kind, generation }: RegionTableProps) {
    super(scope, id);
    new Table(this, 'Table', {
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
  const attribute = (name: string): Attribute => ({ name, type: AttributeType.STRING });
  return { partitionKey: attribute(pk!), ...(sk !== undefined && { sortKey: attribute(sk) }) };
}
