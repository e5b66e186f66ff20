/** Finds a strict key anywhere in a request: a key that travelled counts as exposed. */
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { findStrictKey, STRICT_PREFIX } from '../../protocol/api-key.ts';
import type { RoutedRequest, UnroutedRequest } from './event.ts';

type Request = RoutedRequest | UnroutedRequest;

/** @returns the client and generation that the key names, unverified; never the key */
export function exposedKey(event: APIGatewayProxyEvent, request: Request): string | undefined {
  for (const text of texts(event, request)) {
    const key = findStrictKey(text);
    if (key) return `${key.clientId}/${key.generation}`;
  }
  return undefined;
}

function* texts({ pathParameters }: APIGatewayProxyEvent, request: Request): Iterable<string> {
  yield* Object.values(pathParameters ?? {}).filter((value) => value !== undefined);
  for (const values of request.headers.values()) yield* values;
  for (const [name, values] of request.query) {
    yield name;
    yield* values;
  }
  // A key as user or password (RFC 7617).
  for (const value of request.headers.get('authorization') ?? []) {
    const credentials = /^basic\s+(\S+)/i.exec(value)?.[1];
    if (credentials !== undefined) yield Buffer.from(credentials, 'base64').toString('latin1');
  }
  if (request.body.includes(STRICT_PREFIX)) yield request.body.toString('latin1');
}
