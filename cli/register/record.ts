/** One record of an input file: a user, or text that holds no user. */
import { isJsonObject } from '../../protocol/json.ts';
import { MAX_RECORD_BYTES, type RawRecord } from './split.ts';

interface Position {
  /** Line number, from 1; the first line of a record that spans several. */
  readonly line: number;
  /** Bytes of the file up to the end of this record. */
  readonly endByte: number;
}

export interface Unreadable extends Position {
  readonly text: string;
  /** The fault, worded to follow "line 7". */
  readonly message: string;
  /** The last line of the record. */
  readonly lastLine: number;
}

export type InputRecord = (Position & { readonly user: object }) | Unreadable;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NOT_UTF8 = 'is not UTF-8; save the file in that encoding';
/**
 * Replaces bytes that are not UTF-8 in a reported text. A text with this character is never registered as a
 * user.
 */
const REPLACEMENT = '\uFFFD';

/** @returns the text; and a message, where the record cannot be read */
export function decode({ bytes, isTooLong, isOpen }: RawRecord): {
  readonly text: string;
  readonly message?: string;
} {
  // The ellipsis marks a text that is cut off.
  const shown = `${bytes}${isTooLong ? '…' : ''}`;
  if (isOpen) return { text: shown, message: 'has a quote that is not closed' };
  if (isTooLong) return { text: shown, message: `is longer than ${MAX_RECORD_BYTES} bytes` };
  try {
    return { text: UTF8.decode(bytes) };
  } catch {
    return { text: shown, message: NOT_UTF8 };
  }
}

/** @param message worded to follow "line 7" */
export function unreadable(
  { line, lastLine, endByte }: RawRecord,
  text: string,
  message: string,
): Unreadable {
  const span = lastLine > line ? `; the record spans the lines up to ${lastLine}` : '';
  return { line, lastLine, endByte, text, message: message + span };
}

/** A line of a failures file. Registering that file tries its user, or its text, again. */
export interface FailureLine {
  readonly line: number;
  readonly user?: object;
  readonly text?: string;
  readonly error: { readonly code: string; readonly message: string; readonly errors?: readonly unknown[] };
}

/** @returns the user or the text of a failure line; undefined where the value is not a failure line */
export function failureIn(
  value: object,
): { readonly user: object } | { readonly text: string; readonly message?: string } | undefined {
  const { line, user, text, error, ...others } = value as Record<string, unknown>;
  const isFailure =
    Number.isSafeInteger(line) &&
    isJsonObject(error) &&
    typeof error.code === 'string' &&
    typeof error.message === 'string' &&
    Object.keys(others).length === 0;
  if (!isFailure) return undefined;
  if (isJsonObject(user) && text === undefined) return { user };
  if (typeof text !== 'string' || user !== undefined) return undefined;
  return text.includes(REPLACEMENT) ? { text, message: NOT_UTF8 } : { text };
}
