/** Opens the input and reads it as a stream, so that a large file takes no more memory than a small one. */
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Readable } from 'node:stream';
import { type Io, unreadable, usage } from '../io.ts';
import { readCsv } from './csv.ts';
import { readJsonLines } from './json-lines.ts';
import type { InputRecord } from './record.ts';

export type Format = 'csv' | 'jsonl';

export interface Input {
  readonly records: AsyncGenerator<InputRecord, void, void>;
  /** Size in bytes; undefined where it is unknown. */
  readonly size: number | undefined;
  /** Stops reading at once. */
  close(): void;
}

const FORMATS: Readonly<{ [extension: string]: Format }> = {
  '.csv': 'csv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
};

/**
 * @param file a path, or `-` for standard input
 * @throws CliError where the format is unknown, or the file cannot be read
 */
export async function openInput(
  file: string,
  path: string,
  wanted: Format | undefined,
  io: Io,
): Promise<Input> {
  const format = wanted ?? FORMATS[extname(file).toLowerCase()];
  if (!format)
    throw usage(`cannot see the format of ${file} from its name: add --format csv or --format jsonl`);
  const { stream, size } = file === '-' ? { stream: io.stdin, size: undefined } : await openFile(file, path);
  const records = format === 'csv' ? readCsv(stream) : readJsonLines(stream);
  return { records, size, close: () => stream.destroy() };
}

async function openFile(file: string, path: string): Promise<{ stream: Readable; size: number | undefined }> {
  try {
    const handle = await open(path);
    const stat = await handle.stat();
    if (stat.isDirectory()) {
      await handle.close();
      throw usage(`${file} is a directory`);
    }
    return { stream: handle.createReadStream(), size: stat.isFile() ? stat.size : undefined };
  } catch (error) {
    throw unreadable(file, error as NodeJS.ErrnoException);
  }
}
