/**
 * The file of what was not registered: JSON Lines of `{"line","user","error"}`, or `"text"` where a line holds no user.
 * `register` takes such a file as input. It is made when the first failure is written.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { CliError, EXIT } from '../io.ts';
import type { FailureLine } from './record.ts';

export class FailuresFile {
  readonly path: string;
  #handle: FileHandle | undefined;
  count = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** @throws CliError */
  async add(failure: FailureLine): Promise<void> {
    try {
      // It holds personal data: for its owner's eyes alone.
      this.#handle ??= await open(this.path, 'w', 0o600);
      await this.#handle.write(`${JSON.stringify(failure)}\n`);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new CliError(EXIT.failed, `cannot write ${this.path}: ${code}; the run is stopped`);
    }
    this.count += 1;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}
