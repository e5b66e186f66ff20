/**
 * The event that an API Gateway REST API makes of a request for a Lambda proxy integration ("Input format of
 * a Lambda function for proxy integration" in AWS's developer guide), on a domain with an empty base path.
 */
import { createHash } from 'node:crypto';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import type { Match } from './routing.ts';

export interface GatewayRequest {
  readonly method: string;
  /** As the client wrote it, without the query. */
  readonly path: string;
  /** As the client wrote it, without the question mark. */
  readonly query: string;
  /** Names and values in turn, as the client wrote them. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly sourceIp: string;
  /** The port that the client reached. */
  readonly port: number;
  readonly requestId: string;
  /** Epoch milliseconds. */
  readonly receivedAtMs: number;
}

const ACCOUNT_ID = '000000000000';
const API_ID = 'local';
const STAGE = 'live';

export function proxyEvent(request: GatewayRequest, { route, pathParameters }: Match): APIGatewayProxyEvent {
  const { method, path, body } = request;
  const headers = group([...forwardedHeaders(request)]);
  const query = group([...new URLSearchParams(request.query)]);
  const hasQuery = Object.keys(query).length > 0;
  return {
    resource: route.resource,
    path,
    httpMethod: method,
    headers: lastOfEach(headers),
    multiValueHeaders: headers,
    queryStringParameters: hasQuery ? lastOfEach(query) : null,
    multiValueQueryStringParameters: hasQuery ? query : null,
    pathParameters,
    stageVariables: null,
    requestContext: requestContext(request, route.resource, lastOfEach(headers)),
    // Every media type counts as binary: see `BINARY_MEDIA_TYPES`.
    body: body.length > 0 ? body.toString('base64') : null,
    isBase64Encoded: body.length > 0,
  };
}

/** Headers that concern only the connection, or that API Gateway does not pass to a function. */
const NOT_FORWARDED = new Set([
  'connection',
  'content-length',
  'content-md5',
  'expect',
  'keep-alive',
  'max-forwards',
  'proxy-authenticate',
  'server',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'www-authenticate',
]);

/**
 * The client's headers, with its spelling of their names, and the gateway's own, which name the source of the
 * request.
 */
function* forwardedHeaders({
  rawHeaders,
  sourceIp,
  port,
  requestId,
}: GatewayRequest): Iterable<[string, string]> {
  const forwardedFor: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    const value = rawHeaders[i + 1]!;
    const known = name.toLowerCase();
    if (known === 'x-forwarded-for') forwardedFor.push(value);
    else if (known !== 'x-forwarded-port' && known !== 'x-forwarded-proto' && !NOT_FORWARDED.has(known))
      yield [name, value];
  }
  yield ['X-Amzn-Trace-Id', `Root=1-${requestId.slice(0, 8)}-${requestId.replaceAll('-', '').slice(8)}`];
  yield ['X-Forwarded-For', [...forwardedFor, sourceIp].join(', ')];
  yield ['X-Forwarded-Port', String(port)];
  yield ['X-Forwarded-Proto', 'http'];
}

function requestContext(
  { method, path, sourceIp, requestId, receivedAtMs }: GatewayRequest,
  resourcePath: string,
  headers: Record<string, string>,
): APIGatewayProxyEvent['requestContext'] {
  const header = (name: string) =>
    Object.entries(headers).find(([known]) => known.toLowerCase() === name)?.[1] ?? null;
  const domainName = header('host') ?? '';
  return {
    accountId: ACCOUNT_ID,
    apiId: API_ID,
    authorizer: null,
    domainName,
    domainPrefix: domainName.split('.')[0]!,
    extendedRequestId: createHash('sha256').update(requestId).digest('base64').slice(0, 15).concat('='),
    httpMethod: method,
    identity: {
      accessKey: null,
      accountId: null,
      apiKey: null,
      apiKeyId: null,
      caller: null,
      clientCert: null,
      cognitoAuthenticationProvider: null,
      cognitoAuthenticationType: null,
      cognitoIdentityId: null,
      cognitoIdentityPoolId: null,
      principalOrgId: null,
      sourceIp,
      user: null,
      userAgent: header('user-agent'),
      userArn: null,
    },
    path,
    protocol: 'HTTP/1.1',
    requestId,
    requestTime: commonLogTime(receivedAtMs),
    requestTimeEpoch: receivedAtMs,
    resourceId: createHash('sha256').update(resourcePath).digest('hex').slice(0, 6),
    resourcePath,
    stage: STAGE,
  };
}

/** Keys are case-sensitive: one header under two spellings stays two. */
function group(pairs: readonly (readonly [string, string])[]): Record<string, string[]> {
  const grouped = new Map<string, string[]>();
  for (const [name, value] of pairs) grouped.set(name, [...(grouped.get(name) ?? []), value]);
  return Object.fromEntries(grouped);
}

function lastOfEach(multi: Record<string, string[]>): Record<string, string> {
  return Object.fromEntries(Object.entries(multi).map(([name, values]) => [name, values.at(-1)!]));
}

/** As in `20/Feb/2018:22:48:57 +0000`. */
function commonLogTime(epochMs: number): string {
  const [, day, month, year, time] = new Date(epochMs).toUTCString().split(' ');
  return `${day}/${month}/${year}:${time} +0000`;
}
