/** Which errors stop a run, and what it says of them. */
import {
  ClientDisabledError,
  ConnectionError,
  CountersignError,
  InvalidProofError,
  InvalidRegistrationError,
  KeyExpiredError,
  NotAllowedError,
  TimeoutError,
  TokenRevokedError,
  UnavailableError,
  UnexpectedAnswerError,
} from '@countersign/sdk';
import { BASE_URL, FIXES } from '../fixes.ts';
import { CliError, EXIT, type ExitCode } from '../io.ts';
import type { FailureLine } from './record.ts';

/** Why a run ended before its file did. */
export interface Stop {
  readonly message: string;
  readonly exitCode: ExitCode;
  /** What to do before it is run again. */
  readonly fix?: string;
}

const HOPELESS = [
  ClientDisabledError,
  InvalidProofError,
  KeyExpiredError,
  NotAllowedError,
  TokenRevokedError,
  UnexpectedAnswerError,
];
const UNREACHABLE = [ConnectionError, TimeoutError, UnavailableError];

/** @returns whether every user would fail with it */
export const isHopeless = (error: Error): boolean => HOPELESS.some((Class) => error instanceof Class);

/** @returns whether the platform was not reached: it may be for the next user */
export const isUnreachable = (error: Error): boolean => UNREACHABLE.some((Class) => error instanceof Class);

export const isCountersignError = (error: Error): error is CountersignError =>
  error instanceof CountersignError;

const DOCTOR = '`countersign doctor` says why';

export const stopUnreachable = ({ message }: Error): Stop => ({
  message,
  exitCode: EXIT.unreachable,
  fix: DOCTOR,
});

export const stopHopeless = (error: Error): Stop => ({
  message: error.message,
  exitCode: EXIT.failed,
  fix: fixOf(error),
});

function fixOf(error: Error): string {
  if (error instanceof UnexpectedAnswerError) return BASE_URL;
  return (isCountersignError(error) && FIXES[error.code]) || DOCTOR;
}

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
export function describe(error: Error): FailureLine['error'] {
  const code = isCountersignError(error)
    ? error.code
    : error.name === 'AbortError'
      ? 'interrupted'
      : 'unexpected';
  const errors = error instanceof InvalidRegistrationError ? error.errors : undefined;
  return { code, message: error.message, ...(errors && { errors }) };
}
