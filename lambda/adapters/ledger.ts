/** Check 10 (ledger): the Region's table of used nonces. */
import { ledgerTtlS } from '../../protocol/ledger.ts';
import type { PresentedNonce } from '../../protocol/nonce.ts';
import { type Dynamodb, PutItemCommand } from './aws/commands.ts';
import { call } from './call.ts';
import { CONDITION_FAILED } from './dynamodb.ts';

export interface Consume {
  /** A nonce, or another text that may be used once while it lives. */
  readonly nonce: Pick<PresentedNonce, 'text' | 'issuedMs' | 'lifeMs'>;
  readonly jti: string | undefined;
  /** Random token of this invocation: its retries have the same, no other invocation has. */
  readonly w: string;
}

export interface Ledger {
  /**
   * Consumes a nonce, in one atomic conditional write.
   *
   * @returns whether this invocation consumed it
   * @throws Unavailable where the ledger gives no clear answer
   */
  consume(use: Consume): Promise<boolean>;
  /** Writes a row of no nonce, to see whether a write succeeds. @throws Unavailable */
  probe(nowMs: number): Promise<void>;
}

export function createLedger(dynamodb: Dynamodb, table: string): Ledger {
  return {
    async consume({ nonce, jti, w }) {
      const put = new PutItemCommand({
        TableName: table,
        Item: {
          pk: { S: nonce.text },
          w: { S: w },
          ...(jti !== undefined && { jti: { S: jti } }),
          ttl: { N: String(ledgerTtlS(nonce)) },
        },
        // Never "or expired", never by the jti: only a retry of the same write may pass again.
        ConditionExpression: 'attribute_not_exists(pk) OR w = :w',
        ExpressionAttributeValues: { ':w': { S: w } },
      });
      return 'answer' in (await call('ledger', () => dynamodb.send(put), [CONDITION_FAILED]));
    },

    async probe(nowMs) {
      const Item = { pk: { S: '#probe' }, ttl: { N: String(Math.ceil(nowMs / 1000) + 3600) } };
      await call('ledger', () => dynamodb.send(new PutItemCommand({ TableName: table, Item })));
    },
  };
}
