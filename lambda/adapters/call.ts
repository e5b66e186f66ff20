/** Calls of stores, for all adapters. */

/**
 * A store or a keyset cannot be reached: the answer is 503, since nothing is registered without replay
 * protection.
 */
export class Unavailable extends Error {
  /** For the caller, if there is more to say than the code does. */
  readonly detail?: string;

  /** @param part what could not be reached; the cause stays out of the message, which is logged */
  constructor(part: string, cause?: unknown, detail?: string) {
    super(`${part} unavailable`, { cause });
    this.name = 'Unavailable';
    if (detail !== undefined) this.detail = detail;
  }
}

/**
 * Runs one call. An exception whose name is in `expected` is returned; every other one counts as an outage.
 *
 * @returns the answer, or the name of the expected exception
 * @throws Unavailable
 */
export function call<T>(part: string, send: () => Promise<T>): Promise<{ answer: T }>;
export function call<T>(
  part: string,
  send: () => Promise<T>,
  expected: readonly string[],
): Promise<{ answer: T } | { exception: string }>;
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
