/** Why a run ends before its file does, and what it says of that. */
import { AbortedError, type CountersignError, InvalidRegistrationError } from '@countersign/sdk';
import { fixOf } from '../fixes.ts';
import { CliError, EXIT, type ExitCode } from '../io.ts';
import type { Access } from './access.ts';
import type { FailureScope } from './failure-scope.ts';
import type { FailureLine } from './record.ts';

export interface Stop {
  readonly message: string;
  readonly exitCode: ExitCode;
  /** The fix to make before the next run. */
  readonly fix?: string;
}

export const stopBy = (error: CountersignError, scope: FailureScope, access: Access): Stop => ({
  message: error.message,
  exitCode: scope === 'everyone' ? EXIT.failed : EXIT.unreachable,
  fix:
    ((scope === 'everyone' || scope === 'elsewhere') && fixOf(error, access)) ||
    `\`countersign doctor${access.flags}\` says why`,
});

/**
 * A full disk or a broken input stops a run, and what was done is still counted. @throws every other error
 */
export function stopOf(error: unknown): Stop {
  if (error instanceof CliError && error.exitCode !== EXIT.usage) return error;
  const { syscall, code } = error as NodeJS.ErrnoException;
  if (syscall === undefined) throw error;
  return { message: `the input cannot be read on: ${code}`, exitCode: EXIT.failed };
}

/** @returns what the file of failures says of it */
export function describe(error: CountersignError): FailureLine['error'] {
  const code = error instanceof AbortedError ? 'interrupted' : error.code;
  const errors = error instanceof InvalidRegistrationError ? error.errors : undefined;
  return { code, message: error.message, ...(errors && { errors }) };
}
