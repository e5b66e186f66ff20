import { Unavailable } from '../adapters/call.ts';
import { VaultError } from '../vault/keys.ts';

/**
 * A rotation cannot continue. Secrets Manager and the log show the message: it holds ids, times and names of
 * errors, never a value. There is no cause: Lambda would print it with everything in it.
 */
export class RotationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RotationError';
  }
}

/** Another run was faster: look again at what it did. */
export class Overtaken extends RotationError {}

/** @returns the message of an error of our own; another error's message may quote what was sent */
export const ownWords = (error: unknown): string | undefined =>
  error instanceof RotationError || error instanceof VaultError || error instanceof Unavailable
    ? error.message
    : undefined;
