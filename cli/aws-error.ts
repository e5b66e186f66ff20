/** An AWS error as one line, with the fix where it is known. */
import { CliError, EXIT } from './io.ts';

const HINTS: Readonly<Record<string, string>> = {
  ResourceNotFoundException:
    'not found; check that the stage is deployed in this Region and that these credentials are of its account',
  CredentialsProviderError: 'no AWS credentials were found; log in or set AWS_PROFILE',
  ExpiredTokenException: 'the AWS credentials have expired; log in again',
  ECONNREFUSED: 'the connection was refused; check that the platform is running',
  TimeoutError: 'no answer; check that this machine can reach it',
  ENOTFOUND: 'its host name cannot be resolved',
};

/** @param what the thing that was called, such as `<function> in <Region>` */
export function awsError(error: unknown, what: string): CliError {
  const { name, code, message } = error as NodeJS.ErrnoException;
  return new CliError(
    EXIT.unreachable,
    `${what}: ${HINTS[code ?? ''] ?? HINTS[name] ?? `${message} (${name})`}`,
  );
}
