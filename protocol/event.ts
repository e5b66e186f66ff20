/**
 * Events: what consumers learn about changes of registrations and clients, their ids and the cursor that
 * consumers read on from (docs/protocol.md, "Events").
 */
import { hash } from 'node:crypto';
import { decodeBase64url, lengthPrefixed } from './bytes.ts';
import { LATE_MS } from './heard.ts';

export const EVENT_TYPES = [
  'registration.created',
  'registration.deleted',
  /** Eventual mode: a registration that another Region accepted replaced one with other data. */
  'registration.conflict',
  'client.key_expiring',
  'client.key_rotated',
  'client.disabled',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Ids only: an event holds no personal data. */
export interface EventData {
  readonly client_id: string;
  /** Of the registration. */
  readonly id?: string;
  /** Of the record that the event is about. */
  readonly version: string;
  /** Version of the registration that was replaced, in a conflict. */
  readonly lost_version?: string;
  /** Of the key. */
  readonly kid?: string;
  /** When the key expires, RFC 3339. */
  readonly expires_at?: string;
}

export interface PlatformEvent {
  readonly id: string;
  readonly type: EventType;
  /** When the change was made: RFC 3339 UTC with milliseconds. */
  readonly timestamp: string;
  readonly data: EventData;
}

/** @returns a version for one put of a record, which no other put has */
export const changeVersion = (region: string, nowMs: number, random: string): string =>
  `${region}.${nowMs}.${random}`;

/**
 * @returns the version of a record that was written before records had one. Every Region makes the same one.
 */
export const versionByTime = (atMs: number, form: 'created' | 'deleted'): string =>
  changeVersion('', atMs, form);

/** @returns where and when a version was written @throws Error where the text is no version */
export function readVersion(version: string): { readonly region: string; readonly atMs: number } {
  const [, region, atMs] = /^([a-z0-9-]*)\.(\d+)\.[\w-]+$/.exec(version) ?? [];
  if (region === undefined) throw new Error('an item has a version of another form');
  return { region, atMs: Number(atMs) };
}

/**
 * Hash of a record and its version: every Region, every retry and every replay give the id of a change alike.
 *
 * @param record the parts of the record's key
 */
export function eventId(record: readonly string[], version: string): string {
  return `evt_${hash('sha256', lengthPrefixed('countersign/event/v1', ...record, version), 'base64url')}`;
}

/** A place in one Region's order of events. */
export interface Cursor {
  readonly region: string;
  /** Number of the last event that was read. */
  readonly seq: number;
  /**
   * When that event was written, or earlier where changes of other Regions were late: another Region goes
   * back from there. Epoch milliseconds.
   */
  readonly atMs: number;
}

/** The cursor of a consumer that has read nothing. */
export const BEGINNING = '0';

const VERSION = 1;

/** @returns opaque text of the characters of base64url */
export function cursorText({ region, seq, atMs }: Cursor): string {
  const numbers = Buffer.alloc(15);
  numbers.writeUInt8(VERSION, 0);
  numbers.writeBigUInt64BE(BigInt(seq), 1);
  numbers.writeUIntBE(atMs, 9, 6);
  return Buffer.concat([numbers, Buffer.from(region, 'ascii')]).toString('base64url');
}

/** @returns undefined where the text is no cursor, in the one form that it has */
export function readCursor(text: string): Cursor | undefined {
  const bytes = text.length <= LONGEST_CURSOR ? decodeBase64url(text) : undefined;
  if (!bytes || bytes.length <= 15 || bytes[0] !== VERSION) return undefined;
  const seq = bytes.readBigUInt64BE(1);
  // Not as ASCII, which drops a bit and so gives a cursor two spellings.
  const region = bytes.toString('latin1', 15);
  if (seq > BigInt(Number.MAX_SAFE_INTEGER) || !/^[a-z][a-z0-9-]{0,14}$/.test(region)) return undefined;
  return { region, seq: Number(seq), atMs: bytes.readUIntBE(9, 6) };
}

/** 15 bytes and the name of a Region, at most 15 characters, in base64url. */
const LONGEST_CURSOR = 40;

/**
 * How far a reader goes back in another Region's order: a stream keeps records for a day, and a change may be
 * late by an hour. One that is later makes the cursor's own time earlier.
 */
export const OTHER_REGION_MS = 24 * 3600 * 1000 + LATE_MS;

const EVENT_LIFE_MS = 30 * 24 * 3600 * 1000;

/** @returns when an event is deleted: 30 days after it was written, in epoch seconds */
export const eventTtlS = (writtenMs: number): number => Math.ceil((writtenMs + EVENT_LIFE_MS) / 1000);
