/** The mark of the copy that filled a generation's tables, as the outbox sees it. */
import { COPIED_KEY } from '../contract/names.ts';
import { type Dynamodb, GetItemCommand } from './aws/commands.ts';
import { call } from './call.ts';

/**
 * @returns when the last Region's writes were stopped for the copy, in epoch milliseconds: what is older was
 * copied. Undefined for tables that no copy filled
 * @throws Unavailable
 */
export async function readCopiedMs(dynamodb: Dynamodb, registry: string): Promise<number | undefined> {
  const Key = { pk: { S: COPIED_KEY } };
  const get = new GetItemCommand({ TableName: registry, Key, ConsistentRead: true });
  const { answer } = await call('registry', () => dynamodb.send(get));
  const stops = Object.values(answer.Item?.stops?.M ?? {}).map(({ S = '' }) => Date.parse(S));
  return stops.length === 0 ? undefined : Math.max(...stops);
}
