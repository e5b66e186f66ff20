/** What the adapters share of DynamoDB. */
import { Unavailable } from './unavailable.ts';

/**
 * Runs one call. Its own errors pass by name in `expected`; every other one is an outage to the caller.
 *
 * @returns the answer, or the name of the expected exception
 * @throws Unavailable
 */
export async function call<T>(
  part: string,
  send: () => Promise<T>,
  expected: readonly string[] = [],
): Promise<{ answer: T } | { exception: string }> {
  try {
    return { answer: await send() };
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (expected.includes(name)) return { exception: name };
    throw new Unavailable(part, error);
  }
}

export const CONDITION_FAILED = 'ConditionalCheckFailedException';
/** A concurrent write in another Region of a strongly consistent global table; retryable. */
export const WRITE_CONFLICT = 'ReplicatedWriteConflictException';
