/** Checks of options, for callers that no compiler checks. */
import { InvalidArgumentError } from './errors.ts';

/**
 * @throws InvalidArgumentError where the options are not an object, or hold one of another name: it may be
 * misspelt
 */
export function requireOptions(options: unknown, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw new InvalidArgumentError('options must be an object');
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`there is no option ${JSON.stringify(unknown)}`);
}

/** A timer with a longer delay fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** @throws InvalidArgumentError where a limit on a call is not a number within its bounds */
export function requireLimits({
  timeoutMs,
  maxRetries,
}: {
  timeoutMs?: unknown;
  maxRetries?: unknown;
}): void {
  if (timeoutMs !== undefined) requireNumber('timeoutMs', timeoutMs, 1, LONGEST_TIMER_MS);
  if (maxRetries !== undefined) requireNumber('maxRetries', maxRetries, 0);
}

export function requireNumber(
  name: string,
  value: unknown,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): void {
  if (typeof value === 'number' && value >= least && value <= most) return;
  const bounds = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new InvalidArgumentError(`${name} must be a number ${bounds}`);
}

export function requireFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function')
    throw new InvalidArgumentError(`${name} must be a function`);
}
