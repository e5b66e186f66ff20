/** Reads the parts of an API key (docs/protocol.md, "API key"). Runs in a browser too. */
import { InvalidArgumentError } from './errors.ts';

export interface ApiKeyParts {
  readonly clientId: string;
  /** Decimal text: the `kid` of a strict proof. */
  readonly generation: string;
  readonly profile: 'strict' | 'basic';
}

const API_KEY = /^(cs[kb])_([a-z][a-z0-9-]{2,31})_([1-9][0-9]{0,8})_[0-9A-Za-z]{43}_([0-9A-Za-z]{6})$/;

/**
 * @returns the parts of an API key; its secret is not checked
 * @throws InvalidArgumentError where the form or the checksum is wrong: the key is cut off or mistyped
 */
export function parseApiKey(text: string): ApiKeyParts {
  const match = API_KEY.exec(text);
  if (!match || checksum(text.slice(0, -7)) !== match[4])
    throw new InvalidArgumentError('apiKey is not an API key of Countersign, or was copied incompletely');
  const [, prefix, clientId, generation] = match as unknown as string[];
  return { clientId: clientId!, generation: generation!, profile: prefix === 'csk' ? 'strict' : 'basic' };
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** @returns the CRC-32 of zlib, as 6 digits of base62 */
function checksum(text: string): string {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  let digits = '';
  for (let rest = (crc ^ 0xffffffff) >>> 0; digits.length < 6; rest = Math.floor(rest / 62))
    digits = BASE62[rest % 62] + digits;
  return digits;
}
