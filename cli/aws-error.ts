/** AWS's errors in one line that says what to mend. */
import { CliError, EXIT } from './io.ts';

export const NOT_AWS = 'what answers is not AWS; is there a proxy between?';

const HINTS: Readonly<Record<string, string>> = {
  ResourceNotFoundException: 'there is none; is the stage deployed there, and is this its account?',
  CredentialsProviderError: 'no AWS credentials were found; log in or set AWS_PROFILE',
  ExpiredTokenException: 'the AWS credentials have expired; log in again',
  ECONNREFUSED: 'nothing answers; does the platform still run?',
  TimeoutError: 'nothing answers; can it be reached from here?',
  ENOTFOUND: 'its host name cannot be resolved',
  SyntaxError: NOT_AWS,
};

/** Of requests that were never sent. */
const NEVER_SENT = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CredentialsProviderError',
];

/**
 * @param what was asked for
 * @param doubt is added where the request may have arrived, and what it asked for been done
 */
export function awsError(error: unknown, what: string, doubt = ''): CliError {
  const { name, code, message } = error as NodeJS.ErrnoException;
  // As the AWS SDK words it.
  const isUnreadable = /XML parse|Deserialization error/.test(message);
  const why = isUnreadable ? NOT_AWS : (HINTS[code ?? ''] ?? HINTS[name] ?? `${message} (${name})`);
  return new CliError(EXIT.unreachable, `${what}: ${why}${mayHaveArrived(error) ? doubt : ''}`);
}

function mayHaveArrived(error: unknown): boolean {
  const { name, code, message, $metadata } = error as NodeJS.ErrnoException & {
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  if (NEVER_SENT.includes(code ?? name) || message.includes('did not establish a connection')) return false;
  const { httpStatusCode: status = 500 } = $metadata ?? {};
  // Lambda refused to call the function.
  return status < 400 || status >= 500;
}
