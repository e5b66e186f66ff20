/** An AWS error as one line, with the fix where it is known. */
import { CliError, EXIT, type ExitCode } from './io.ts';

export const NOT_AWS = 'the answer is not from AWS; check for a proxy in between';

const HINTS: Readonly<Record<string, string>> = {
  ResourceNotFoundException:
    'not found; check that the stage is deployed in this Region and that these credentials are of its account',
  CredentialsProviderError: 'no AWS credentials were found; log in or set AWS_PROFILE',
  ExpiredTokenException: 'the AWS credentials have expired; log in again',
  ECONNREFUSED: 'the connection was refused; check that the platform is running',
  TimeoutError: 'no answer; check that this machine can reach it',
  ENOTFOUND: 'its host name cannot be resolved',
  SyntaxError: NOT_AWS,
};

/** Errors of requests that were never sent. */
const NEVER_SENT = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CredentialsProviderError',
];

/**
 * @param what the thing that was called, such as `<function> in <Region>`
 * @param doubt follows the message if the request may have arrived, and so may have been carried out
 */
export function awsError(error: unknown, what: string, doubt = ''): CliError {
  const { name, code, message, $metadata } = error as NodeJS.ErrnoException & { readonly $metadata?: object };
  // These are the words of the AWS SDK.
  const isUnreadable = /XML parse|Deserialization error/.test(message);
  const why = isUnreadable ? NOT_AWS : (HINTS[code ?? ''] ?? HINTS[name] ?? `${message} (${name})`);
  if (mayHaveArrived(error)) return new CliError(EXIT.unreachable, `${what}: ${why}${doubt}`);
  const { httpStatusCode: status = 0 } = ($metadata ?? {}) as { readonly httpStatusCode?: number };
  const text = `${what}: ${why}`;
  if (status < 400 || status >= 500) return new NotBegun(EXIT.unreachable, text);
  return new AwsRefusal(EXIT.unreachable, text, name === 'ResourceNotFoundException');
}

/** The call did not begin: the request did not arrive, or AWS refused it. */
export class NotBegun extends CliError {}

/** AWS answered, and refused: the Region is there. */
export class AwsRefusal extends NotBegun {
  /** Whether there is no such thing. */
  readonly isNotFound: boolean;

  constructor(exitCode: ExitCode, message: string, isNotFound: boolean) {
    super(exitCode, message);
    this.isNotFound = isNotFound;
  }
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
