/** API keys: derived, never stored (docs/protocol.md, "API key"). */
import { lengthPrefixed } from './bytes.ts';
import { deriveToken, parseToken } from './derived-token.ts';

/**
 * `strict`: a proof binds the whole request. `basic`: a proof that any JWT library makes, which does not bind
 * the body.
 */
export type Profile = 'strict' | 'basic';

export interface ApiKeyParts {
  readonly clientId: string;
  /** Decimal, from 1. */
  readonly generation: number;
  readonly profile: Profile;
}

export interface DeriveApiKey extends ApiKeyParts {
  /** The key of the `client-root` keyset that the generation was made from. */
  readonly root: Uint8Array;
  /** 16 random bytes of the client's record: a client deleted and made again gets other keys. */
  readonly salt: Uint8Array;
}

const PREFIX = { strict: 'csk', basic: 'csb' } as const;
const PREFIXES = Object.values(PREFIX);

/**
 * Derives a key (HKDF-SHA-256, RFC 5869). The whole string, in UTF-8, is the client's HMAC key.
 *
 * @example deriveApiKey({ root, salt, clientId: 'dev', generation: 1, profile: 'strict' }) // csk_dev_1_…_…
 */
export function deriveApiKey({ root, salt, clientId, generation, profile }: DeriveApiKey): string {
  const info = lengthPrefixed('countersign/api-key/v1', clientId, String(generation), profile);
  return deriveToken({ prefix: PREFIX[profile], clientId, number: generation }, { root, salt, info });
}

/** @returns the parts of a key, or undefined where its form or its checksum is wrong */
export function parseApiKey(text: string): ApiKeyParts | undefined {
  const token = parseToken(text, PREFIXES);
  return (
    token && {
      clientId: token.clientId,
      generation: token.number,
      profile: token.prefix === PREFIX.strict ? 'strict' : 'basic',
    }
  );
}

const STRICT_PREFIX = `${PREFIX.strict}_`;
const STRICT_KEYS = new RegExp(
  `${STRICT_PREFIX}[a-z][a-z0-9-]{2,31}_[1-9][0-9]{0,8}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}`,
  'g',
);

/** @returns the parts of the first strict key in a text that has the right form and checksum */
export function findStrictKey(text: string): ApiKeyParts | undefined {
  if (!text.includes(STRICT_PREFIX)) return undefined;
  for (const [found] of text.matchAll(STRICT_KEYS)) {
    const parts = parseApiKey(found);
    if (parts) return parts;
  }
  return undefined;
}

/** Whether a text is meant as a strict key, correctly spelled or not: a strict key must not travel. */
export const looksLikeStrictKey = (text: string): boolean => text.startsWith(STRICT_PREFIX);
