/**
 * Items of `registry` and `clients` as a copy sees them: which of two is newer, and a digest that no order of
 * them changes.
 */
import { createHash } from 'node:crypto';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { LONGEST_CLOCK_ERROR_MS } from '../../lambda/contract/defaults.ts';
import { type GlobalTableKind, PROBE_PREFIX, TABLES, tableKinds } from '../../lambda/contract/names.ts';
import { betweenClocksMs } from '../../protocol/registration.ts';

export type Item = Record<string, AttributeValue>;
export type Kind = GlobalTableKind;
export const KINDS = tableKinds('global');

/**
 * Health checks and the write stop write to keys of this form; no client has a name like it. They show that
 * a Region uses the table, and are not copied.
 */
export const isProbe = ({ pk }: Item): boolean => pk?.S?.startsWith(PROBE_PREFIX) === true;

export const keyOf = (kind: Kind, item: Item): Item =>
  Object.fromEntries(TABLES[kind].keys.map((name) => [name, item[name]!]));

/** @param atS epoch seconds @returns whether TTL may have deleted the item by then */
export const isExpired = ({ ttl }: Item, atS: number): boolean => ttl?.N !== undefined && Number(ttl.N) < atS;

/**
 * `ledger` and `limits` have the key of `registry`, so that only an item tells them apart.
 *
 * @returns whether a table of the kind has items of this form
 */
export function isOfKind(kind: Kind, { user_id, created_at, deleted_at }: Item): boolean {
  if (kind !== 'registry') return true;
  return deleted_at?.N !== undefined || (user_id?.S !== undefined && created_at?.N !== undefined);
}

export interface Condition {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeValues?: Item;
}

/** @returns a condition that holds unless the table has a newer item under the key */
export function unlessNewer(kind: Kind, item: Item): Condition {
  const since = (name: string, by: AttributeValue | undefined) =>
    absentOr(`${name} <= :by`, by && { ':by': by });
  if (kind === 'registry') {
    // A registration or a tombstone, whichever was later.
    const { created_at: created, deleted_at: deleted } = item;
    if (created) return absentOr('created_at <= :by OR deleted_at <= :by', { ':by': created });
    // A tombstone may be of a clock that is behind the one of its registration.
    const latest = Number(deleted!.N) + betweenClocksMs(LONGEST_CLOCK_ERROR_MS);
    return absentOr('created_at <= :latest OR deleted_at <= :by', {
      ':by': deleted!,
      ':latest': { N: String(latest) },
    });
  }
  const sort = item.sk?.S ?? '';
  if (sort === 'client') return since('created_at', item.created_at);
  if (sort === 'state') return since('changed_at', item.changed_at);
  if (sort === 'deleted') return since('deleted_at', item.deleted_at);
  if (sort.startsWith('revoked#')) return since('revoked_at', item.revoked_at);
  const { usable_at: usable, expires_at: ends } = item;
  // The end of a key only moves closer.
  return absentOr(
    'usable_at < :usable OR usable_at = :usable AND expires_at >= :ends',
    usable && ends && { ':usable': usable, ':ends': ends },
  );
}

const absentOr = (older: string, values: Item | undefined): Condition =>
  values
    ? { ConditionExpression: `attribute_not_exists(pk) OR ${older}`, ExpressionAttributeValues: values }
    : { ConditionExpression: 'attribute_not_exists(pk)' };

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
