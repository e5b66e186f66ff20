/** Finds a strict key anywhere in a request: a key that travelled counts as exposed. */
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { type ApiKeyParts, findStrictKey } from '../../protocol/api-key.ts';
import type { RoutedRequest, UnroutedRequest } from './event.ts';

type Request = RoutedRequest | UnroutedRequest;

/** @returns the client and generation that the key names, unverified; never the key */
export function exposedKey(event: APIGatewayProxyEvent, request: Request): string | undefined {
  for (const text of texts(event, request)) {
    const key = findSpelled(text);
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
  yield request.body.toString('latin1');
}

/**
 * Finds a key in the spellings that a careless client uses: percent-encoded or escaped in JSON, once or more
 * often, and any of these in base64 or base64url, as in Basic (RFC 7617 §2) and in the parts of a JWT (RFC
 * 7515 §7.1, RFC 7516 §7.1).
 */
function findSpelled(text: string, depth = 2): ApiKeyParts | undefined {
  const plain = decoded(decoded(text.slice(0, LONGEST)));
  const found = findStrictKey(text) ?? (plain === text ? undefined : findStrictKey(plain));
  if (found || depth === 0 || plain.length < SHORTEST) return found;
  for (const [run] of plain.replace(LINE_BREAKS, '').matchAll(BASE64)) {
    const inner = findSpelled(Buffer.from(run, 'base64').toString('latin1'), depth - 1);
    if (inner) return inner;
  }
  return undefined;
}

/** Only the beginning of a longer text is decoded: the platform accepts no request with such a text. */
const LONGEST = 65_536;

/** In base64 (RFC 2045 §6.8), and JSON's escape of a slash. */
const LINE_BREAKS = /[\r\n]+[ \t]*|(?:\\[rn])+(?:[ \t]|\\t)*|\\(?=\/)/g;

/** A key in base64 is at least this long. */
const SHORTEST = 80;
// The look behind keeps the search linear: without it each character of a shorter run would be tried, which
// takes a fifth of a registration's time.
const BASE64 = /(?<![\w+/-])[\w+/-]{80,}/g;

/**
 * Percent-encoding (RFC 3986 §2.1) and JSON's escapes (RFC 8259 §7), of ASCII alone. The bounds keep the work
 * proportional to the text: whoever sends it needs no key.
 */
function decoded(text: string): string {
  // Most texts have neither.
  if (!text.includes('%') && !text.includes('\\')) return text;
  return text.replace(/(?:%(?:25){0,8}|\\{1,8}u00)([0-7][\da-f])/gi, (_, digits) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
