/** What a command has to do with: streams, environment, and how it ends. */
import type { Readable } from 'node:stream';
import { type Out, printableOut } from './printable.ts';

interface Surroundings {
  readonly stdin: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Calls back on Ctrl-C, instead of ending the process. @returns what ends that */
  onInterrupt(interrupt: () => void): () => void;
  /** How long a command that waits for the platform lets it be before it asks again. @default 1 s */
  readonly pollMs?: number;
  /** How long an emergency waits for one Region before it goes on with the next. @default 10 s */
  readonly patienceMs?: number;
}

/** What a process brings. */
export interface Streams extends Surroundings {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** What a command gets. */
export interface Io extends Surroundings {
  /** Results. */
  readonly stdout: Out;
  /** Messages. */
  readonly stderr: Out & { readonly isTTY?: boolean };
  /** The terminal, if stderr is one that can be drawn on. Takes numbers and constant text only: nothing is escaped. */
  readonly terminal?: NodeJS.WritableStream;
}

export function commandIo({ stdout, stderr, ...surroundings }: Streams): Io {
  const isTTY = stderr.isTTY === true;
  return {
    ...surroundings,
    stdout: printableOut(stdout),
    stderr: { ...printableOut(stderr), isTTY },
    ...(isTTY && surroundings.env.TERM !== 'dumb' && { terminal: stderr }),
  };
}

export const EXIT = { done: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What an action calls to end with another exit code than 0. */
export type SetExit = (code: number) => void;

export const EXIT_CODES_HELP = `
Exit codes:
  0    done
  1    refused, or some of it failed
  2    wrong usage
  3    the platform, or what is needed to reach it, cannot be reached
  130  interrupted by Ctrl-C`;

/** Ends a command with one line on stderr. */
export class CliError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

export const usage = (message: string): CliError => new CliError(EXIT.usage, message);

/** One JSON document, or one line of JSON Lines. */
export const printJson = ({ stdout }: Io, value: unknown): void => stdout.write(`${JSON.stringify(value)}\n`);
