/** A command's surroundings: streams, environment, Ctrl-C and exit codes. */
import type { Readable } from 'node:stream';
import { onEnding } from './ending.ts';
import { type Out, printableOut } from './printable.ts';

interface Surroundings {
  readonly stdin: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /**
   * Calls `interrupt` on Ctrl-C instead of ending the process. @returns a function that removes the callback
   */
  onInterrupt(interrupt: () => void): () => void;
  /** Pause between two polls of the platform, in milliseconds. @default 1000 */
  readonly pollMs?: number;
  /** How long a revocation waits for one Region before it also calls the next one. @default 10 s */
  readonly patienceMs?: number;
}

/** The surroundings as the process provides them. */
export interface Streams extends Surroundings {
  readonly stdout: NodeJS.WritableStream & { readonly columns?: number };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** The surroundings as a command uses them: everything it writes is made printable (printable.ts). */
export interface Io extends Surroundings {
  /** Results; `columns` where a terminal shows them. */
  readonly stdout: Out & { readonly columns?: number };
  /** Messages. */
  readonly stderr: Out & { readonly isTTY?: boolean };
  /**
   * The terminal, if stderr is one that can be drawn on. Nothing is escaped: write numbers and constant text
   * only.
   */
  readonly terminal?: NodeJS.WritableStream;
}

export function commandIo({ stdout, stderr, ...surroundings }: Streams): Io {
  const isTTY = stderr.isTTY === true;
  return {
    ...surroundings,
    stdout: { ...printableOut(stdout), ...(stdout.columns && { columns: stdout.columns }) },
    stderr: { ...printableOut(stderr), isTTY },
    ...(isTTY && surroundings.env.TERM !== 'dumb' && { terminal: stderr }),
  };
}

export const EXIT = { done: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Sets the exit code. An action that does not call it ends with 0. */
export type SetExit = (code: number) => void;

export const EXIT_CODES_HELP = `
Exit codes:
  0    done
  1    refused, or partly failed
  2    wrong usage
  3    the platform cannot be reached, or something needed to reach it
  130  interrupted by Ctrl-C, or by a signal to end`;

/** Ends a command with this exit code and one line on stderr. */
export class CliError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

/** Ends a command on Ctrl-C. */
export const interrupted = (): CliError => new CliError(EXIT.interrupted, 'interrupted');

export const usage = (message: string): CliError => new CliError(EXIT.usage, message);

/** @returns what is wrong with a file that cannot be read; an error of another kind as it is */
export function unreadable(file: string, error: NodeJS.ErrnoException): Error {
  if (error.code === 'ENOENT') return usage(`there is no file ${file}`);
  if (error.code === 'EACCES') return usage(`no permission to read ${file}`);
  if (error.code === 'EISDIR') return usage(`${file} is a directory`);
  return error.code === undefined ? error : usage(`cannot read ${file}: ${error.code}`);
}

/** Writes one JSON document, which is also one line of JSON Lines. */
export const printJson = ({ stdout }: Io, value: unknown): void => stdout.write(`${JSON.stringify(value)}\n`);

/**
 * Ctrl-C, or a signal to end, aborts the signal that the work gets; the command then says what may have been
 * done. A pipeline that is cancelled sends SIGTERM.
 */
export async function interruptible<R>(
  io: Pick<Io, 'onInterrupt'>,
  work: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const interruption = new AbortController();
  const disarm = onEnding(io, () => interruption.abort());
  return work(interruption.signal).finally(disarm);
}
