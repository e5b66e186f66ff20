/**
 * Reads users from CSV (RFC 4180). The first line names the members of a user; `attributes.team` is the
 * member `team` of `attributes`.
 */
import type { Readable } from 'node:stream';
import { usage } from '../io.ts';
import { decode, type InputRecord, unreadable } from './record.ts';
import { type RawRecord, splitRecords } from './split.ts';

type Path = readonly string[];

/** @throws CliError where the first line does not name the columns */
export async function* readCsv(input: Readable): AsyncGenerator<InputRecord, void, void> {
  let columns: readonly Path[] | undefined;
  for await (const raw of splitRecords(input, 'csv')) {
    const { text, message } = decode(raw);
    if (text === '' && message === undefined) continue;
    if (columns) yield readRow(columns, raw, text, message);
    else columns = readHeader(text, message);
  }
  if (!columns) throw usage('the CSV file is empty: its first line must name the columns');
}

function readRow(
  columns: readonly Path[],
  raw: RawRecord,
  text: string,
  message: string | undefined,
): InputRecord {
  if (message !== undefined) return unreadable(raw, text, message);
  const cells = cellsOf(text);
  if (!cells) return unreadable(raw, text, 'is not CSV: its quotes do not match');
  if (cells.length !== columns.length) {
    return unreadable(raw, text, `has ${cells.length} columns, but the first line names ${columns.length}`);
  }
  return { line: raw.line, endByte: raw.endByte, user: toUser(columns, cells) };
}

/** A quote encloses a whole cell, and is doubled inside it. A line end stands only inside quotes. */
const CELL = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|$)/y;

/** @returns undefined where the text is not a record by RFC 4180, section 2 */
function cellsOf(text: string): string[] | undefined {
  const cells: string[] = [];
  CELL.lastIndex = 0;
  for (;;) {
    const found = CELL.exec(text);
    if (!found) return undefined;
    const [, quoted, plain, comma] = found;
    cells.push(quoted?.replaceAll('""', '"') ?? plain!);
    if (comma === '') return cells;
  }
}

/** Deeper than the platform accepts. */
const MAX_DEPTH = 40;

function readHeader(text: string, message: string | undefined): readonly Path[] {
  if (text.includes('\0')) throw usage('the CSV file holds zero bytes, as UTF-16 does: save it in UTF-8');
  if (message !== undefined) throw usage(`the first line of the CSV file ${message}`);
  const columns = cellsOf(text)?.map((name) => name.trim());
  if (!columns)
    throw usage(
      'the first line of the CSV file is not CSV: its quotes do not match, or it holds a carriage return without a line feed',
    );
  if (!columns.includes('user_id'))
    throw usage(`the first line of the CSV file has no column user_id; ${hintFor(columns)}`);
  const paths = new Map<string, Path>();
  for (const [i, name] of columns.entries()) {
    const path = name.split('.');
    if (path.includes('')) throw usage(`column ${i + 1} of the CSV file has no name`);
    if (path.length > MAX_DEPTH)
      throw usage(`column ${i + 1} of the CSV file has more than ${MAX_DEPTH} parts`);
    if (paths.has(name)) throw usage(`the CSV file names the column ${name} twice`);
    paths.set(name, path);
  }
  for (const [name, path] of paths) {
    const parent = path.map((_, i) => path.slice(0, i).join('.')).find((above) => paths.has(above));
    if (parent !== undefined)
      throw usage(
        `the CSV file has both columns ${parent} and ${name}, but ${name} is a part of ${parent}: keep one of them`,
      );
  }
  return [...paths.values()];
}

/** @returns what the file has in place of the column user_id, and the likely fix */
function hintFor(columns: readonly string[]): string {
  const [first = ''] = columns;
  if (/^sep=/i.test(first)) return `it is ${first}, for a spreadsheet: remove that line`;
  if (columns.length === 1 && /[;\t|]/.test(first)) return 'separate the columns with commas';
  const alike = columns.find((name) => name.toLowerCase().replace(/[^a-z]/g, '') === 'userid');
  if (alike !== undefined) return `rename the column ${alike} to user_id`;
  const shown = columns.slice(0, MOST_SHOWN).map((name) => name.slice(0, 40));
  const more = columns.length > MOST_SHOWN ? ', …' : '';
  return `its columns are ${shown.join(', ')}${more}: name the one that identifies a user user_id`;
}

const MOST_SHOWN = 10;

/** Every value is a string. An empty cell leaves the member out. */
function toUser(columns: readonly Path[], cells: readonly string[]): object {
  // No prototype: no column name, such as `__proto__`, has a special meaning.
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
