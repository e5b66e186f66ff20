/** Limits of a command's calls to AWS, and their end by a signal: a Region that is cut off never answers. */
import { awsError } from './aws-error.ts';
import { CliError, EXIT } from './io.ts';

/** On connecting, in milliseconds. The next Region may wait meanwhile. */
const CONNECT_MS = 3_000;
/** On each attempt of a call, in milliseconds. */
export const AWS_ANSWER_MS = 10_000;

/** @param answerMs undefined where the call itself has a limit, as one of a function has */
export const awsLimits = (answerMs?: number) => ({
  requestHandler: {
    connectionTimeout: CONNECT_MS,
    ...(answerMs !== undefined && { requestTimeout: answerMs, throwOnRequestTimeout: true }),
  },
});

/** Options that each call of a client takes. */
export interface AwsCallOptions {
  readonly abortSignal: AbortSignal;
}

/**
 * Calls AWS until it answers or the signal ends the call.
 *
 * @param what the thing that is called, such as `<function> in <Region>`
 * @param send passes its options on to each call
 * @param doubt follows the message if the request may have arrived
 * @throws CliError where AWS refuses or is not reached; after a timeout, the thing counts as not reached
 */
export async function callAws<R>(
  what: string,
  signal: AbortSignal,
  send: (options: AwsCallOptions) => Promise<R>,
  doubt = '',
): Promise<R> {
  try {
    return await send({ abortSignal: signal });
  } catch (error) {
    if (error instanceof CliError) throw error;
    if (!signal.aborted) throw awsError(error, what, doubt);
    throw (signal.reason as Error).name === 'TimeoutError'
      ? new CliError(EXIT.unreachable, `${what}: no answer in time${doubt}`)
      : new CliError(EXIT.interrupted, `interrupted${doubt}`);
  }
}
