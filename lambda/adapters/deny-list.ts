/** Access tokens that were revoked, in a Region's `limits` table until they would have ended. */
import { denyKey } from '../contract/limits.ts';
import { type Dynamodb, GetItemCommand, PutItemCommand } from './aws/commands.ts';
import { call } from './call.ts';

/** All methods throw Unavailable. */
export interface DenyList {
  /** Strongly consistent. @returns whether the token was revoked */
  has(jti: string): Promise<boolean>;
  /** @param expiresAtS end of the token, in epoch seconds */
  add(jti: string, expiresAtS: number): Promise<void>;
}

/** Beyond a token's end, for a Region whose clock is behind. TTL may delete later, never earlier. */
const MARGIN_S = 15 * 60;

export const createDenyList = (dynamodb: Dynamodb, table: string): DenyList => ({
  async has(jti) {
    const Key = { pk: { S: denyKey(jti) } };
    const get = new GetItemCommand({ TableName: table, Key, ConsistentRead: true });
    return (await call('limits', () => dynamodb.send(get))).answer.Item !== undefined;
  },

  async add(jti, expiresAtS) {
    const Item = { pk: { S: denyKey(jti) }, ttl: { N: String(Math.ceil(expiresAtS) + MARGIN_S) } };
    await call('limits', () => dynamodb.send(new PutItemCommand({ TableName: table, Item })));
  },
});
