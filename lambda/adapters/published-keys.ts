/**
 * Stores a Region's memory of a purpose's published keys (protocol/published.ts) in its `limits` table
 * (keys-item.ts).
 */
import { NOTHING_PUBLISHED, type Published } from '../../protocol/published.ts';
import type { Purpose } from '../contract/purposes.ts';
import { type Dynamodb, GetItemCommand, UpdateItemCommand } from './aws/commands.ts';
import { call, Unavailable } from './call.ts';
import { CONDITION_FAILED } from './dynamodb.ts';
import { keysItem, keysItemTtlS } from './keys-item.ts';

/** All methods throw Unavailable. */
export interface PublishedKeys {
  /** Strongly consistent. */
  read(): Promise<Published>;
  /** Compare and swap: what another writer adds in the meantime is not lost. */
  change(change: (before: Published) => Published, nowMs: number): Promise<void>;
}

/** Few are enough: only a purpose's rotation function writes, for its schedule and for operators. */
const ATTEMPTS = 5;

export function createPublishedKeys(dynamodb: Dynamodb, table: string, purpose: Purpose): PublishedKeys {
  const item = keysItem(table, purpose);
  return {
    read: async () => parse(await readText()),

    async change(change, nowMs) {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const before = await readText();
        const update = new UpdateItemCommand({
          ...item,
          UpdateExpression: 'SET published = :after, #ttl = :ttl',
          ConditionExpression:
            before === undefined ? 'attribute_not_exists(published)' : 'published = :before',
          ExpressionAttributeNames: { '#ttl': 'ttl' },
          ExpressionAttributeValues: {
            ':after': { S: JSON.stringify(change(parse(before))) },
            ':ttl': { N: keysItemTtlS(nowMs) },
            ...(before !== undefined && { ':before': { S: before } }),
          },
        });
        if ('answer' in (await call('limits', () => dynamodb.send(update), [CONDITION_FAILED]))) return;
      }
      throw new Unavailable('limits');
    },
  };

  async function readText(): Promise<string | undefined> {
    const get = new GetItemCommand({ ...item, ConsistentRead: true });
    const result = await call('limits', () => dynamodb.send(get));
    return 'answer' in result ? result.answer.Item?.published?.S : undefined;
  }
}

const parse = (text: string | undefined): Published =>
  text === undefined ? NOTHING_PUBLISHED : JSON.parse(text);
