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
    read: async () => parse(await readText(dynamodb, item)),

    async change(change, nowMs) {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const before = await readText(dynamodb, item);
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
}

/** Reads the text of the memory, strongly consistent, for those who only verify. @throws Unavailable */
export const createPublicCopy = (dynamodb: Dynamodb, table: string, purpose: Purpose) => ({
  read: async (): Promise<string> =>
    (await readText(dynamodb, keysItem(table, purpose))) ?? JSON.stringify(NOTHING_PUBLISHED),
});

async function readText(dynamodb: Dynamodb, item: ReturnType<typeof keysItem>): Promise<string | undefined> {
  const get = new GetItemCommand({ ...item, ConsistentRead: true });
  const { answer } = await call('limits', () => dynamodb.send(get));
  return answer.Item?.published?.S;
}

const parse = (text: string | undefined): Published =>
  text === undefined ? NOTHING_PUBLISHED : JSON.parse(text);
