/**
 * Creates what a deployment has before the first request: tables and clients. Uses only AWS's own protocols.
 */
import { CreateTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { invokeAdmin } from '../cli/admin.ts';
import type { Target } from '../cli/target.ts';
import { keyType, TABLES, type TableKind, tableKinds, tableName } from '../lambda/contract/names.ts';

export const STAGE = 'local';

/** @param table full name of a table, of any generation */
export const isGlobalTable = (table: string): boolean =>
  tableKinds('global').some((kind) => table.startsWith(tableName(STAGE, kind).replace(/\d+$/, '')));

export async function createTables(
  dynamodb: DynamoDBClient,
  kinds: readonly TableKind[],
  generation = 1,
): Promise<void> {
  for (const kind of kinds) {
    const { keys, scope } = TABLES[kind];
    await dynamodb.send(
      new CreateTableCommand({
        TableName: tableName(STAGE, kind, generation),
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: keys.map((name) => ({ AttributeName: name, AttributeType: keyType(name) })),
        KeySchema: keys.map((name, i) => ({ AttributeName: name, KeyType: i === 0 ? 'HASH' : 'RANGE' })),
        ...(scope === 'global' && {
          StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
        }),
      }),
    );
  }
}

export interface LocalClient {
  readonly client_id: string;
  readonly profile: 'strict' | 'basic';
  readonly api_key: string;
}

/** Signatures per minute: more than a person can use. */
const DEV_LIMIT = 1_000_000;

/**
 * Creates a strict client `dev` and a basic one, `dev-basic`.
 *
 * @param basicUntilMs end of the basic key, in epoch milliseconds
 */
export async function createDevClients(target: Target, basicUntilMs: number): Promise<LocalClient[]> {
  const expires_at = new Date(basicUntilMs).toISOString();
  const dev = { client_id: 'dev', profile: 'strict', limit: DEV_LIMIT } as const;
  const basic = { client_id: 'dev-basic', profile: 'basic', limit: DEV_LIMIT, expires_at } as const;
  const clients: LocalClient[] = [];
  for (const params of [dev, basic]) {
    const { client_id, profile, api_key } = await invokeAdmin(
      target,
      target.regions[0]!,
      'clients.create',
      params,
    );
    clients.push({ client_id, profile, api_key: api_key! });
  }
  return clients;
}
