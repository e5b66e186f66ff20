/**
 * The file of what was not registered: JSON Lines of `{"line","user","error"}`, or `"text"` where a line holds no user.
 * `register` takes such a file as input. It is made when the first failure is written; a run that goes on where another
 * ended adds to that one's.
 */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { CliError, EXIT } from '../io.ts';
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
    try {
      // It holds personal data: for its owner's eyes alone.
      this.#file ??= openSync(this.path, 'w', 0o600);
      this.#bytes += writeSync(this.#file, `${JSON.stringify(failure)}\n`, this.#bytes);
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

  /** @returns undefined where it was taken away meanwhile: then another one begins */
  #reopen(bytes: number): number | undefined {
    try {
      const file = openSync(this.path, 'r+');
      if (fstatSync(file).size >= bytes) {
        ftruncateSync(file, bytes);
        this.#bytes = bytes;
        return file;
      }
      closeSync(file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') throw new CliError(EXIT.failed, `cannot open ${this.path}: ${code}`);
    }
    return undefined;
  }

  #unwritten(error: unknown): CliError {
    const { code } = error as NodeJS.ErrnoException;
    return new CliError(EXIT.failed, `cannot write ${this.path}: ${code}; the run is stopped`);
  }
}
