/**
 * The write stop in a Region's `limits` table. While it is set, the Region changes nothing in `registry` and
 * `clients`, so that these can be copied (docs/upgrade.md, "Other tables"). It has no `ttl`: only an operator
 * ends it.
 */
import { WRITE_STOP_KEY } from '../contract/limits.ts';
import { DeleteItemCommand, type Dynamodb, GetItemCommand, PutItemCommand } from './aws/commands.ts';
import { call, Unavailable } from './call.ts';
import { CONDITION_FAILED, numberOf } from './dynamodb.ts';

/** All methods throw Unavailable. */
export interface WriteStop {
  /** Strongly consistent. @returns since when, in epoch milliseconds; undefined where writes are allowed */
  read(): Promise<number | undefined>;
  /** A stop that is already set keeps its time. @returns that time */
  stop(nowMs: number): Promise<number>;
  resume(): Promise<void>;
}

export function createWriteStop(dynamodb: Dynamodb, table: string): WriteStop {
  const TableName = table;
  const Key = { pk: { S: WRITE_STOP_KEY } };

  async function read(): Promise<number | undefined> {
    const get = new GetItemCommand({ TableName, Key, ConsistentRead: true });
    const { answer } = await call('limits', () => dynamodb.send(get));
    return answer.Item && numberOf(answer.Item, 'stopped_at');
  }

  return {
    read,

    async stop(nowMs) {
      const put = new PutItemCommand({
        TableName,
        Item: { ...Key, stopped_at: { N: String(nowMs) } },
        ConditionExpression: 'attribute_not_exists(pk)',
      });
      await call('limits', () => dynamodb.send(put), [CONDITION_FAILED]);
      const atMs = await read();
      // Another operator has just ended it.
      if (atMs === undefined) throw new Unavailable('limits');
      return atMs;
    },

    async resume() {
      await call('limits', () => dynamodb.send(new DeleteItemCommand({ TableName, Key })));
    },
  };
}
