/** Finds a strict key anywhere in a request: a key that travelled counts as exposed. */
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { findStrictKey, STRICT_PREFIX } from '../../protocol/api-key.ts';
import type { RoutedRequest, UnroutedRequest } from './event.ts';

type Request = RoutedRequest | UnroutedRequest;

/** @returns the client and generation that the key names, unverified; never the key */
export function exposedKey(event: APIGatewayProxyEvent, request: Request): string | undefined {
  for (const text of texts(event, request))
    for (const spelling of spellings(text)) {
      const key = findStrictKey(spelling);
      if (key) return `${key.clientId}/${key.generation}`;
    }
  return undefined;
}

function* texts(
  { pathParameters, multiValueHeaders }: APIGatewayProxyEvent,
  request: Request,
): Iterable<string> {
  yield* Object.values(pathParameters ?? {}).filter((value) => value !== undefined);
  // As they came: the request has their names in lower case.
  yield* Object.keys(multiValueHeaders ?? {});
  for (const values of request.headers.values()) yield* values;
  for (const [name, values] of request.query) {
    yield name;
    yield* values;
  }
  const { body } = request;
  if (body.length <= LONGEST || body.includes(STRICT_PREFIX)) yield body.toString('latin1');
}

/** The spellings that a careless client uses: percent-encoded once or twice, escaped in JSON, in Basic, or in a JWT. */
function* spellings(text: string): Iterable<string> {
  yield text;
  if (text.length > LONGEST) return;
  yield decoded(decoded(text));
  // As user or password (RFC 7617 §2).
  const basic = /^basic\s+(\S+)/i.exec(text)?.[1];
  if (basic !== undefined) yield Buffer.from(basic, 'base64').toString('latin1');
  // Header and claims (RFC 7515 §7.1).
  const parts = text.slice(text.lastIndexOf(' ') + 1).split('.');
  if (parts.length === 3)
    for (const part of parts.slice(0, 2)) yield Buffer.from(part, 'base64url').toString('latin1');
}

/** Longer texts are only searched as they are: the platform takes no request with such a text. */
const LONGEST = 16_384;

/** Percent-encoding (RFC 3986 §2.1) and JSON's escapes (RFC 8259 §7), of ASCII alone. */
const decoded = (text: string): string =>
  text.replace(/(?:%|\\u00)([0-7][\da-f])/gi, (_, digits) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
