/** The common parts of AWS's protocols: requests, answers, credential scope and errors. */
import type { IncomingMessage } from 'node:http';

export interface AwsRequest {
  readonly method: string;
  readonly path: string;
  /** The URL's query. */
  readonly query?: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface AwsAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An error with AWS's own name for it, which AWS's SDKs throw. */
export class AwsError extends Error {
  readonly status: number;

  constructor(name: string, message: string, status = 400) {
    super(message);
    this.name = name;
    this.status = status;
  }
}

/**
 * @returns Region and service from the credential scope of Signature Version 4:
 * `Credential=<key id>/<date>/<region>/<service>/aws4_request`. The signature itself is not checked: anyone
 * who can reach the loopback interface counts as the operator.
 */
export function credentialScope(authorization: string | undefined): { region: string; service: string } {
  const scope = /^AWS4-HMAC-SHA256 .*Credential=[^/,\s]+\/\d{8}\/([^/,\s]+)\/([^/,\s]+)\/aws4_request\b/;
  const [, region, service] = scope.exec(authorization ?? '') ?? [];
  if (region === undefined || service === undefined)
    throw new AwsError('MissingAuthenticationTokenException', 'Request is missing Authentication Token', 403);
  return { region, service };
}

/** @returns the operation of `X-Amz-Target: <service>.<operation>` */
export const targetOperation = (request: AwsRequest): string =>
  String(request.headers['x-amz-target'] ?? '').split('.')[1] ?? '';

/** An answer of AWS JSON 1.0 or 1.1. */
export const awsJson = (version: '1.0' | '1.1', status: number, value: unknown): AwsAnswer => ({
  status,
  headers: { 'Content-Type': `application/x-amz-json-${version}` },
  body: JSON.stringify(value),
});

/** Puts the error's name where each protocol expects it: in the body (JSON) and in a header (REST JSON). */
export function awsErrorAnswer(error: AwsError): AwsAnswer {
  const { name, message, status } = error;
  return {
    status,
    headers: { 'Content-Type': 'application/json', 'x-amzn-ErrorType': name },
    body: JSON.stringify({ __type: name, message, Message: message }),
  };
}

/** @throws AwsError SerializationException */
export function parseJsonObject(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8') || '{}');
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Not JSON: refused below.
  }
  throw new AwsError('SerializationException', 'The body is not a JSON object');
}
