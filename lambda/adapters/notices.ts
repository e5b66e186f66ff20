/**
 * What Regions tell each other by items of the registry, in eventual mode. Replication takes them to every
 * Region, as it takes registrations.
 */
import { eventId, eventTtlS } from '../../protocol/event.ts';
import { LOST, OF, VERSION } from '../contract/items.ts';
import { CONFLICT_PREFIX, HEARTBEAT_PREFIX } from '../contract/names.ts';
import { type Dynamodb, GetItemCommand, PutItemCommand } from './aws/commands.ts';
import { call } from './call.ts';
import { CONDITION_FAILED, numberOf } from './dynamodb.ts';

/** A registration that replaced one of another Region with other data. */
export interface Conflict {
  /** Key of the registration. */
  readonly of: string;
  /** Of the registration that stands. */
  readonly version: string;
  /** Of the one that is lost. */
  readonly lost: string;
}

/** All methods throw Unavailable. */
export interface Notices {
  /** Says it once, whichever Regions saw it and however often. */
  conflict(conflict: Conflict, nowMs: number): Promise<void>;
  /** Says the time in this Region. Others see by it how much of what this Region wrote they have. */
  heartbeat(region: string, nowMs: number): Promise<void>;
  /**
   * @returns the last time that each of the Regions said, as this one has it: the earliest. One that said
   * none has not begun yet; undefined if all of them
   */
  heardMs(regions: readonly string[]): Promise<number | undefined>;
}

export function createNotices(dynamodb: Dynamodb, table: string): Notices {
  return {
    async conflict({ of, version, lost }, nowMs) {
      const put = new PutItemCommand({
        TableName: table,
        Item: {
          pk: { S: CONFLICT_PREFIX + eventId([of, lost], version) },
          [OF]: { S: of },
          [VERSION]: { S: version },
          [LOST]: { S: lost },
          found_at: { N: String(nowMs) },
          ttl: { N: String(eventTtlS(nowMs)) },
        },
        ConditionExpression: 'attribute_not_exists(pk)',
      });
      await call('registry', () => dynamodb.send(put), [CONDITION_FAILED]);
    },

    async heartbeat(region, nowMs) {
      const Item = { pk: { S: HEARTBEAT_PREFIX + region }, at: { N: String(nowMs) } };
      await call('registry', () => dynamodb.send(new PutItemCommand({ TableName: table, Item })));
    },

    async heardMs(regions) {
      const times = await Promise.all(
        regions.map(async (region) => {
          const Key = { pk: { S: HEARTBEAT_PREFIX + region } };
          const get = new GetItemCommand({ TableName: table, Key, ConsistentRead: true });
          const { Item } = (await call('registry', () => dynamodb.send(get))).answer;
          return Item ? [numberOf(Item, 'at')] : [];
        }),
      );
      const said = times.flat();
      return said.length > 0 ? Math.min(...said) : undefined;
    },
  };
}
