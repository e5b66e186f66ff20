/** Writes of global tables, names of DynamoDB's exceptions, and attributes of its items. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { call, Unavailable } from './call.ts';

/** Enough for an operator's command that calls three Regions at once. */
const WRITE_ATTEMPTS = 8;
const LONGEST_WAIT_MS = 400;

/** Waits for a random time of at most so many milliseconds. A scheduler of tests replaces it. */
export type Pause = (longestMs: number) => Promise<void>;

export const randomPause: Pause = (longestMs) =>
  new Promise((resolve) => setTimeout(resolve, Math.random() * longestMs));

/**
 * Runs one write of a global table. If it conflicts with a write of the same item in another Region, which a
 * strongly consistent table refuses, it is tried again.
 *
 * @returns as `call`
 * @throws Unavailable
 */
export async function writeGlobal<T>(
  part: string,
  send: () => Promise<T>,
  pause: Pause,
): Promise<{ answer: T } | { exception: typeof CONDITION_FAILED }> {
  for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt++) {
    const result = await call(part, send, [CONDITION_FAILED, WRITE_CONFLICT]);
    if ('answer' in result) return result;
    if (result.exception === CONDITION_FAILED) return { exception: CONDITION_FAILED };
    await pause(Math.min(LONGEST_WAIT_MS, 25 * 2 ** attempt));
  }
  throw new Unavailable(part);
}

export const CONDITION_FAILED = 'ConditionalCheckFailedException';
/** A concurrent write in another Region of a strongly consistent global table; retryable. */
const WRITE_CONFLICT = 'ReplicatedWriteConflictException';

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
