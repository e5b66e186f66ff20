/** Check 12 (registry): registrations, and the tombstones of deleted ones, by conditional writes. */
import {
  type AttributeValue,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import {
  decideRegister,
  type RegisterOutcome,
  type Registration,
  type RegistryRecord,
  tombstoneTtlS,
} from '../../protocol/registration.ts';
import { CONDITION_FAILED, call, WRITE_CONFLICT } from './dynamodb.ts';
import { Unavailable } from './unavailable.ts';

/** `single`: one Region. `strong` tables have no TTL, so a tombstone stays there. */
export type Consistency = 'strong' | 'eventual' | 'single';

export interface Registry {
  /** @throws Unavailable where the registry gives no clear answer */
  register(registration: Registration, nonceIssuedMs: number): Promise<RegisterOutcome>;
  /** @throws Unavailable */
  read(clientId: string, id: string): Promise<RegistryRecord | undefined>;
  /**
   * Leaves a tombstone, whatever stood there.
   *
   * @param w random token of this invocation: a retry after an unclear answer knows its own tombstone
   * @returns whether there was a registration to delete
   * @throws Unavailable
   */
  remove(clientId: string, id: string, nowMs: number, w: string): Promise<boolean>;
  /**
   * Takes away the tombstone of that instant, so that nothing is left.
   *
   * @returns whether it stood there @throws Unavailable
   */
  erase(clientId: string, id: string, deletedAtMs: number): Promise<boolean>;
  /** A conditional write to this Region's own key: red where a strong table has no quorum. @throws Unavailable */
  probe(region: string, nowMs: number): Promise<void>;
}

const ATTEMPTS = 4;

export function createRegistry(
  dynamodb: DynamoDBClient,
  table: string,
  { consistency, clockErrorMs }: { consistency: Consistency; clockErrorMs: number },
): Registry {
  const key = (clientId: string, id: string) => ({ S: `${clientId}#${id}` });

  /** @returns the item it replaced, or undefined where the condition did not hold */
  async function putIf(
    item: Record<string, AttributeValue>,
    condition: string,
    values: Record<string, AttributeValue>,
  ): Promise<{ replaced: Record<string, AttributeValue> | undefined } | undefined> {
    const command = new PutItemCommand({
      TableName: table,
      Item: item,
      ConditionExpression: condition,
      ExpressionAttributeValues: values,
      ReturnValues: 'ALL_OLD',
    });
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const result = await call('registry', () => dynamodb.send(command), [CONDITION_FAILED, WRITE_CONFLICT]);
      if ('answer' in result) return { replaced: result.answer.Attributes };
      if (result.exception === CONDITION_FAILED) return undefined;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 25 * 2 ** attempt));
    }
    throw new Unavailable('registry');
  }

  const registry: Registry = {
    async register(registration, nonceIssuedMs) {
      const item = {
        pk: key(registration.clientId, registration.id),
        user_id: { S: registration.userId },
        created_at: { N: String(registration.createdAtMs) },
        data: { S: JSON.stringify(registration.data) },
      };
      const cleared = { ':cleared': { N: String(nonceIssuedMs - 2 * clockErrorMs) } };
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        if (await putIf(item, 'attribute_not_exists(pk) OR deleted_at < :cleared', cleared))
          return { kind: 'stored' };
        const stored = await registry.read(registration.clientId, registration.id);
        const outcome = decideRegister(stored, registration, nonceIssuedMs, clockErrorMs);
        // 'stored' now: what stood there went away between the two calls, so put again.
        if (outcome.kind !== 'stored') return outcome;
      }
      throw new Unavailable('registry');
    },

    async read(clientId, id) {
      const command = new GetItemCommand({
        TableName: table,
        Key: { pk: key(clientId, id) },
        ConsistentRead: true,
      });
      const result = await call('registry', () => dynamodb.send(command));
      const item = 'answer' in result ? result.answer.Item : undefined;
      return item && toRecord(clientId, id, item);
    },

    async remove(clientId, id, nowMs, w) {
      const tombstone = {
        pk: key(clientId, id),
        deleted_at: { N: String(nowMs) },
        w: { S: w },
        ...(consistency !== 'strong' && { ttl: { N: String(tombstoneTtlS(nowMs)) } }),
      };
      // A tombstone only ever moves forward in time.
      const put = await putIf(tombstone, 'attribute_not_exists(deleted_at) OR deleted_at < :now OR w = :w', {
        ':now': { N: String(nowMs) },
        ':w': { S: w },
      });
      const replaced = put?.replaced;
      if (!replaced) return false;
      // Our own tombstone under our own token: an earlier try landed, and its answer, unheard, was the true one.
      return replaced.deleted_at === undefined || replaced.w?.S === w;
    },

    async erase(clientId, id, deletedAtMs) {
      const command = new DeleteItemCommand({
        TableName: table,
        Key: { pk: key(clientId, id) },
        // Not a newer tombstone, and not what was registered since.
        ConditionExpression: 'deleted_at = :deleted',
        ExpressionAttributeValues: { ':deleted': { N: String(deletedAtMs) } },
      });
      return 'answer' in (await call('registry', () => dynamodb.send(command), [CONDITION_FAILED]));
    },

    async probe(region, nowMs) {
      const item = { pk: { S: `#probe#${region}` }, probed_at: { N: String(nowMs) } };
      await putIf(item, 'attribute_not_exists(pk) OR probed_at <> :never', { ':never': { N: '-1' } });
    },
  };
  return registry;
}

function toRecord(clientId: string, id: string, item: Record<string, AttributeValue>): RegistryRecord {
  if (item.deleted_at?.N !== undefined) return { deletedAtMs: Number(item.deleted_at.N) };
  return {
    id,
    clientId,
    userId: item.user_id!.S!,
    createdAtMs: Number(item.created_at!.N),
    data: JSON.parse(item.data!.S!),
  };
}
