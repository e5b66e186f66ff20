/** Users from CSV (RFC 4180): the first line names the members, `attributes.team` the member `team` of `attributes`. */
import { pipeline, type Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { usage } from '../io.ts';
import { type InputRecord, isBroken, NOT_UTF8 } from './record.ts';

interface CsvRow {
  readonly record: readonly string[];
  readonly raw: string;
  readonly info: { readonly lines: number; readonly bytes: number };
}

/** @throws CliError where the first line does not name the columns */
export async function* readCsv(input: Readable): AsyncGenerator<InputRecord, void, void> {
  // Rows that cannot be parsed come by a callback, ahead of the row after them.
  const skipped: InputRecord[] = [];
  const parser = parse({
    bom: true,
    info: true,
    raw: true,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error, raw = '') => {
      const { lines = 0, bytes = 0 } = (error ?? {}) as { lines?: number; bytes?: number };
      skipped.push({
        line: lines,
        endByte: bytes,
        text: raw.trimEnd(),
        message: 'is not CSV: its quotes do not match',
      });
      return undefined;
    },
  });
  // An input that breaks off breaks the parser, whose reader then hears of it.
  pipeline(input, parser, () => {});
  let columns: readonly (readonly string[])[] | undefined;
  for await (const { record, raw, info } of parser as AsyncIterable<CsvRow>) {
    yield* skipped.splice(0);
    if (!columns) {
      columns = readHeader(record);
      continue;
    }
    const text = raw.replace(/\r?\n$/, '');
    const position = { line: info.lines - text.split('\n').length + 1, endByte: info.bytes };
    if (record.length !== columns.length) {
      const message = `has ${record.length} columns where the first line names ${columns.length}`;
      yield { ...position, text, message };
    } else if (isBroken(text)) yield { ...position, text, message: NOT_UTF8 };
    else yield { ...position, user: toUser(columns, record) };
  }
  yield* skipped;
  if (!columns) throw usage('the CSV file is empty: its first line must name the columns');
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
