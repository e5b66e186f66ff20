/**
 * The nonce: stateless to issue, redeemable once, by one client, in one Region and against one ledger table
 * (docs/protocol.md, "Nonce").
 *
 *   version 1 | kid 4 | length of Region 1 | Region ≤ 15 | issued, ms 6 | life, ms 4 | random 12 | MAC 16
 */
import {
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomFillSync,
  timingSafeEqual,
} from 'node:crypto';
import { decodeBase64url, lengthPrefixed } from './bytes.ts';

const VERSION = 1;
const KID_BYTES = 4;
const RANDOM_BYTES = 12;
const MAC_BYTES = 16;
const MAX_REGION_BYTES = 15;
const FIXED_BYTES = 1 + KID_BYTES + 1 + 6 + 4 + RANDOM_BYTES + MAC_BYTES;
const MAX_CHARACTERS = Math.ceil(((FIXED_BYTES + MAX_REGION_BYTES) * 4) / 3);
const LABEL = lengthPrefixed('countersign/nonce/v1');

/** The longest life that the config allows the nonce of a proof, and a token. */
export const LONGEST_NONCE_LIFE_MS = 3_600_000;
/** A nonce for DPoP lives this much longer than a token: a client that has a token has a nonce for it. */
export const BEYOND_TOKEN_MS = 60_000;
/** The longest life of any nonce: an erased tombstone is needed no more after it. */
export const LONGEST_DPOP_NONCE_LIFE_MS = LONGEST_NONCE_LIFE_MS + BEYOND_TOKEN_MS;

/** The content of a nonce. Its MAC proves it. */
export interface NonceContent {
  /** The keyset's key, 4 bytes in base64url. */
  readonly kid: string;
  readonly region: string;
  readonly issuedMs: number;
  /** Alone decides how old the nonce may become: a changed setting revives no nonce. */
  readonly lifeMs: number;
}

/** A nonce that a request brought. Its text is what the ledger remembers. */
export interface PresentedNonce extends NonceContent {
  readonly text: string;
}

export interface MintNonce extends NonceContent {
  readonly key: KeyObject;
  readonly clientId: string;
  /** 12 bytes; drawn where absent. */
  readonly random?: Uint8Array;
}

export interface CheckNonce {
  readonly key: KeyObject;
  readonly clientId: string;
  readonly region: string;
  readonly nowMs: number;
  /** E: clock error allowed per machine, in milliseconds. */
  readonly clockErrorMs: number;
}

/**
 * Derives the MAC key for one Region and one ledger table (HKDF-SHA-256, RFC 5869, empty salt): a nonce is
 * valid only where it can be marked as used.
 *
 * @returns a key of 32 bytes; as a KeyObject, which HMAC takes six times faster than bytes
 */
export function deriveNonceKey(root: Uint8Array, region: string, ledgerTable: string): KeyObject {
  const info = lengthPrefixed('countersign/nonce-key/v1', region, ledgerTable);
  return createSecretKey(new Uint8Array(hkdfSync('sha256', root, new Uint8Array(0), info, 32)));
}

/**
 * @returns the nonce, at most 79 characters of base64url
 * @throws RangeError where the Region's name is longer than 15 bytes, or another part does not fit
 */
export function mintNonce(nonce: MintNonce): string {
  const regionBytes = Buffer.byteLength(nonce.region);
  if (regionBytes > MAX_REGION_BYTES) throw new RangeError(`Region name over ${MAX_REGION_BYTES} bytes`);

  const start = placeClient(nonce.clientId);
  let at = scratch.writeUInt8(VERSION, start);
  at += scratch.write(nonce.kid, at, 'base64url');
  if (at !== start + 1 + KID_BYTES) throw new RangeError(`kid is not ${KID_BYTES} bytes of base64url`);
  at = scratch.writeUInt8(regionBytes, at);
  at += scratch.write(nonce.region, at);
  at = scratch.writeUIntBE(nonce.issuedMs, at, 6);
  at = scratch.writeUInt32BE(nonce.lifeMs, at);
  if (nonce.random) scratch.set(nonce.random, at);
  else drawRandom(at);
  at += RANDOM_BYTES;
  placeMac(nonce.key, at);
  return scratch.toString('base64url', start, at + MAC_BYTES);
}

/**
 * Reads a nonce's content without trusting it: the caller needs its `kid` to find the key.
 *
 * @returns the content, or undefined where the text is not the one canonical spelling of a version 1 nonce
 */
export const readNonce = (text: unknown): NonceContent | undefined => parseNonce(text)?.content;

/**
 * Checks MAC, Region and time. Only the ledger knows whether it was used before.
 *
 * @returns the content, or undefined where the nonce is not valid here and now for this client
 */
export function checkNonce(text: unknown, check: CheckNonce): NonceContent | undefined {
  const nonce = parseNonce(text);
  return nonce && checkParsed(nonce, check);
}

/** As `checkNonce`, for a nonce that is parsed already. */
export function checkParsed({ bytes, content }: ParsedNonce, check: CheckNonce): NonceContent | undefined {
  const start = placeClient(check.clientId);
  const end = start + bytes.copy(scratch, start, 0, bytes.length - MAC_BYTES);
  placeMac(check.key, end);
  const valid =
    timingSafeEqual(scratch.subarray(end, end + MAC_BYTES), bytes.subarray(-MAC_BYTES)) &&
    content.region === check.region &&
    content.issuedMs <= check.nowMs + check.clockErrorMs &&
    check.nowMs <= content.issuedMs + content.lifeMs;
  return valid ? content : undefined;
}

/**
 * @returns whether no machine's clock can take the nonce for valid any more: two clocks may each be wrong by
 * E
 */
export const isExpiredEverywhere = (
  { issuedMs, lifeMs }: NonceContent,
  clockErrorMs: number,
  nowMs: number,
): boolean => nowMs > issuedMs + lifeMs + 2 * clockErrorMs;

const MAX_CLIENT_BYTES = 255;
const CLIENT_AT = LABEL.length + 2;

// The bytes that the MAC covers (label, client, the nonce up to its MAC), then the MAC. Every call uses this
// buffer again, and no call is asynchronous: fresh buffers would cost more than the hashing.
const scratch = Buffer.alloc(CLIENT_AT + MAX_CLIENT_BYTES + FIXED_BYTES + MAX_REGION_BYTES);
LABEL.copy(scratch);

/** @returns where the nonce begins, behind LP(client_id) @throws RangeError */
function placeClient(clientId: string): number {
  const bytes = Buffer.byteLength(clientId);
  if (bytes > MAX_CLIENT_BYTES) throw new RangeError(`client_id over ${MAX_CLIENT_BYTES} bytes`);
  scratch.writeUInt16BE(bytes, LABEL.length);
  return CLIENT_AT + scratch.write(clientId, CLIENT_AT);
}

/** Writes the MAC of all bytes before `end` at `end`. */
function placeMac(key: KeyObject, end: number): void {
  // As text and back: a Buffer of its own for each digest costs a third more.
  const mac = createHmac('sha256', key).update(scratch.subarray(0, end)).digest('binary');
  scratch.write(mac, end, MAC_BYTES, 'binary');
}

// One draw serves many nonces: a call to the system's generator costs as much as the MAC.
const pool = Buffer.allocUnsafe(RANDOM_BYTES * 256);
let drawn = pool.length;

function drawRandom(at: number): void {
  if (drawn === pool.length) {
    randomFillSync(pool);
    drawn = 0;
  }
  pool.copy(scratch, at, drawn, drawn + RANDOM_BYTES);
  drawn += RANDOM_BYTES;
}

/** A nonce in its form. Nothing in it is trusted. */
export interface ParsedNonce {
  readonly bytes: Buffer;
  readonly content: NonceContent;
}

/** @returns undefined where the text is not the one canonical spelling of a version 1 nonce */
export function parseNonce(text: unknown): ParsedNonce | undefined {
  if (typeof text !== 'string' || text.length > MAX_CHARACTERS) return undefined;
  const bytes = decodeBase64url(text);
  if (!bytes || bytes.length < FIXED_BYTES || bytes[0] !== VERSION) return undefined;
  const regionBytes = bytes.readUInt8(1 + KID_BYTES);
  if (bytes.length !== FIXED_BYTES + regionBytes) return undefined;
  const regionAt = 1 + KID_BYTES + 1;
  const issuedAt = regionAt + regionBytes;
  const content = {
    kid: bytes.toString('base64url', 1, 1 + KID_BYTES),
    region: bytes.toString('utf8', regionAt, issuedAt),
    issuedMs: bytes.readUIntBE(issuedAt, 6),
    lifeMs: bytes.readUInt32BE(issuedAt + 6),
  };
  return { bytes, content };
}
