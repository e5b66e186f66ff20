/** Registers records as they are read, and keeps account. */
import { AbortedError, type CountersignError, InvalidRegistrationError } from '@countersign/sdk';
import { fixOf } from '../fixes.ts';
import { CliError, EXIT, type ExitCode, type Io } from '../io.ts';
import { type Access, connect } from './access.ts';
import type { Checkpoint, Counts } from './checkpoint.ts';
import type { FailuresFile } from './failures.ts';
import type { Input } from './input.ts';
import type { Progress } from './progress.ts';
import type { FailureLine, InputRecord } from './record.ts';
import { verdictOf } from './verdict.ts';

export interface RegisterOptions extends Access {
  readonly concurrency: number;
  readonly failures: FailuresFile;
  /** Undefined where the input cannot be read again. */
  readonly checkpoint: Checkpoint | undefined;
  readonly progress: Progress;
  readonly io: Io;
}

/** Of all runs over the file. */
export interface Summary extends Counts {
  readonly thisRun: Counts;
  /** Users tried in this run that are neither registered nor failed, because something stopped it. */
  readonly unfinished: number;
  /** The last line that was tried; 0 where none was. */
  readonly line: number;
  /** Lines that an unmatched quote kept from being read as users in this run: how many, and the first. */
  readonly swallowed: { readonly lines: number; readonly from: number } | undefined;
  readonly elapsedMs: number;
  /** Why it ended before the file did. */
  readonly stoppedBy: Stop | undefined;
}

export interface Stop {
  readonly message: string;
  readonly exitCode: ExitCode;
  /** What to do before it is run again. */
  readonly fix?: string;
}

/** So many users in a row that got no answer say that the platform is gone. */
const UNREACHABLE_IN_A_ROW = 10;

/** A user that is under way. */
interface Pending {
  readonly record: InputRecord;
  readonly number: number;
}

/** @throws CliError */
export async function registerRecords({ records, close }: Input, options: RegisterOptions): Promise<Summary> {
  const { concurrency, failures, checkpoint, progress, io } = options;
  const startedMs = performance.now();
  const client = connect({
    url: options.url,
    apiKey: options.apiKey,
    regions: options.regions,
    onQuotaWait: (ms) => progress.say(`waiting ${Math.ceil(ms / 1000)} s for the quota`),
  });
  const pending = new WeakMap<object, Pending>();
  const before = checkpoint?.counts ?? { registered: 0, replayed: 0, failed: 0 };
  const counts = { ...before };
  /** Whom the platform could not be reached for, in a row: no failures yet, as it may be gone. */
  const unreached: { readonly at: Pending; readonly user: object; readonly error: CountersignError }[] = [];
  let unnumbered = 0;
  let unfinished = 0;
  let line = checkpoint?.resumedAfterLine ?? 0;
  let bytes = 0;
  let swallowed: Summary['swallowed'];
  let stoppedBy: Stop | undefined;

  // The first Ctrl-C ends the reading and lets finish what is under way; the second ends that, too.
  const reading = new AbortController();
  const running = new AbortController();
  const disarm = io.onInterrupt(() => {
    if (reading.signal.aborted) running.abort();
    stoppedBy ??= { message: 'interrupted', exitCode: EXIT.interrupted };
    reading.abort();
    close();
  });

  const settle = ({ record, number }: Pending) => {
    unfinished -= 1;
    bytes = Math.max(bytes, record.endByte);
    checkpoint?.done(number, counts);
    progress.update({ bytes, ...counts });
  };
  const fail = (at: Pending, failure: Omit<FailureLine, 'line'>) => {
    failures.add({ line: at.record.line, ...failure });
    counts.failed += 1;
    settle(at);
  };
  const failUnreached = () => {
    for (const { at, user, error } of unreached.splice(0)) fail(at, { user, error: describe(error) });
  };
  async function* users(): AsyncGenerator<object, void, void> {
    try {
      for await (const record of records) {
        if (reading.signal.aborted) return;
        const number = checkpoint ? checkpoint.admit(record) : unnumbered++;
        if (number === undefined) {
          bytes = record.endByte;
          progress.update({ bytes, ...counts });
          continue;
        }
        line = Math.max(line, record.line);
        unfinished += 1;
        const at = { record, number };
        if ('user' in record) {
          pending.set(record.user, at);
          yield record.user;
        } else {
          const { text, message, lastLine } = record;
          fail(at, { text, error: { code: 'unreadable_line', message: `line ${record.line} ${message}` } });
          const lines = lastLine - record.line + 1;
          if (lines > 1)
            swallowed = { lines: lines + (swallowed?.lines ?? 0), from: swallowed?.from ?? record.line };
          line = Math.max(line, lastLine);
        }
      }
      checkpoint?.end();
    } catch (error) {
      if (!reading.signal.aborted) throw error;
    }
  }

  try {
    const batch = client.registerBatch<object>(users(), { concurrency, signal: running.signal });
    for await (const result of batch) {
      const at = pending.get(result.user)!;
      if (result.ok) {
        failUnreached();
        counts.registered += 1;
        if (result.registration.replayed) counts.replayed += 1;
        settle(at);
        continue;
      }
      const { error } = result;
      const verdict = verdictOf(error);
      if (verdict === 'unreachable' || verdict === 'faulty') {
        unreached.push({ at, user: result.user, error });
        const isFirst = verdict === 'unreachable' && counts.registered === before.registered;
        if (isFirst || (checkpoint && unreached.length >= UNREACHABLE_IN_A_ROW))
          stoppedBy ??= stopBy(error, EXIT.unreachable, options);
        if (!checkpoint) failUnreached();
      } else {
        const isHopeless = verdict === 'everyone';
        if (isHopeless) stoppedBy ??= stopBy(error, EXIT.failed, options);
        // What stopped the run is no fault of this user, who comes first when it goes on.
        const isLeft = checkpoint !== undefined && (isHopeless || error instanceof AbortedError);
        if (!isLeft) {
          failUnreached();
          fail(at, { user: result.user, error: describe(error) });
        }
      }
      if (stoppedBy && stoppedBy.exitCode !== EXIT.interrupted) break;
    }
    if (!stoppedBy) failUnreached();
  } catch (error) {
    if (!running.signal.aborted) stoppedBy ??= stopOf(error);
  } finally {
    disarm();
    await client.close();
  }
  const thisRun = {
    registered: counts.registered - before.registered,
    replayed: counts.replayed - before.replayed,
    failed: counts.failed - before.failed,
  };
  const elapsedMs = performance.now() - startedMs;
  return { ...counts, thisRun, unfinished, line, swallowed, elapsedMs, stoppedBy };
}

const stopBy = (error: CountersignError, exitCode: ExitCode, access: Access): Stop => ({
  message: error.message,
  exitCode,
  fix: (exitCode === EXIT.failed && fixOf(error, access)) || `\`countersign doctor${access.flags}\` says why`,
});

/** A full disk or a broken input stops a run, and what was done is still counted. @throws every other error */
function stopOf(error: unknown): Stop {
  if (error instanceof CliError && error.exitCode !== EXIT.usage) return error;
  const { syscall, code } = error as NodeJS.ErrnoException;
  if (syscall === undefined) throw error;
  return { message: `the input cannot be read on: ${code}`, exitCode: EXIT.failed };
}

function describe(error: CountersignError): FailureLine['error'] {
  const code = error instanceof AbortedError ? 'interrupted' : error.code;
  const errors = error instanceof InvalidRegistrationError ? error.errors : undefined;
  return { code, message: error.message, ...(errors && { errors }) };
}
