/**
 * DynamoDB in memory for several Regions: the operations that this platform uses, in the shapes of DynamoDB's
 * API. Nothing here waits or is random: the caller decides when a write begins and ends, and when it is
 * replicated.
 */
import type { TableConsistency } from '../../lambda/contract/serving-environment.ts';
import { EventualTable } from './eventual-table.ts';
import { DynamodbException, validation } from './exception.ts';
import { type Item, keyText } from './item.ts';
import { Network } from './network.ts';
import { type PageInput, page } from './read.ts';
import { askStream, isStreamOperation, type NamedStream, streamLabel } from './stream-operations.ts';
import { StrongTable } from './strong-table.ts';
import type { Table, Writing } from './table.ts';
import { type TableUpdate, TableUpdates } from './table-updates.ts';
import { type TableWrite, WRITES, type WriteInput, write, writtenKey } from './write.ts';

export interface DynamodbOptions {
  readonly regions: readonly string[];
  /**
   * The third replica of a strongly consistent table with two Regions: it holds a copy and serves no client.
   */
  readonly witness?: string;
  /** The replication of each table, by name. `regional` means none: each Region has its own table. */
  readonly modeOf: (table: string) => 'regional' | TableConsistency;
  /** Epoch milliseconds of a Region's clock. */
  readonly nowMs: (region: string) => number;
}

type Input = Readonly<Record<string, unknown>> & { readonly TableName?: string };

interface Description {
  readonly TableName: string;
  readonly KeySchema: readonly { readonly AttributeName: string }[];
  readonly StreamSpecification?: { readonly StreamEnabled: boolean; readonly StreamViewType?: string };
  readonly [member: string]: unknown;
}

const READS = ['GetItem', 'Query', 'Scan'] as const;

export class Dynamodb {
  readonly network = new Network();
  readonly #options: DynamodbOptions;
  /** By table name; for a `regional` table, by Region below that. */
  readonly #tables = new Map<string, Table | Map<string, Table>>();
  readonly #descriptions = new Map<string, Map<string, Description>>();
  readonly #ttl = new Map<string, unknown>();
  readonly #updates = new Map<string, TableUpdates>();

  constructor(options: DynamodbOptions) {
    this.#options = options;
  }

  /** @throws DynamodbException */
  ask(region: string, operation: string, input: Input): object {
    this.#needRegion(region);
    if (isWrite(operation)) return this.begin(region, operation, input).commit();
    if (isRead(operation)) return this.#read(region, operation, input);
    if (isStreamOperation(operation))
      return askStream(operation, input, this.#streams(region), this.#options.nowMs(region));
    if (operation === 'BatchWriteItem') return this.#batchWrite(region, input);
    if (operation === 'CreateTable') return this.#create(region, input as unknown as Description);
    if (operation === 'DescribeTable') return { Table: this.#describe(region, nameOf(input)) };
    if (operation === 'UpdateTable') return this.#update(region, input);
    if (operation === 'ListTables') return this.#list(region, input);
    if (operation === 'DescribeTimeToLive' || operation === 'UpdateTimeToLive')
      return this.#timeToLive(region, operation, input);
    throw new DynamodbException('UnknownOperationException', `There is no operation ${operation} here`);
  }

  /** Begins a write, which its caller ends. Other writes may begin in between. @throws DynamodbException */
  begin(region: string, operation: TableWrite, input: Input): { commit(): object; abandon(): void } {
    this.#needRegion(region);
    const table = this.table(region, nameOf(input));
    const asked = input as WriteInput;
    const writing: Writing = table.begin(region, writtenKey(table.keys, asked));
    return {
      commit: () => {
        try {
          this.#needRegion(region);
        } catch (error) {
          writing.abandon();
          throw error;
        }
        return writing.commit((held) => write(operation, asked, held, table.keys));
      },
      abandon: writing.abandon,
    };
  }

  /** @returns the table as a Region's clients see it @throws DynamodbException ResourceNotFoundException */
  table(region: string, name: string): Table {
    const found = this.#tables.get(name);
    const table = found instanceof Map ? found.get(region) : found;
    const isGone = this.#updates.get(name)?.isGone(region, () => this.#options.nowMs(region));
    if (!table || isGone || !this.#descriptions.get(name)?.has(region))
      throw new DynamodbException(
        'ResourceNotFoundException',
        `Requested resource not found: Table: ${name} not found`,
      );
    return table;
  }

  /** Every table whose changes travel between Regions. */
  replicated(): { readonly eventual: EventualTable[]; readonly strong: StrongTable[] } {
    const tables = [...this.#tables.values()];
    return {
      eventual: tables.filter((table) => table instanceof EventualTable),
      strong: tables.filter((table) => table instanceof StrongTable),
    };
  }

  #read(region: string, operation: (typeof READS)[number], input: Input): object {
    const table = this.table(region, nameOf(input));
    const consistent = input.ConsistentRead === true;
    if (operation !== 'GetItem') return page(input as PageInput, table.items(region, consistent), table.keys);
    const item = table.get(region, keyText(table.keys, input.Key as Item), consistent);
    return item ? { Item: item } : {};
  }

  #batchWrite(region: string, { RequestItems }: Input): object {
    for (const [TableName, requests] of Object.entries(RequestItems as Record<string, BatchRequest[]>))
      for (const { PutRequest, DeleteRequest } of requests)
        this.ask(region, PutRequest ? 'PutItem' : 'DeleteItem', {
          TableName,
          ...(PutRequest ?? DeleteRequest),
        });
    return { UnprocessedItems: {} };
  }

  #create(region: string, description: Description): object {
    const { TableName: name, KeySchema } = description;
    const { regions, witness, modeOf, nowMs } = this.#options;
    const mode = modeOf(name);
    const keys = KeySchema.map(({ AttributeName }) => AttributeName);
    const where = mode === 'regional' ? [region] : regions;
    const known = this.#descriptions.get(name) ?? new Map<string, Description>();
    if (known.has(region))
      throw new DynamodbException('ResourceInUseException', `Table already exists: ${name}`);
    const { network } = this;
    // A global table with eventual consistency always has streams: it replicates by them.
    const streams = hasStream(description) || (mode === 'eventual' && regions.length > 1);
    if (mode === 'strong') {
      const replicas = witness ? [...regions, witness] : regions;
      const table = new StrongTable({ keys, replicas, network, nowMs });
      if (streams) table.turnOnStream(region);
      this.#tables.set(name, table);
    } else if (mode === 'eventual')
      this.#tables.set(name, new EventualTable({ keys, replicas: regions, network, nowMs, streams }));
    else {
      const tables = (this.#tables.get(name) as Map<string, Table> | undefined) ?? new Map<string, Table>();
      tables.set(region, new EventualTable({ keys, replicas: [region], network, nowMs, streams }));
      this.#tables.set(name, tables);
    }
    for (const each of where) known.set(each, description);
    this.#descriptions.set(name, known);
    const updates = this.#updates.get(name) ?? new TableUpdates(name);
    this.#updates.set(name, updates);
    if (description.DeletionProtectionEnabled === true) for (const each of where) updates.protect(each);
    return { TableDescription: this.#describe(region, name) };
  }

  #describe(region: string, name: string): object {
    const table = this.table(region, name);
    const { length } = table.items(region, false);
    const TableArn = tableArn(region, name);
    const stream = this.#streams(region).find(({ TableName }) => TableName === name);
    const others = this.#others(region, name);
    const { StreamSpecification: _, ...description } = this.#descriptions.get(name)!.get(region)!;
    return {
      ...description,
      ...this.#updates.get(name)!.describe(region, this.#options.nowMs(region)),
      ...{ TableArn, ItemCount: length },
      ...(table instanceof StrongTable && { MultiRegionConsistency: 'STRONG' }),
      ...(others.length > 0 && {
        Replicas: others.map((RegionName) => ({ RegionName, ReplicaStatus: 'ACTIVE' })),
      }),
      ...(table instanceof StrongTable && { MultiRegionConsistency: 'STRONG' }),
      ...(stream && {
        StreamSpecification: { StreamEnabled: true, StreamViewType },
        ...{ LatestStreamArn: stream.StreamArn, LatestStreamLabel: stream.StreamLabel },
      }),
    };
  }

  /** @throws DynamodbException for a change of a strongly consistent table's replicas, too */
  #update(region: string, input: Input): object {
    const name = nameOf(input);
    const table = this.table(region, name);
    if (input.StreamSpecification !== undefined) {
      if (!(table instanceof StrongTable)) throw validation('Here the stream of a strong table is turned on');
      if (!hasStream(input as unknown as Description)) throw validation('Here no stream is turned off');
      if (table.stream(region)) throw validation(`Table already has an enabled stream: TableName: ${name}`);
      table.turnOnStream(region);
      return { TableDescription: this.#describe(region, name) };
    }
    const cutOff = (other: string) => {
      if (!(table instanceof EventualTable)) throw validation('A strong table loses no single replica');
      table.cutOff(other);
    };
    const nowMs = this.#options.nowMs(region);
    this.#updates.get(name)!.update(region, this.#others(region, name), input as TableUpdate, nowMs, cutOff);
    return { TableDescription: this.#describe(region, name) };
  }

  /** @returns the Regions that the table replicates to */
  #others(region: string, name: string): string[] {
    const table = this.table(region, name);
    if (table instanceof EventualTable) return table.replicatesTo(region);
    return [...this.#descriptions.get(name)!.keys()].filter((other) => other !== region);
  }

  #streams(region: string): NamedStream[] {
    return [...this.#descriptions].flatMap(([TableName, where]) => {
      const description = where.get(region);
      const stream = description && this.table(region, TableName).stream(region);
      if (!stream) return [];
      const { KeySchema } = description;
      const StreamLabel = streamLabel(stream);
      const StreamArn = `${tableArn(region, TableName)}/stream/${StreamLabel}`;
      return [{ StreamArn, StreamLabel, TableName, KeySchema, region, stream }];
    });
  }

  #list(region: string, { Limit = 100, ExclusiveStartTableName: after = '' }: Input): object {
    const names = [...this.#descriptions]
      .flatMap(([name, where]) => (where.has(region) ? [name] : []))
      .sort();
    const rest = names.filter((name) => name > String(after));
    const TableNames = rest.slice(0, Number(Limit));
    const more = TableNames.length < rest.length && { LastEvaluatedTableName: TableNames.at(-1) };
    return { TableNames, ...more };
  }

  #timeToLive(region: string, operation: string, input: Input): object {
    const name = nameOf(input);
    const id = `${region}/${name}`;
    if (this.table(region, name) instanceof StrongTable && operation === 'UpdateTimeToLive')
      throw validation('Time To Live is not supported on a table with strong consistency in several Regions');
    if (operation === 'UpdateTimeToLive') {
      this.#ttl.set(id, input.TimeToLiveSpecification);
      return { TimeToLiveSpecification: input.TimeToLiveSpecification };
    }
    const specification = this.#ttl.get(id) as { AttributeName: string; Enabled: boolean } | undefined;
    return {
      TimeToLiveDescription: specification?.Enabled
        ? { TimeToLiveStatus: 'ENABLED', AttributeName: specification.AttributeName }
        : { TimeToLiveStatus: 'DISABLED' },
    };
  }

  #needRegion(region: string): void {
    if (this.network.isLost(region))
      throw new DynamodbException('InternalServerError', `Region ${region} is lost`, 500);
  }
}

interface BatchRequest {
  readonly PutRequest?: object;
  readonly DeleteRequest?: object;
}

const StreamViewType = 'NEW_AND_OLD_IMAGES';

/** @throws DynamodbException where another view is asked for: nothing here needs one */
function hasStream({ StreamSpecification }: Description): boolean {
  if (!StreamSpecification?.StreamEnabled) return false;
  if (StreamSpecification.StreamViewType !== StreamViewType)
    throw validation(`The only StreamViewType here is ${StreamViewType}`);
  return true;
}

const tableArn = (region: string, name: string): string =>
  `arn:aws:dynamodb:${region}:000000000000:table/${name}`;

export const isWrite = (operation: string): operation is TableWrite =>
  (WRITES as readonly string[]).includes(operation);

const isRead = (operation: string): operation is (typeof READS)[number] =>
  (READS as readonly string[]).includes(operation);

function nameOf({ TableName }: Input): string {
  if (TableName === undefined) throw validation('The parameter TableName is required');
  return TableName;
}
