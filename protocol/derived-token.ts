/**
 * The text form of secrets that the platform derives from a client root and never stores: API keys, invites
 * and registration access tokens (docs/protocol.md, "API key").
 *
 *   prefix _ client_id _ number _ secret (base62, 43) _ checksum (base62, 6)
 */
import { hkdfSync } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { base62 } from './bytes.ts';

export interface DerivedToken<Prefix extends string = string> {
  readonly prefix: Prefix;
  readonly clientId: string;
  /** Decimal, from 1. */
  readonly number: number;
}

export interface DerivationKey {
  /** A key of the `client-root` keyset. */
  readonly root: Uint8Array;
  /** 16 random bytes of the client's record: a client deleted and made again gets other secrets. */
  readonly salt: Uint8Array;
  /** The purpose and the names that the secret is for, length-prefixed. */
  readonly info: Uint8Array;
}

/** Derives the secret (HKDF-SHA-256, RFC 5869). @returns the whole text */
export function deriveToken(
  { prefix, clientId, number }: DerivedToken,
  { root, salt, info }: DerivationKey,
): string {
  const bytes = Buffer.from(hkdfSync('sha256', root, salt, info, 32));
  const secret = base62(BigInt(`0x${bytes.toString('hex')}`), 43);
  const unchecked = `${prefix}_${clientId}_${number}_${secret}`;
  return `${unchecked}_${checksum(unchecked)}`;
}

const FORM = /^([a-z]{3})_([a-z][a-z0-9-]{2,31})_([1-9][0-9]{0,8})_([0-9A-Za-z]{43})_([0-9A-Za-z]{6})$/;

/** @returns the parts of a text, or undefined where its prefix, its form or its checksum is wrong */
export function parseToken<Prefix extends string>(
  text: string,
  prefixes: readonly Prefix[],
): DerivedToken<Prefix> | undefined {
  const [, found, clientId, number, , check] = FORM.exec(text) ?? [];
  const prefix = prefixes.find((each) => each === found);
  if (prefix === undefined || clientId === undefined) return undefined;
  if (checksum(text.slice(0, text.lastIndexOf('_'))) !== check) return undefined;
  return { prefix, clientId, number: Number(number) };
}

const checksum = (unchecked: string): string => base62(BigInt(crc32(unchecked)), 6);
