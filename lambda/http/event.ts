/** From an API Gateway REST (v1) proxy event to the request that the protocol sees. */
import { randomUUID } from 'node:crypto';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import type { ReceivedBody } from '../../protocol/body.ts';
import type { HttpRequest } from '../../protocol/proof/request.ts';

interface ReceivedRequest extends HttpRequest, ReceivedBody {
  readonly body: Buffer;
  readonly requestId: string;
  /** API Gateway's resource, e.g. `/v1/registrations/{id}`. */
  readonly resource: string;
}

/** A request whose path is that of its resource. */
export interface RoutedRequest extends ReceivedRequest {
  /** The resource with its parameter filled in. */
  readonly path: string;
  /** The value of its parameter, such as `{id}`; empty where the resource has none. */
  readonly id: string;
}

/** A request at another path: no handler may answer it. */
export interface UnroutedRequest extends ReceivedRequest {
  readonly path: undefined;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** The forms of the parameters of resources. */
const PARAMETERS: Readonly<Record<string, RegExp>> = {
  /** Of a registration. */
  id: /^[A-Za-z0-9_-]{43}$/,
  /** A cursor. */
  after: /^[A-Za-z0-9_-]{1,40}$/,
  /** Of a client. */
  client_id: /^[a-z][a-z0-9-]{2,31}$/,
};

export function readEvent(event: APIGatewayProxyEvent): RoutedRequest | UnroutedRequest {
  const { resource, httpMethod, body, isBase64Encoded } = event;
  const name = /\{(\w+)\}/.exec(resource)?.[1];
  const id = name === undefined ? '' : (event.pathParameters?.[name] ?? '');
  const path = resource.replace(`{${name}}`, id);
  const hasId = name === undefined || PARAMETERS[name]?.test(id) === true;
  const requestId = event.requestContext?.requestId ?? '';
  const received = {
    method: httpMethod,
    headers: lowerCaseNames(event.multiValueHeaders),
    body: Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8'),
    // U+FFFD stands for bytes that are not UTF-8, where a body comes as text. The API asks for bytes
    // (`BINARY_MEDIA_TYPES`), so only an API Gateway that does otherwise sends text.
    bodyInDoubt: !isBase64Encoded && (body ?? '').includes('\ufffd'),
    requestId: UUID.test(requestId) ? requestId : randomUUID(),
    resource,
    query: values(event.multiValueQueryStringParameters),
  };
  // One spelling of each path only: a proof names the routed one.
  return hasId && event.path === path ? { ...received, path, id } : { ...received, path: undefined };
}

/** API Gateway keeps the case of names, so one header may come under two names. */
function lowerCaseNames(headers: APIGatewayProxyEvent['multiValueHeaders']): Map<string, string[]> {
  const merged = new Map<string, string[]>();
  for (const name in headers) {
    const list = headers[name] ?? [];
    const key = name.toLowerCase();
    const before = merged.get(key);
    merged.set(key, before ? [...before, ...list] : list);
  }
  return merged;
}

function values(multi: { [name: string]: string[] | undefined } | null | undefined): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const name in multi) all.set(name, multi[name] ?? []);
  return all;
}
