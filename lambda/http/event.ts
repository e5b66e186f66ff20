/** From an API Gateway REST (v1) proxy event to the request that the protocol sees. */
import { randomUUID } from 'node:crypto';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import type { HttpRequest } from '../../protocol/proof/request.ts';

export interface RoutedRequest extends HttpRequest {
  readonly body: Buffer;
  readonly requestId: string;
  /** API Gateway's resource, e.g. `/v1/registrations/{id}`. */
  readonly resource: string;
  /** The resource with `{id}` filled in; undefined where the path is another one. */
  readonly path: string | undefined;
  readonly id: string | undefined;
  /** Whether the body may be another than was sent: bytes that are no UTF-8 become U+FFFD where it comes as text. */
  readonly bodyInDoubt: boolean;
  /** Each value of each query parameter. */
  readonly query: ReadonlyMap<string, readonly string[]>;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const REGISTRATION_ID = /^[A-Za-z0-9_-]{43}$/;

export function readEvent(event: APIGatewayProxyEvent): RoutedRequest {
  const { resource, httpMethod, body, isBase64Encoded } = event;
  const id = event.pathParameters?.id;
  const routed = resource.replace('{id}', id ?? '');
  const hasId = !resource.includes('{id}') || REGISTRATION_ID.test(id ?? '');
  const requestId = event.requestContext?.requestId ?? '';
  return {
    method: httpMethod,
    headers: lowerCaseNames(event.multiValueHeaders),
    body: Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8'),
    // The API asks for bytes (`BINARY_MEDIA_TYPES`), so this takes an API Gateway that does otherwise.
    bodyInDoubt: !isBase64Encoded && (body ?? '').includes('\ufffd'),
    requestId: UUID.test(requestId) ? requestId : randomUUID(),
    resource,
    // One spelling of each path only: a proof names the routed one.
    path: hasId && event.path === routed ? routed : undefined,
    id,
    query: values(event.multiValueQueryStringParameters),
  };
}

/** Names keep the client's case on the way through API Gateway, so one header may come under two. */
function lowerCaseNames(headers: APIGatewayProxyEvent['multiValueHeaders']): Map<string, string[]> {
  const merged = new Map<string, string[]>();
  for (const [name, list] of values(headers)) {
    const key = name.toLowerCase();
    merged.set(key, [...(merged.get(key) ?? []), ...list]);
  }
  return merged;
}

function values(multi: { [name: string]: string[] | undefined } | null | undefined): Map<string, string[]> {
  return new Map(Object.entries(multi ?? {}).map(([name, list]) => [name, list ?? []]));
}
