/** Prints clients, and tables of any kind, for a person. */
import type { ClientSummary } from '../lambda/contract/admin.ts';
import type { Io } from './io.ts';
import { printable } from './printable.ts';

/** Prints names and values, one pair per line. */
export function printFields({ stdout }: Io, fields: Readonly<Record<string, unknown>>): void {
  const width = Math.max(...Object.keys(fields).map((name) => name.length));
  for (const [name, value] of Object.entries(fields)) stdout.write(`${name.padEnd(width)}  ${value}\n`);
}

export function printClient(io: Io, { keys, limit, ...client }: ClientSummary): void {
  printFields(io, { ...client, limit: limit ?? "the platform's" });
  io.stdout.write('\n');
  printTable(
    io,
    ['key', 'alg', 'issued_by', 'usable_at', 'expires_at', 'state'],
    keys.map(({ kid, alg, issued_by, usable_at, expires_at, revoked }) => [
      kid,
      alg,
      issued_by ?? 'operator',
      usable_at,
      expires_at,
      revoked ? 'revoked' : '',
    ]),
  );
}

export function printClients(io: Io, clients: readonly ClientSummary[]): void {
  const rows = clients.map(({ client_id, origin, profile, disabled, limit, created_at, keys }) => [
    client_id,
    origin,
    profile,
    disabled ? 'disabled' : 'enabled',
    limit === null ? 'default' : String(limit),
    created_at,
    keys
      .filter(({ revoked }) => !revoked)
      .map(({ expires_at }) => expires_at)
      .sort()
      .at(-1) ?? (keys.length > 0 ? 'all are revoked' : ''),
  ]);
  printTable(io, ['client', 'origin', 'profile', 'state', 'limit', 'created_at', 'key_expires_at'], rows);
}

/**
 * Folds a line between words, to the width of a terminal. A command stays whole, and so does a URL: a part of
 * a command that is copied could do more than the whole, such as revoke every key.
 *
 * @param indent of each further line
 */
export function fold(text: string, columns: number | undefined, indent: number): string[] {
  const shown = printable(text);
  if (columns === undefined || shown.length <= columns) return [shown];
  const command = shown.search(/`?countersign [a-z]/);
  const words = (command < 0 ? shown : shown.slice(0, command)).split(' ');
  if (command >= 0) words.push(shown.slice(command));
  const lines: string[] = [];
  let line = words.shift()!;
  for (const word of words)
    if (line.trim() === '' || line.length + 1 + word.length <= columns) line += ` ${word}`;
    else {
      lines.push(line.trimEnd());
      line = ' '.repeat(indent) + word;
    }
  return [...lines, line.trimEnd()];
}

/**
 * A terminal that is too narrow for the rows gets a block for each: wrapped, the columns could not be read.
 */
export function printTable(
  { stdout }: Io,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const shown = [head, ...rows].map((row) => row.map(printable));
  const widths = head.map((_, i) => shown.reduce((width, row) => Math.max(width, row[i]!.length), 0));
  const width = widths.reduce((sum, each) => sum + each + 2, -2);
  if (width > (stdout.columns ?? Number.POSITIVE_INFINITY)) {
    const names = Math.max(...head.slice(1).map((name) => name.length));
    for (const [first, ...cells] of shown.slice(1)) {
      stdout.write(`${first}\n`);
      for (const [i, cell] of cells.entries())
        if (cell !== '') stdout.write(`    ${head[i + 1]!.padEnd(names)}  ${cell}\n`);
    }
    return;
  }
  for (const row of shown)
    stdout.write(
      `${row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd()}\n`,
    );
}
