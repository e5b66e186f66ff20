/** The error of a failed call, in the AWS SDK's form and by AWS's own name for it. */
import type { IncomingHttpHeaders } from 'node:http';

export interface AwsFailure extends Error {
  /** Node's, for a connection that broke or was never made. */
  readonly code?: string;
  readonly $metadata?: Metadata;
  /** The request was signed by a clock that is far off, and the next one will not be. */
  readonly clockSkewCorrected?: boolean;
  /** How long the service asks its caller to wait. */
  readonly retryAfterMs?: number;
}

export interface Metadata {
  readonly httpStatusCode?: number;
  readonly requestId?: string | undefined;
  readonly attempts?: number;
}

/** @param data the answer's body, whose members become the error's, as `Item` of a failed condition */
export function awsException(
  status: number,
  headers: IncomingHttpHeaders,
  data: Readonly<Record<string, unknown>>,
): AwsFailure {
  const { message, Message, ...members } = data;
  const text = message ?? Message ?? 'UnknownError';
  return Object.assign(new Error(String(text)), {
    ...members,
    name: exceptionName(data.__type ?? data.code ?? headers['x-amzn-errortype']),
    $fault: status < 500 ? 'client' : 'server',
  });
}

/** From `com.amazonaws.dynamodb.v20120810#Name`, or `Name:http://…`. */
function exceptionName(identifier: unknown): string {
  const [first = ''] = String(identifier ?? 'Unknown').split(/[,:]/);
  return first.split('#').at(-1)!;
}

/** @returns undefined where the service does not ask its caller to wait */
export function retryAfterMs(headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const milliseconds = Number(headers['x-amz-retry-after'] ?? Number.NaN);
  if (!Number.isNaN(milliseconds)) return milliseconds;
  const text = headers['retry-after'];
  if (text === undefined) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : ms;
}
