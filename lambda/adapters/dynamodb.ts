/** Names of DynamoDB's exceptions, and attributes of its items. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';

export const CONDITION_FAILED = 'ConditionalCheckFailedException';
/** A concurrent write in another Region of a strongly consistent global table; retryable. */
export const WRITE_CONFLICT = 'ReplicatedWriteConflictException';

export type Item = Record<string, AttributeValue>;

/** @throws Error where the item has no such text: another program wrote it */
export const textOf = (item: Item, name: string): string => present(item[name]?.S, name);

/** @throws Error where the item has no such number */
export const numberOf = (item: Item, name: string): number => Number(present(item[name]?.N, name));

/** @throws Error where an attribute is missing */
export function present<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`an item has no ${name}`);
  return value;
}
