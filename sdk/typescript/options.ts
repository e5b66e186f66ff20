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

export function requireFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function')
    throw new InvalidArgumentError(`${name} must be a function`);
}
