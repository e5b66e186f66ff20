/**
 * The file of what was not registered: JSON Lines of `{"line","user","error"}`, or `"text"` where a line holds no user.
 * `register` takes such a file as input. It is made when the first failure is written; a run that goes on where another
 * ended adds to that one's.
 */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { CliError, EXIT } from '../io.ts';
import { printable } from '../printable.ts';
import { openPrivate } from './private-file.ts';
import type { FailureLine } from './record.ts';

export class FailuresFile {
  readonly path: string;
  /** So much of it belongs to what is done; what stands behind that is of a run that was killed. */
  #bytes = 0;
  /** So much of it outlives a power cut. */
  #flushedBytes = 0;
  #file: number | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * @param bytes of it that an earlier run has written
   * @throws CliError
   */
  goOn(bytes: number): void {
    if (bytes > 0) this.#file = this.#reopen(bytes);
    this.#flushedBytes = this.#bytes;
  }

  /** @throws CliError */
  add(failure: FailureLine): void {
    // It is looked at on terminals.
    const line = Buffer.from(`${printable(JSON.stringify(failure))}\n`);
    try {
      this.#file ??= this.#begin();
      // What is written in part is not counted, and overwritten by what comes next.
      for (let done = 0; done < line.length; )
        done += writeSync(this.#file, line, done, line.length - done, this.#bytes + done);
      this.#bytes += line.length;
    } catch (error) {
      throw this.#unwritten(error);
    }
  }

  /** @returns the bytes that are safe now @throws CliError */
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

  /** @returns undefined where it was taken away meanwhile: then another one begins */
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
    return new CliError(EXIT.failed, `cannot write ${this.path}: ${code}; the run is stopped`);
  }
}
