/**
 * Tokens that let a key in, and let it manage its client: invites and registration access tokens (RFC 7591
 * §3, RFC 7592 §3). Like API keys they are derived, never stored (docs/protocol.md, "API key").
 */
import { timingSafeEqual } from 'node:crypto';
import { lengthPrefixed } from '../bytes.ts';
import { deriveToken, parseToken } from '../derived-token.ts';

/**
 * `invite`: an initial access token, used once. `registration`: reads, changes and deletes the client that an
 * invite made; it comes with a DPoP proof by a key of that client, so alone it does nothing.
 */
export type ClientTokenKind = 'invite' | 'registration';

export interface ClientTokenParts {
  readonly kind: ClientTokenKind;
  readonly clientId: string;
  /** Number of the client's invite, from 1: a new invite ends the tokens of the one before. */
  readonly serial: number;
}

export interface DeriveClientToken extends ClientTokenParts {
  /** A key of the `client-root` keyset. */
  readonly root: Uint8Array;
  /** 16 random bytes of the client's record: a client deleted and made again gets other tokens. */
  readonly salt: Uint8Array;
}

const PREFIX = { invite: 'csi', registration: 'csr' } as const;

/** @example deriveClientToken({ kind: 'invite', root, salt, clientId: 'dev', serial: 1 }) // csi_dev_1_…_… */
export function deriveClientToken({ kind, root, salt, clientId, serial }: DeriveClientToken): string {
  const info = lengthPrefixed(`countersign/${kind}-token/v1`, clientId, String(serial));
  return deriveToken({ prefix: PREFIX[kind], clientId, number: serial }, { root, salt, info });
}

/** @returns the parts of a token, or undefined where its form or its checksum is wrong */
export function parseClientToken(text: string): ClientTokenParts | undefined {
  const token = parseToken(text, Object.values(PREFIX));
  if (!token) return undefined;
  const { prefix, clientId, number } = token;
  return { kind: prefix === PREFIX.invite ? 'invite' : 'registration', clientId, serial: number };
}

/** Whether `text` is the token, in a time that does not depend on where the two differ. */
export function isClientToken(text: string, expected: DeriveClientToken): boolean {
  const [given, right] = [Buffer.from(text), Buffer.from(deriveClientToken(expected))];
  return given.length === right.length && timingSafeEqual(given, right);
}
