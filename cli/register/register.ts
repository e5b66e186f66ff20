/** Registers records as they are read, and keeps account. */
import {
  ClientDisabledError,
  ConnectionError,
  CountersignClient,
  CountersignError,
  InvalidArgumentError,
  InvalidProofError,
  InvalidRegistrationError,
  KeyExpiredError,
  NotAllowedError,
  TimeoutError,
  TokenRevokedError,
  UnavailableError,
  UnexpectedAnswerError,
} from '@countersign/sdk';
import { CliError, EXIT, type ExitCode, type Io } from '../io.ts';
import type { FailuresFile } from './failures.ts';
import type { Input } from './input.ts';
import type { Progress } from './progress.ts';
import type { FailureLine, InputRecord } from './record.ts';

export interface RegisterOptions {
  readonly url: string;
  readonly apiKey: string;
  readonly concurrency: number;
  readonly failures: FailuresFile;
  readonly progress: Progress;
  readonly io: Io;
}

export interface Summary {
  readonly registered: number;
  /** Of the registered, those that were before. */
  readonly replayed: number;
  readonly failed: number;
  /** The last line that was begun. */
  readonly line: number;
  readonly elapsedMs: number;
  /** Why it ended before the file did. */
  readonly stoppedBy: { readonly message: string; readonly exitCode: ExitCode } | undefined;
}

/** What every user would fail with. */
const HOPELESS = [
  ClientDisabledError,
  InvalidProofError,
  KeyExpiredError,
  NotAllowedError,
  TokenRevokedError,
  UnexpectedAnswerError,
];
/** The same, where it is so from the first user on. */
const UNREACHABLE = [ConnectionError, TimeoutError, UnavailableError];

/** @throws CliError */
export async function registerRecords({ records, close }: Input, options: RegisterOptions): Promise<Summary> {
  const { concurrency, failures, progress, io } = options;
  const startedMs = performance.now();
  const client = connect(options);
  const positions = new WeakMap<object, InputRecord>();
  let registered = 0;
  let replayed = 0;
  let line = 0;
  let bytes = 0;
  let stoppedBy: Summary['stoppedBy'];

  // The first Ctrl-C ends the reading and lets finish what is under way; the second ends that, too.
  const reading = new AbortController();
  const running = new AbortController();
  const disarm = io.onInterrupt(() => {
    if (reading.signal.aborted) running.abort();
    stoppedBy ??= { message: 'interrupted', exitCode: EXIT.interrupted };
    reading.abort();
    close();
  });

  const fail = async (record: InputRecord, failure: Omit<FailureLine, 'line'>) => {
    await failures.add({ line: record.line, ...failure });
    bytes = Math.max(bytes, record.endByte);
    progress.update({ bytes, registered, failed: failures.count });
  };
  async function* users(): AsyncGenerator<object, void, void> {
    try {
      for await (const record of records) {
        if (reading.signal.aborted) return;
        line = Math.max(line, record.line);
        if ('user' in record) {
          positions.set(record.user, record);
          yield record.user;
        } else {
          const { text, message } = record;
          await fail(record, {
            text,
            error: { code: 'unreadable_line', message: `line ${record.line} ${message}` },
          });
        }
      }
    } catch (error) {
      if (!reading.signal.aborted) throw error;
    }
  }

  try {
    const batch = client.registerBatch<object>(users(), { concurrency, signal: running.signal });
    for await (const result of batch) {
      const record = positions.get(result.user)!;
      if (result.ok) {
        registered += 1;
        if (result.registration.replayed) replayed += 1;
        bytes = Math.max(bytes, record.endByte);
        progress.update({ bytes, registered, failed: failures.count });
      } else {
        await fail(record, { user: result.user, error: describe(result.error) });
        stoppedBy ??= stops(result.error, registered);
        if (stoppedBy && stoppedBy.exitCode !== EXIT.interrupted) break;
      }
    }
  } catch (error) {
    if (!running.signal.aborted) throw error;
  } finally {
    disarm();
    await client.close();
  }
  const elapsedMs = performance.now() - startedMs;
  return { registered, replayed, failed: failures.count, line, elapsedMs, stoppedBy };
}

function connect({ url, apiKey }: RegisterOptions): CountersignClient {
  try {
    return new CountersignClient({ url, apiKey });
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw new CliError(EXIT.usage, error.message);
    throw error;
  }
}

function describe(error: Error): FailureLine['error'] {
  const code = error instanceof CountersignError ? error.code : 'interrupted';
  const errors = error instanceof InvalidRegistrationError ? error.errors : undefined;
  return { code, message: error.message, ...(errors && { errors }) };
}

function stops(error: Error, registered: number): Summary['stoppedBy'] {
  const { message } = error;
  if (HOPELESS.some((Class) => error instanceof Class)) return { message, exitCode: EXIT.failed };
  if (registered === 0 && UNREACHABLE.some((Class) => error instanceof Class))
    return { message, exitCode: EXIT.unreachable };
  return undefined;
}
