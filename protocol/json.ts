/**
 * JSON with one meaning per text. `JSON.parse` alone keeps the last of two members with one name, turns
 * `1e400` into Infinity and passes lone surrogates: two parties could read two things, or two texts become
 * one stored value (RFC 8259 §4, RFC 7493 §2).
 */

export interface JsonLimits {
  /** Objects and arrays within each other; the outermost is depth 1. */
  readonly maxDepth: number;
  /** Whether a member named `__proto__` is refused. */
  readonly refuseProto: boolean;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NUMBER = /-?\d[\d.eE+-]*/y;
const [QUOTE, BACKSLASH, COMMA, MINUS, ZERO, NINE] = [34, 92, 44, 45, 48, 57];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [123, 125, 91, 93];

/**
 * Parses UTF-8 JSON without a byte-order mark.
 *
 * @returns the value, or undefined where the bytes are not UTF-8 or not JSON, where an object has two members
 * of one name, a string has a lone surrogate, a number overflows a double, or a limit is passed
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits): { readonly value: unknown } | undefined {
  try {
    const text = UTF8.decode(bytes);
    const value: unknown = JSON.parse(text);
    return isUnambiguous(text, limits) ? { value } : undefined;
  } catch {
    return undefined;
  }
}

/** Walks a text that `JSON.parse` took, by its structure. Iterative: depth costs no stack. */
function isUnambiguous(text: string, { maxDepth, refuseProto }: JsonLimits): boolean {
  // For each open object the names seen so far; null for an array.
  const open: (Set<string> | null)[] = [];
  let expectName = false;
  for (let at = 0; at < text.length; at++) {
    const first = text.charCodeAt(at);
    if (first === QUOTE) {
      const end = stringEnd(text, at);
      // Without an escape the text is the string; and UTF-8 holds no lone surrogate.
      const raw = text.slice(at + 1, end);
      const string: string = raw.includes('\\') ? JSON.parse(`"${raw}"`) : raw;
      if (!string.isWellFormed()) return false;
      at = end;
      if (!expectName) continue;
      // Only an object has names.
      const names = open.at(-1)!;
      if (names.has(string) || (refuseProto && string === '__proto__')) return false;
      names.add(string);
      expectName = false;
    } else if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
      if (open.push(first === OPEN_OBJECT ? new Set() : null) > maxDepth) return false;
      expectName = first === OPEN_OBJECT;
    } else if (first === CLOSE_OBJECT || first === CLOSE_ARRAY) {
      open.pop();
      expectName = false;
    } else if (first === COMMA) {
      expectName = open.at(-1) != null;
    } else if (first === MINUS || (first >= ZERO && first <= NINE)) {
      NUMBER.lastIndex = at;
      // `JSON.parse` took the text, so a number begins here.
      const number = NUMBER.exec(text)![0];
      if (!Number.isFinite(Number(number))) return false;
      at += number.length - 1;
    }
  }
  return true;
}

/** @returns the position of the quote that ends the string beginning at `start` */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at += 1;
  }
}

/** @returns whether a JSON value is an object (not null, not an array) */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The canonical form of a JSON value (RFC 8785): members sorted by UTF-16 code units, no white space,
 * numbers and strings as ECMAScript writes them.
 *
 * @param value as `parseJson` gives it: finite numbers, well-formed strings, bounded depth
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`);
  return `{${members.join(',')}}`;
}
