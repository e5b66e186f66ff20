/** Users from CSV (RFC 4180): the first line names the members, `attributes.team` the member `team` of `attributes`. */
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
    const named = `where the first line names ${columns.length}`;
    return unreadable(raw, text, `has ${cells.length} columns ${named}`);
  }
  return { line: raw.line, endByte: raw.endByte, user: toUser(columns, cells) };
}

/** Quotes enclose whole cells, and are doubled within them; there is no line end but in quotes. */
const CELL = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|$)/y;

/** @returns undefined where the text is no record by RFC 4180 §2 */
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

/** More than the platform takes. */
const MAX_DEPTH = 40;

function readHeader(text: string, message: string | undefined): readonly Path[] {
  if (message !== undefined) throw usage(`the first line of the CSV file ${message}`);
  const columns = cellsOf(text)?.map((name) => name.trim());
  if (!columns)
    throw usage(
      'the first line of the CSV file is not CSV: its quotes do not match, or a carriage return stands alone in it',
    );
  if (!columns.includes('user_id'))
    throw usage(
      text.includes('\0')
        ? 'the CSV file holds zero bytes: is it in UTF-16? save it in UTF-8'
        : 'the first line of the CSV file names no column user_id; are its columns separated by commas?',
    );
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
      throw usage(`the CSV file names both ${parent} and ${name}, which is a part of it`);
  }
  return [...paths.values()];
}

/** All values are texts. An empty cell is a member that is not there. */
function toUser(columns: readonly Path[], cells: readonly string[]): object {
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
