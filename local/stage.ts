/** What a deployment creates before the first request: tables, clients. By AWS's protocols alone. */
import { CreateTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import {
  ADMIN_FUNCTION,
  type AdminAction,
  type AdminActions,
  type AdminAnswer,
} from '../lambda/contract/admin.ts';
import { functionName, TABLES, type TableKind, tableName } from '../lambda/contract/names.ts';

export const STAGE = 'local';

export const tableKinds = (scope: 'global' | 'region'): TableKind[] =>
  (Object.keys(TABLES) as TableKind[]).filter((kind) => TABLES[kind].scope === scope);

/** @param table its full name, of whatever generation */
export const isGlobalTable = (table: string): boolean =>
  tableKinds('global').some((kind) => table.startsWith(tableName(STAGE, kind).replace(/\d+$/, '')));

export async function createTables(dynamodb: DynamoDBClient, kinds: readonly TableKind[]): Promise<void> {
  for (const kind of kinds) {
    const { keys } = TABLES[kind];
    await dynamodb.send(
      new CreateTableCommand({
        TableName: tableName(STAGE, kind),
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: keys.map((name) => ({ AttributeName: name, AttributeType: 'S' })),
        KeySchema: keys.map((name, i) => ({ AttributeName: name, KeyType: i === 0 ? 'HASH' : 'RANGE' })),
      }),
    );
  }
}

/** @throws Error with the problem's detail, where the function refuses */
export async function invokeAdmin<A extends AdminAction>(
  lambda: LambdaClient,
  action: A,
  params: AdminActions[A]['params'],
): Promise<AdminActions[A]['result']> {
  const { Payload } = await lambda.send(
    new InvokeCommand({
      FunctionName: functionName(STAGE, ADMIN_FUNCTION[action]),
      Payload: JSON.stringify({ action, params }),
    }),
  );
  const answer = JSON.parse(Payload?.transformToString() ?? 'null') as AdminAnswer<A>;
  if (answer.ok) return answer.result;
  throw new Error(`${action}: ${answer.problem.detail}`);
}
