/** For how long the Region has been good, in its `limits` table: instances come and go. */
import { afterGood, type Goodness, goodAfterBadMs, isNews } from '../../protocol/health.ts';
import { HEALTH_KEY } from '../contract/limits.ts';
import { type Dynamodb, GetItemCommand, UpdateItemCommand } from './aws/commands.ts';
import { call } from './call.ts';
import { CONDITION_FAILED, numberOf } from './dynamodb.ts';

/** All methods throw Unavailable. */
export interface GoodnessRecord {
  /** Strongly consistent. @returns undefined for a Region that was never asked */
  read(): Promise<Goodness | undefined>;
  /**
   * Notes that the Region is good.
   *
   * @param held as it was read
   * @param badMs when the Region was bad and that could not be noted
   * @returns the record afterwards
   */
  good(held: Goodness | undefined, nowMs: number, holdDownMs: number, badMs?: number): Promise<Goodness>;
  /** Notes that the Region is bad: it cannot be good from before now. @param held as it was read */
  bad(held: Goodness | undefined, nowMs: number): Promise<void>;
}

/** Each failed attempt means that another instance has noted something. */
const ATTEMPTS = 3;

export function createGoodness(dynamodb: Dynamodb, table: string): GoodnessRecord {
  const item = { TableName: table, Key: { pk: { S: HEALTH_KEY } } };
  const record: GoodnessRecord = {
    async read() {
      const get = new GetItemCommand({ ...item, ConsistentRead: true });
      const { answer } = await call('limits', () => dynamodb.send(get));
      if (!answer.Item) return undefined;
      const lastGoodMs = answer.Item.last_good && numberOf(answer.Item, 'last_good');
      return { goodSinceMs: numberOf(answer.Item, 'good_since'), lastGoodMs };
    },

    async good(held, nowMs, holdDownMs, badMs) {
      let seen = held;
      for (let attempt = 1; ; attempt++) {
        const next = afterGood(seen, nowMs, holdDownMs, badMs);
        if (!isNews(seen, next) || attempt > ATTEMPTS) return next;
        const update = new UpdateItemCommand({
          ...item,
          UpdateExpression: 'SET good_since = :since, last_good = :last',
          // Replaces only the record that was read: another instance may have noted a bad state since then.
          ConditionExpression: seen
            ? `good_since = :seen AND ${seen.lastGoodMs === undefined ? 'attribute_not_exists(last_good)' : 'last_good = :seenLast'}`
            : 'attribute_not_exists(pk)',
          ExpressionAttributeValues: {
            ':since': { N: String(next.goodSinceMs) },
            ':last': { N: String(next.lastGoodMs) },
            ...(seen && { ':seen': { N: String(seen.goodSinceMs) } }),
            ...(seen?.lastGoodMs !== undefined && { ':seenLast': { N: String(seen.lastGoodMs) } }),
          },
        });
        const result = await call('limits', () => dynamodb.send(update), [CONDITION_FAILED]);
        if ('answer' in result) return next;
        seen = await record.read();
      }
    },

    async bad(held, nowMs) {
      if (held && held.goodSinceMs >= nowMs) return;
      const update = new UpdateItemCommand({
        ...item,
        UpdateExpression: 'SET good_since = :after',
        ConditionExpression: 'attribute_not_exists(pk) OR good_since < :now',
        ExpressionAttributeValues: {
          ':after': { N: String(goodAfterBadMs(nowMs)) },
          ':now': { N: String(nowMs) },
        },
      });
      await call('limits', () => dynamodb.send(update), [CONDITION_FAILED]);
    },
  };
  return record;
}
