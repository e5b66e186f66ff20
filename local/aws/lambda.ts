/** Lambda's Invoke (REST JSON), with an answer in the same call. */
import { randomUUID } from 'node:crypto';
import type { AwsService } from './endpoint.ts';
import { AwsError } from './protocol.ts';

// biome-ignore lint/suspicious/noExplicitAny: Lambda hands any JSON to a function
export type LambdaHandler = (event: any, context: LambdaContext) => Promise<unknown>;

export interface LambdaContext {
  readonly awsRequestId: string;
  readonly invokedFunctionArn?: string;
}

/** Lambda's limit for a call that waits for its answer. */
const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;
const ACCOUNT = '000000000000';
const INVOKE = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;

/**
 * Every version and alias runs the same code. The function sees which one was named, as on AWS.
 *
 * @param functions by full name
 */
export function lambdaService(functions: ReadonlyMap<string, LambdaHandler>, region: string): AwsService {
  return async ({ method, path, query, headers, body }) => {
    const asked = INVOKE.exec(path)?.[1];
    if (method !== 'POST' || asked === undefined)
      throw new AwsError('UnknownOperationException', 'Only Invoke is here', 404);
    const type = headers['x-amz-invocation-type'] ?? 'RequestResponse';
    if (type !== 'RequestResponse')
      throw new AwsError('InvalidParameterValueException', `Invocation type ${type} is not served here`);
    if (body.length > MAX_PAYLOAD_BYTES)
      throw new AwsError('RequestTooLargeException', `${body.length} bytes are more than Lambda takes`, 413);
    // A name, or an ARN that ends with it. A version or an alias follows the name, or stands in the query.
    const [name, named] = decodeURIComponent(asked).split(':function:').at(-1)!.split(':') as [
      string,
      string?,
    ];
    const qualifier = named ?? query?.get('Qualifier') ?? undefined;
    const handler = functions.get(name);
    if (!handler) throw new AwsError('ResourceNotFoundException', `Function not found: ${name}`, 404);
    const arn = ['arn:aws:lambda', region, ACCOUNT, 'function', name];

    const event = parse(body);
    try {
      const result = await handler(event, {
        awsRequestId: randomUUID(),
        invokedFunctionArn: [...arn, ...(qualifier === undefined ? [] : [qualifier])].join(':'),
      });
      return answer(result ?? null, {});
    } catch (error) {
      const { name: errorType, message: errorMessage } =
        error instanceof Error ? error : new Error(String(error));
      return answer({ errorType, errorMessage }, { 'X-Amz-Function-Error': 'Unhandled' });
    }
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8') || '{}');
  } catch (cause) {
    const message = `Could not parse request body into json: ${(cause as Error).message}`;
    throw new AwsError('InvalidRequestContentException', message);
  }
}

const answer = (payload: unknown, headers: Record<string, string>) => ({
  status: 200,
  headers: { 'Content-Type': 'application/json', 'X-Amz-Executed-Version': '$LATEST', ...headers },
  body: JSON.stringify(payload),
});
