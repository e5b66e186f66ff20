import { Unavailable } from '../adapters/unavailable.ts';
import { VaultError } from '../vault/keys.ts';

/**
 * A rotation cannot go on. What Secrets Manager and the log get to see of it: the message holds ids, times and names
 * of errors, never a value; there is no cause, which Lambda would print with all that hangs on it.
 */
export class RotationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RotationError';
  }
}

/** @returns the message of an error whose words are ours; another's may quote what was sent */
export const ownWords = (error: unknown): string | undefined =>
  error instanceof RotationError || error instanceof VaultError || error instanceof Unavailable
    ? error.message
    : undefined;
