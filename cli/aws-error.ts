/** AWS's errors in one line that says what to fix. */
import { CliError, EXIT } from './io.ts';

const HINTS: Readonly<Record<string, string>> = {
  ResourceNotFoundException: 'there is none; is the stage deployed there, and is this its account?',
  CredentialsProviderError: 'no AWS credentials were found; log in or set AWS_PROFILE',
  ExpiredTokenException: 'the AWS credentials have expired; log in again',
  ECONNREFUSED: 'nothing answers; does the platform still run?',
  TimeoutError: 'nothing answers; can it be reached from here?',
  ENOTFOUND: 'its host name cannot be resolved',
};

/** @param what was asked for */
export function awsError(error: unknown, what: string): CliError {
  const { name, code, message } = error as NodeJS.ErrnoException;
  return new CliError(
    EXIT.unreachable,
    `${what}: ${HINTS[code ?? ''] ?? HINTS[name] ?? `${message} (${name})`}`,
  );
}
