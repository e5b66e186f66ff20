/** Check 12 (registry): registrations, and the tombstones of deleted ones, by conditional writes. */
import { randomBytes } from 'node:crypto';
import { changeVersion } from '../../protocol/event.ts';
import {
  decideRegister,
  latestDeletedMs,
  type RegisterOutcome,
  type Registration,
  type RegistryRecord,
  tombstoneTtlS,
} from '../../protocol/registration.ts';
import { VERSION } from '../contract/items.ts';
import { PROBE_PREFIX } from '../contract/names.ts';
import type { Consistency } from '../contract/serving-environment.ts';
import { DeleteItemCommand, type Dynamodb, GetItemCommand, PutItemCommand } from './aws/commands.ts';
import { call, Unavailable } from './call.ts';
import { type Item, numberOf, type Pause, randomPause, textOf, writeGlobal } from './dynamodb.ts';

/** `single`: one Region. `strong` tables have no TTL, so a tombstone stays there. */
export interface Registry {
  /** @throws Unavailable where the registry gives no clear answer */
  register(registration: Registration, nonceIssuedMs: number): Promise<RegisterOutcome>;
  /** @throws Unavailable */
  read(clientId: string, id: string): Promise<RegistryRecord | undefined>;
  /**
   * Leaves a tombstone, whether or not there was a registration.
   *
   * @param w random token of this invocation: a retry after an unclear answer knows its own tombstone
   * @returns whether there was a registration to delete
   * @throws Unavailable
   */
  remove(clientId: string, id: string, nowMs: number, w: string): Promise<boolean>;
  /**
   * Removes the tombstone of that instant.
   *
   * @returns whether nothing is left of the registration @throws Unavailable
   */
  erase(clientId: string, id: string, deletedAtMs: number): Promise<boolean>;
  /**
   * Writes to this Region's own key, on a condition. @throws Unavailable, also where a strong table has no
   * quorum
   */
  probe(region: string, nowMs: number): Promise<void>;
}

const ATTEMPTS = 4;

export interface RegistryOptions {
  /** Name of this Region, for the versions of what it writes. */
  readonly region: string;
  readonly consistency: Consistency;
  readonly clockErrorMs: number;
  /** Between two attempts of a write. @default a random time */
  readonly pause?: Pause | undefined;
}

export function createRegistry(
  dynamodb: Dynamodb,
  table: string,
  { region, consistency, clockErrorMs, pause = randomPause }: RegistryOptions,
): Registry {
  const key = (clientId: string, id: string) => ({ S: `${clientId}#${id}` });

  /** One for each call: its retries write the same. */
  const version = (nowMs: number) => ({
    [VERSION]: { S: changeVersion(region, nowMs, randomBytes(9).toString('base64url')) },
  });

  /** @returns the item it replaced, or undefined where the condition did not hold */
  async function putIf(
    item: Item,
    condition: string,
    values: Item,
  ): Promise<{ replaced: Item | undefined } | undefined> {
    const command = new PutItemCommand({
      TableName: table,
      Item: item,
      ConditionExpression: condition,
      ExpressionAttributeValues: values,
      ReturnValues: 'ALL_OLD',
    });
    const result = await writeGlobal('registry', () => dynamodb.send(command), pause);
    return 'answer' in result ? { replaced: result.answer.Attributes } : undefined;
  }

  const registry: Registry = {
    async register(registration, nonceIssuedMs) {
      const item = {
        pk: key(registration.clientId, registration.id),
        user_id: { S: registration.userId },
        created_at: { N: String(registration.createdAtMs) },
        data: { S: JSON.stringify(registration.data) },
        ...version(registration.createdAtMs),
      };
      const cleared = { ':cleared': { N: String(nonceIssuedMs - 2 * clockErrorMs) } };
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        if (await putIf(item, 'attribute_not_exists(pk) OR deleted_at < :cleared', cleared))
          return { kind: 'stored' };
        const stored = await registry.read(registration.clientId, registration.id);
        const outcome = decideRegister(stored, registration, nonceIssuedMs, clockErrorMs);
        // 'stored': the record that failed the condition is gone by now, so put again.
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
      const { answer } = await call('registry', () => dynamodb.send(command));
      return answer.Item && toRecord(clientId, id, answer.Item);
    },

    async remove(clientId, id, nowMs, w) {
      const tombstone = {
        pk: key(clientId, id),
        deleted_at: { N: String(nowMs) },
        w: { S: w },
        ...version(nowMs),
        ...(consistency !== 'strong' && { ttl: { N: String(tombstoneTtlS(nowMs)) } }),
      };
      // A tombstone only ever moves forward in time.
      // Nor does it remove a registration that was made after it.
      const mayReplace = 'attribute_not_exists(pk) OR created_at <= :latest OR deleted_at < :now OR w = :w';
      const put = await putIf(tombstone, mayReplace, {
        ':latest': { N: String(latestDeletedMs(nowMs, clockErrorMs)) },
        ':now': { N: String(nowMs) },
        ':w': { S: w },
      });
      const replaced = put?.replaced;
      if (!replaced) return false;
      // A tombstone with our token: an earlier try of ours landed and its answer was lost.
      return replaced.deleted_at === undefined || replaced.w?.S === w;
    },

    async erase(clientId, id, deletedAtMs) {
      const command = new DeleteItemCommand({
        TableName: table,
        Key: { pk: key(clientId, id) },
        // A newer tombstone stays, and so does a newer registration. An earlier try whose answer was lost
        // leaves no item.
        ConditionExpression: 'attribute_not_exists(pk) OR deleted_at = :deleted',
        ExpressionAttributeValues: { ':deleted': { N: String(deletedAtMs) } },
      });
      return 'answer' in (await writeGlobal('registry', () => dynamodb.send(command), pause));
    },

    async probe(region, nowMs) {
      const item = { pk: { S: `${PROBE_PREFIX}${region}` }, probed_at: { N: String(nowMs) } };
      await putIf(item, 'attribute_not_exists(pk) OR probed_at <> :never', { ':never': { N: '-1' } });
    },
  };
  return registry;
}

function toRecord(clientId: string, id: string, item: Item): RegistryRecord {
  if (item.deleted_at) return { deletedAtMs: numberOf(item, 'deleted_at') };
  return {
    id,
    clientId,
    userId: textOf(item, 'user_id'),
    createdAtMs: numberOf(item, 'created_at'),
    data: JSON.parse(textOf(item, 'data')),
  };
}
