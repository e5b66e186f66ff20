/**
 * The failures file: JSON Lines of `{"line","user","error"}`, with `"text"` in place of `"user"` where a line
 * holds no user. `register` accepts it as input. It is created with the first failure. A run that continues
 * an earlier one adds to the earlier one's file.
 */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { CliError, EXIT } from '../io.ts';
import { printable } from '../printable.ts';
import { openPrivate } from './private-file.ts';
import type { FailureLine } from './record.ts';

export class FailuresFile {
  readonly path: string;
  /** Bytes that belong to records that are done. Anything after them was written by a killed run. */
  #bytes = 0;
  /** Bytes that a power cut cannot lose. */
  #flushedBytes = 0;
  #file: number | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Continues the file of an earlier run.
   *
   * @param bytes how many bytes of it are kept
   * @throws CliError where the file cannot be opened
   */
  goOn(bytes: number): void {
    if (bytes > 0) this.#file = this.#reopen(bytes);
    this.#flushedBytes = this.#bytes;
  }

  /** @throws CliError where the file cannot be written */
  add(failure: FailureLine): void {
    // People read this file on a terminal.
    const line = Buffer.from(`${printable(JSON.stringify(failure))}\n`);
    try {
      this.#file ??= this.#begin();
      // A line that is written only in part is not counted; the next one overwrites it.
      for (let done = 0; done < line.length; )
        done += writeSync(this.#file, line, done, line.length - done, this.#bytes + done);
      this.#bytes += line.length;
    } catch (error) {
      throw this.#unwritten(error);
    }
  }

  /** @returns how many bytes a power cut cannot lose now @throws CliError where the file cannot be written */
  flush(): number {
    try {
      if (this.#file !== undefined && this.#flushedBytes < this.#bytes) fdatasyncSync(this.#file);
    } catch (error) {
      throw this.#unwritten(error);
    }
    this.#flushedBytes = this.#bytes;
    return this.#bytes;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }

  #begin(): number {
    const file = openPrivate(this.path, true)!;
    ftruncateSync(file);
    return file;
  }

  /** @returns undefined where the file is gone or shorter: the next failure then creates a new one */
  #reopen(bytes: number): number | undefined {
    const file = openPrivate(this.path, false);
    if (file === undefined) return undefined;
    if (fstatSync(file).size < bytes) return void closeSync(file);
    ftruncateSync(file, bytes);
    this.#bytes = bytes;
    return file;
  }

  #unwritten(error: unknown): CliError {
    if (error instanceof CliError) return error;
    const { code } = error as NodeJS.ErrnoException;
    return new CliError(EXIT.failed, `cannot write ${this.path}: ${code}; the run stopped`);
  }
}
