/**
 * Splits a file into records in one pass over its bytes, in bounded memory. A JSON Lines record is one line.
 * A CSV record (RFC 4180) may span several lines, inside quotes.
 */
import type { Readable } from 'node:stream';
import { usage } from '../io.ts';

export interface RawRecord {
  /** Number of its first line, from 1. */
  readonly line: number;
  readonly lastLine: number;
  /** Bytes of the file up to the end of this record. */
  readonly endByte: number;
  /**
   * Without the line end and the file's byte-order mark. Of a record that is too long, only the first bytes.
   */
  readonly bytes: Buffer;
  readonly isTooLong: boolean;
  /** The file ends within its quotes. */
  readonly isOpen: boolean;
}

/** Far more than a request can hold. */
export const MAX_RECORD_BYTES = 1024 * 1024;
const KEPT_BYTES = 1000;

const [LF, CR, QUOTE, COMMA] = [10, 13, 34, 44];
const BOM = Buffer.from('\uFEFF');

/** Finds the ends of records by their bytes: in UTF-8, an ASCII byte always means that ASCII character. */
interface Ends {
  /** @returns the index after the record's line end, or 0 where the chunk ends first */
  find(chunk: Buffer, from: number): number;
  /** Number of line ends so far. */
  readonly lines: number;
  readonly isOpen: boolean;
}

/** @throws CliError where the file is not text in UTF-8 */
export async function* splitRecords(
  input: Readable,
  format: 'csv' | 'jsonl',
): AsyncGenerator<RawRecord, void, void> {
  const ends = format === 'csv' ? csvEnds() : lineEnds();
  let parts: Buffer[] = [];
  let size = 0;
  let endByte = 0;
  let line = 1;
  let lastByte: number | undefined;
  const take = (part: Buffer) => {
    lastByte = part.at(-1);
    if (size <= MAX_RECORD_BYTES) parts.push(part);
    size += part.length;
    endByte += part.length;
    if (size > MAX_RECORD_BYTES && parts.length > 1)
      parts = [Buffer.from(Buffer.concat(parts).subarray(0, KEPT_BYTES))];
  };
  const record = (lastLine: number): RawRecord => {
    const isTooLong = size > MAX_RECORD_BYTES;
    const whole = Buffer.concat(parts);
    const isFirst = endByte === size;
    if (isFirst) requireText(whole);
    const start = isFirst && whole.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0;
    const bytes = isTooLong ? whole.subarray(start, KEPT_BYTES) : withoutEnd(whole.subarray(start));
    const found = { line, lastLine, endByte, bytes, isTooLong, isOpen: ends.isOpen };
    parts = [];
    size = 0;
    line = lastLine + 1;
    return found;
  };
  for await (const data of input as AsyncIterable<Buffer | string>) {
    const chunk = typeof data === 'string' ? Buffer.from(data) : data;
    let from = 0;
    for (let to = ends.find(chunk, 0); to > 0; to = ends.find(chunk, from)) {
      take(chunk.subarray(from, to));
      from = to;
      yield record(ends.lines);
    }
    if (from < chunk.length) take(chunk.subarray(from));
  }
  // The last line may lack a line end.
  if (size > 0) yield record(lastByte === LF ? ends.lines : ends.lines + 1);
}

function withoutEnd(bytes: Buffer): Buffer {
  let end = bytes.length;
  if (bytes[end - 1] === LF) end -= 1;
  if (bytes[end - 1] === CR) end -= 1;
  return bytes.subarray(0, end);
}

function lineEnds(): Ends {
  let lines = 0;
  return {
    isOpen: false,
    find(chunk, from) {
      const at = chunk.indexOf(LF, from);
      if (at >= 0) lines += 1;
      return at + 1;
    },
    get lines() {
      return lines;
    },
  };
}

/**
 * `within`: inside quotes. `behind`: after a quote inside quotes, which closes them unless a second quote
 * follows. `plain`: in a cell that does not begin with a quote; a quote there is an error and opens nothing.
 */
type State = 'start' | 'plain' | 'within' | 'behind';

function csvEnds(): Ends {
  let state: State = 'start';
  let lines = 0;
  let ofBom = 0;
  return {
    find(chunk, from) {
      for (let at = from; at < chunk.length; at++) {
        const byte = chunk[at];
        if (ofBom < BOM.length) {
          if (byte === BOM[ofBom++]) continue;
          ofBom = BOM.length;
        }
        if (byte === LF) lines += 1;
        if (state === 'within') {
          if (byte === QUOTE) state = 'behind';
        } else if (byte === LF) {
          state = 'start';
          return at + 1;
        } else if (byte === COMMA) state = 'start';
        else if (byte === QUOTE && state !== 'plain') state = 'within';
        else state = 'plain';
      }
      return 0;
    },
    get lines() {
      return lines;
    },
    get isOpen() {
      return state === 'within';
    },
  };
}

/** @throws CliError that names the format of the file, where it is not text in UTF-8 */
function requireText(start: Buffer): void {
  const is = (...bytes: readonly number[]) => bytes.every((byte, i) => start[i] === byte);
  if (is(0x1f, 0x8b))
    throw usage('the file is compressed: gunzip -c FILE | countersign register - --format csv (or jsonl)');
  if (is(0x50, 0x4b, 0x03, 0x04))
    throw usage('the file is a ZIP archive or a spreadsheet: save it as CSV in UTF-8');
  if (is(0xff, 0xfe) || is(0xfe, 0xff)) throw usage('the file is in UTF-16: save it in UTF-8');
}
