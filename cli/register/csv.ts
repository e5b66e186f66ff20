/** Users from CSV (RFC 4180): the first line names the members, `attributes.team` the member `team` of `attributes`. */
import { pipeline, type Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { usage } from '../io.ts';
import { type InputRecord, isBroken, NOT_UTF8 } from './record.ts';

interface CsvRow {
  readonly record: readonly string[];
  readonly raw: string;
  readonly info: { readonly lines: number; readonly bytes: number; readonly records: number };
}

/** One record by RFC 4180 §2: quotes enclose whole values, and are doubled within them. */
const WELL_FORMED = /^(?:"(?:[^"]|"")*"|[^",\r\n]*)(?:,(?:"(?:[^"]|"")*"|[^",\r\n]*))*$/;
/** Far more than a request takes: where a quote is not closed, reading on would only take memory. */
const MAX_RECORD_BYTES = 256 * 1024;
const SHOWN_CHARACTERS = 1000;

/** @throws CliError where the first line does not name the columns */
export async function* readCsv(input: Readable): AsyncGenerator<InputRecord, void, void> {
  // Records that never end. The parser is ahead of us: each is told of by how many records there were before it.
  const endless = new Map<number, string>();
  const parser = parse({
    bom: true,
    info: true,
    raw: true,
    relax_column_count: true,
    // Read on after a misplaced quote; the record is held against the form below.
    relax_quotes: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_BYTES,
    skip_records_with_error: true,
    on_skip: (error, raw = '') => {
      const { records } = error as unknown as { records: number };
      if (!endless.has(records)) endless.set(records, raw.slice(0, SHOWN_CHARACTERS));
      return undefined;
    },
  });
  // An input that breaks off breaks the parser, whose reader then hears of it.
  pipeline(input, parser, () => {});
  let columns: readonly (readonly string[])[] | undefined;
  let end = { line: 0, endByte: 0, records: 0 };
  const message = 'has a quote that is not closed; nothing up to the next record, if any, was read';
  const unread = () => {
    const text = endless.get(end.records);
    return text === undefined
      ? []
      : [{ line: end.line + 1, endByte: end.endByte, text: trim(text), message }];
  };
  for await (const { record, raw, info } of parser as AsyncIterable<CsvRow>) {
    yield* unread();
    end = { line: info.lines, endByte: info.bytes, records: info.records };
    if (columns) yield readRow(columns, record, trim(raw), end);
    else columns = readHeader(record);
  }
  yield* unread();
  if (!columns) throw usage('the CSV file is empty: its first line must name the columns');
}

/** Without the line ends around it, which the parser leaves on either side. */
const trim = (raw: string): string => raw.replace(/^[\r\n]+|[\r\n]+$/g, '');

function readRow(
  columns: readonly (readonly string[])[],
  cells: readonly string[],
  text: string,
  end: { readonly line: number; readonly endByte: number },
): InputRecord {
  const position = { line: end.line - text.split('\n').length + 1, endByte: end.endByte };
  const bad = (message: string) => ({ ...position, text, message });
  if (!WELL_FORMED.test(text)) return bad('is not CSV: its quotes do not match');
  if (cells.length !== columns.length)
    return bad(`has ${cells.length} columns where the first line names ${columns.length}`);
  return isBroken(text) ? bad(NOT_UTF8) : { ...position, user: toUser(columns, cells) };
}

function readHeader(names: readonly string[]): (readonly string[])[] {
  const columns = names.map((name) => name.trim());
  if (!columns.includes('user_id'))
    throw usage(
      'the first line of the CSV file names no column user_id; are its columns separated by commas?',
    );
  for (const [i, name] of columns.entries()) {
    if (name.split('.').some((part) => part === ''))
      throw usage(`column ${i + 1} of the CSV file has no name`);
    if (columns.indexOf(name) !== i) throw usage(`the CSV file names the column ${name} twice`);
    const parent = columns.find((other) => name.startsWith(`${other}.`));
    if (parent) throw usage(`the CSV file names both ${parent} and ${name}, which is a part of it`);
  }
  return columns.map((name) => name.split('.'));
}

/** All values are texts. An empty cell is a member that is not there. */
function toUser(columns: readonly (readonly string[])[], cells: readonly string[]): object {
  // Without a prototype, so that no column's name has a meaning.
  const user: Nested = Object.create(null);
  for (const [i, path] of columns.entries()) {
    const cell = cells[i]!;
    if (cell === '') continue;
    let at = user;
    for (const part of path.slice(0, -1)) {
      at[part] ??= Object.create(null) as Nested;
      at = at[part] as Nested;
    }
    at[path.at(-1)!] = cell;
  }
  return user;
}

interface Nested {
  [member: string]: string | Nested;
}
