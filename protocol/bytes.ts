/** Byte forms that ids, keys and MACs share (docs/protocol.md, "API key" and "Registering"). */

/**
 * LP(x) of each part, joined: 2-byte big-endian length, then the UTF-8 bytes. Thanks to the lengths, two
 * different lists of parts never have the same bytes.
 *
 * @throws RangeError where a part is longer than 65,535 bytes
 */
export function lengthPrefixed(...parts: readonly string[]): Buffer {
  const chunks: Buffer[] = [];
  for (const part of parts) {
    const bytes = Buffer.from(part, 'utf8');
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    chunks.push(length, bytes);
  }
  return Buffer.concat(chunks);
}

/**
 * Decodes canonical, unpadded base64url (RFC 4648 §5).
 *
 * @returns the bytes, or undefined where their encoding differs from the input: padding, white space, other
 * characters and spare bits would each be a second spelling of the same bytes
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** @returns an unsigned number in base62, most significant digit first, left-padded with `0` to `width` */
export function base62(value: bigint, width: number): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= 62n) text = BASE62[Number(rest % 62n)] + text;
  return text.padStart(width, '0');
}
