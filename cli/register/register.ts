/** Registers records as they are read. */
import { AbortedError, type BatchResult, type CountersignError, type WithUserId } from '@countersign/sdk';
import { EXIT, type Io } from '../io.ts';
import { type Access, connect } from './access.ts';
import { type FailureScope, scopeOf } from './failure-scope.ts';
import type { Input } from './input.ts';
import { describe, type Stop, stopBy, stopOf } from './stop.ts';
import { type Pending, Tally, type TallyOptions, type Totals } from './tally.ts';

export interface RegisterOptions extends Access, TallyOptions {
  readonly concurrency: number;
  readonly io: Io;
}

export interface Summary extends Totals {
  readonly elapsedMs: number;
  readonly stoppedBy: Stop | undefined;
}

/**
 * So many users for whom the platform was not reached, one after the other, stop a run that can go on later.
 */
const UNREACHABLE_IN_A_ROW = 10;

/** @throws CliError */
export async function registerRecords(input: Input, options: RegisterOptions): Promise<Summary> {
  const startedMs = performance.now();
  const { url, apiKey, regions, concurrency, io, progress } = options;
  const client = connect({
    url,
    apiKey,
    regions,
    onQuotaWait: (ms) => progress.say(`waiting ${Math.ceil(ms / 1000)} s for the quota`),
  });
  const tally = new Tally(options);
  const run = new Run(input, tally, options);
  const disarm = io.onInterrupt(() => run.interrupt());
  try {
    // The platform checks them: a file may hold anything.
    const users = run.users() as AsyncGenerator<WithUserId>;
    const batch = client.registerBatch<WithUserId>(users, { concurrency, signal: run.signal });
    for await (const result of batch) {
      run.take(result);
      if (run.isBroken) break;
    }
    run.end();
  } catch (error) {
    run.breakBy(error);
  } finally {
    disarm();
    await client.close();
  }
  return { ...tally.totals, elapsedMs: performance.now() - startedMs, stoppedBy: run.stoppedBy };
}

/** One run: its input, the meaning of each result, and what stops it. */
class Run {
  readonly #input: Input;
  readonly #tally: Tally;
  readonly #options: RegisterOptions;
  readonly #pending = new WeakMap<object, Pending>();
  /**
   * Users in a row for whom the platform was not reached. They are not failures yet, because it may be gone.
   */
  readonly #unreached: { readonly at: Pending; readonly user: object; readonly error: CountersignError }[] =
    [];
  readonly #reading = new AbortController();
  readonly #running = new AbortController();
  #stoppedBy: Stop | undefined;

  constructor(input: Input, tally: Tally, options: RegisterOptions) {
    this.#input = input;
    this.#tally = tally;
    this.#options = options;
  }

  get #canResume(): boolean {
    return this.#options.checkpoint !== undefined;
  }

  /** Aborts what is under way. */
  get signal(): AbortSignal {
    return this.#running.signal;
  }

  get stoppedBy(): Stop | undefined {
    return this.#stoppedBy;
  }

  /** Whether it ends at once. After an interrupt it waits for what is under way. */
  get isBroken(): boolean {
    return this.#stoppedBy !== undefined && this.#stoppedBy.exitCode !== EXIT.interrupted;
  }

  /** The first Ctrl-C ends the reading and lets requests in progress finish. The second aborts them, too. */
  interrupt(): void {
    if (this.#reading.signal.aborted) this.#running.abort();
    this.#stoppedBy ??= { message: 'interrupted', exitCode: EXIT.interrupted };
    this.#reading.abort();
    this.#input.close();
  }

  async *users(): AsyncGenerator<object, void, void> {
    try {
      for await (const record of this.#input.records) {
        if (this.#reading.signal.aborted) return;
        const at = this.#tally.begin(record);
        if (at && 'user' in record) {
          this.#pending.set(record.user, at);
          yield record.user;
        } else if (at && 'text' in record) this.#tally.unreadable(at, record);
      }
      this.#tally.end();
    } catch (error) {
      if (!this.#reading.signal.aborted) throw error;
    }
  }

  take(result: BatchResult<object>): void {
    const { user } = result;
    const at = this.#pending.get(user)!;
    if (result.ok) {
      this.#failUnreached();
      this.#tally.registered(at, result.registration.replayed);
      return;
    }
    const { error } = result;
    const scope = scopeOf(error);
    if (scope === 'unreachable' || scope === 'faulty') this.#notReached(at, user, error, scope);
    else this.#refused(at, user, error, scope);
  }

  end(): void {
    if (!this.#stoppedBy) this.#failUnreached();
  }

  /** @throws what no run expects */
  breakBy(error: unknown): void {
    if (!this.#running.signal.aborted) this.#stoppedBy ??= stopOf(error);
  }

  #notReached(at: Pending, user: object, error: CountersignError, scope: FailureScope): void {
    this.#unreached.push({ at, user, error });
    const isGone = this.#canResume && this.#unreached.length >= UNREACHABLE_IN_A_ROW;
    const isFirst = scope === 'unreachable' && !this.#tally.hasRegistered;
    if (isGone || isFirst) this.#stoppedBy ??= stopBy(error, scope, this.#options);
    if (!this.#canResume) this.#failUnreached();
  }

  #refused(at: Pending, user: object, error: CountersignError, scope: FailureScope): void {
    const stops = scope === 'everyone' || scope === 'elsewhere';
    if (stops) this.#stoppedBy ??= stopBy(error, scope, this.#options);
    // This user did not fail: the next run begins with them.
    if (this.#canResume && (stops || error instanceof AbortedError)) return;
    this.#failUnreached();
    this.#tally.failed(at, { user, error: describe(error) });
  }

  #failUnreached(): void {
    for (const { at, user, error } of this.#unreached.splice(0))
      this.#tally.failed(at, { user, error: describe(error) });
  }
}
