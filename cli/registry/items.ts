/**
 * Items of `registry` and `clients` as a copy sees them: which of two is newer, and a digest that no order of
 * them changes.
 */
import { createHash } from 'node:crypto';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Item } from '../../lambda/adapters/dynamodb.ts';
import { LONGEST_CLOCK_ERROR_MS } from '../../lambda/contract/defaults.ts';
import {
  DEAD,
  ENDPOINT,
  KEY,
  KEY_TIMES,
  NEXT,
  REGISTERED_AT,
  REMOVED_AT,
  RETRY,
  REVOKED,
  WRITES,
  WRITTEN_AT,
} from '../../lambda/contract/items.ts';
import {
  CONFLICT_PREFIX,
  COPIED_KEY,
  type GlobalTableKind,
  HEARTBEAT_PREFIX,
  PROBE_PREFIX,
  TABLES,
  tableKinds,
} from '../../lambda/contract/names.ts';
import { betweenClocksMs } from '../../protocol/registration.ts';
import { CliError, EXIT } from '../io.ts';

export type Kind = GlobalTableKind;
export const KINDS = tableKinds('global');

/** @returns whether the item is the table's own, so not copied: a probe, a notice, or the mark of a copy */
export const isOwnItem = ({ pk }: Item): boolean =>
  pk?.S === COPIED_KEY ||
  [PROBE_PREFIX, CONFLICT_PREFIX, HEARTBEAT_PREFIX].some((prefix) => pk?.S?.startsWith(prefix));

export const keyOf = (kind: Kind, item: Item): Item =>
  Object.fromEntries(TABLES[kind].keys.map((name) => [name, item[name]!]));

/** @param atS epoch seconds @returns whether TTL may have deleted the item by then */
export const isExpired = ({ ttl }: Item, atS: number): boolean => ttl?.N !== undefined && Number(ttl.N) < atS;

export interface Condition {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeValues: Item;
}

/**
 * @returns a condition that holds unless the table has a newer item under the key
 * @throws CliError for an item of another form: which of two is newer is not known
 */
export function unlessNewer(kind: Kind, item: Item): Condition {
  const found = kind === 'registry' ? registryCondition(item) : clientsCondition(item);
  if (found) return found;
  const key = Object.values(keyOf(kind, item)).map(({ S }) => S);
  throw new CliError(
    EXIT.failed,
    `${kind} has an item that this command does not know (${key.join(', ')}): copy with the version of countersign that the stage runs, and from a table of ${kind}`,
  );
}

function registryCondition(item: Item): Condition | undefined {
  // A registration or a tombstone, whichever was later.
  const { [REGISTERED_AT]: registered, [REMOVED_AT]: removed } = item;
  if (!removed)
    return registered && absentOr(`${REGISTERED_AT} <= :by OR ${REMOVED_AT} <= :by`, { ':by': registered });
  // A tombstone may be of a clock that is behind the one of its registration.
  const latest = Number(removed.N) + betweenClocksMs(LONGEST_CLOCK_ERROR_MS);
  return absentOr(`${REGISTERED_AT} <= :latest OR ${REMOVED_AT} <= :by`, {
    ':by': removed,
    ':latest': { N: String(latest) },
  });
}

function clientsCondition(item: Item): Condition | undefined {
  const sort = item.sk?.S ?? '';
  if (sort.startsWith(KEY)) {
    const { usable, ends } = KEY_TIMES;
    const [usableAt, endsAt] = [item[usable], item[ends]];
    const older = `${usable} < :usable OR ${usable} = :usable AND ${ends} >= :ends`;
    return usableAt && endsAt && absentOr(older, { ':usable': usableAt, ':ends': endsAt });
  }
  if (sort.startsWith(ENDPOINT)) return newerBy(item, WRITES);
  if (sort.startsWith(RETRY)) return newerBy(item, 'attempts');
  if (item.pk?.S?.startsWith(DEAD)) return newerBy(item, 'dead_at');
  const form = [REVOKED, NEXT].find((prefix) => sort.startsWith(prefix)) ?? sort;
  const name = Object.hasOwn(WRITTEN_AT, form) ? WRITTEN_AT[form as keyof typeof WRITTEN_AT] : undefined;
  return name && newerBy(item, name);
}

/** @param name of an attribute that only grows */
function newerBy(item: Item, name: string): Condition | undefined {
  const by = item[name];
  return by && absentOr(`${name} <= :by`, { ':by': by });
}

const absentOr = (older: string, values: Item): Condition => ({
  ConditionExpression: `attribute_not_exists(pk) OR ${older}`,
  ExpressionAttributeValues: values,
});

/** @returns the item as text, which no order of attributes or of members of a set changes */
export const canonical = (item: Item): string => JSON.stringify(sorted(item));

const sorted = (item: Item): object =>
  Object.fromEntries(
    Object.entries(item)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [name, plain(value)]),
  );

function plain(value: AttributeValue): unknown {
  if (value.B) return { B: base64(value.B) };
  if (value.L) return { L: value.L.map(plain) };
  if (value.M) return { M: sorted(value.M) };
  if (value.SS) return { SS: value.SS.toSorted() };
  if (value.NS) return { NS: value.NS.toSorted() };
  if (value.BS) return { BS: value.BS.map(base64).sort() };
  return value;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

export interface Digest {
  readonly items: number;
  /** Sum of the items' SHA-256, modulo 2^256, in hexadecimal. */
  readonly digest: string;
}

/** Adds up items in any order. A sum, since two equal items would cancel each other in an XOR. */
export class DigestSum {
  #items = 0;
  #sum = 0n;

  add(item: Item): void {
    this.#items += 1;
    const hash = createHash('sha256').update(canonical(item)).digest('hex');
    this.#sum = (this.#sum + BigInt(`0x${hash}`)) % MODULUS;
  }

  get value(): Digest {
    return { items: this.#items, digest: this.#sum.toString(16).padStart(64, '0') };
  }
}

const MODULUS = 1n << 256n;

export const isSame = (a: Digest, b: Digest): boolean => a.items === b.items && a.digest === b.digest;
