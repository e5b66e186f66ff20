/**
 * One endpoint for DynamoDB and its streams, Secrets Manager, CloudWatch and Lambda's Invoke, each in AWS's
 * own protocol: unmodified AWS SDK clients work with it. The credential scope of a request names its Region.
 */
import { randomUUID } from 'node:crypto';
import { type HttpListener, readBody } from '../server.ts';
import {
  type AwsAnswer,
  AwsError,
  type AwsRequest,
  awsErrorAnswer,
  credentialScope,
  targetOperation,
} from './protocol.ts';

/** One service in one Region. */
export type AwsService = (request: AwsRequest) => Promise<AwsAnswer>;
/** By the name in the credential scope. */
export type AwsRegion = Readonly<Record<'dynamodb' | 'secretsmanager' | 'lambda' | 'monitoring', AwsService>>;

/** DynamoDB's limit, the largest of all. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

/** A call that the endpoint received. */
export interface AwsCall {
  readonly region: string;
  readonly service: string;
  /** Operation that the header `X-Amz-Target` names; empty for Lambda, which has no such header. */
  readonly operation: string;
}

/** @returns the error to answer the call with; undefined lets the call through */
export type AwsFault = (call: AwsCall) => AwsError | undefined | Promise<AwsError | undefined>;

/** @param regions by name */
export function createAwsEndpoint(
  regions: ReadonlyMap<string, AwsRegion>,
  faultOf: AwsFault = () => undefined,
): HttpListener {
  return async (request, response) => {
    const answer = await respond().catch((error: unknown) => awsErrorAnswer(toAwsError(error)));
    const headers = { 'x-amzn-RequestId': randomUUID(), ...answer.headers };
    response.writeHead(answer.status, { ...headers, 'Content-Length': Buffer.byteLength(answer.body) });
    response.end(answer.body);

    async function respond(): Promise<AwsAnswer> {
      const body = await readBody(request, MAX_REQUEST_BYTES);
      if (!body) throw new AwsError('RequestEntityTooLargeException', 'The request is too large', 413);
      const { method = '', url = '', headers } = request;
      const { region, service } = credentialScope(headers.authorization);
      const services = regions.get(region);
      if (!services) {
        const known = [...regions.keys()].join(', ');
        const detail = `Credential should be scoped to a valid region (${known}), not '${region}'.`;
        throw new AwsError('InvalidSignatureException', detail, 403);
      }
      if (!Object.hasOwn(services, service))
        throw new AwsError('UnknownOperationException', `There is no service ${service} here`, 404);
      const [path, query] = url.split('?') as [string, string?];
      const asked = { method, path, query: new URLSearchParams(query), headers, body };
      const fault = await faultOf({ region, service, operation: targetOperation(asked) });
      if (fault) throw fault;
      return services[service as keyof AwsRegion](asked);
    }
  };
}

function toAwsError(error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  return new AwsError('InternalFailure', error instanceof Error ? error.message : String(error), 500);
}
