/** Registers records as they are read. */
import type { BatchResult } from '@countersign/sdk';
import { EXIT, type Io } from '../io.ts';
import { type Access, connect } from './access.ts';
import { Account, type AccountOptions, type Pending, type Totals } from './account.ts';
import type { Input } from './input.ts';
import {
  describe,
  isCountersignError,
  isHopeless,
  isUnreachable,
  type Stop,
  stopHopeless,
  stopOf,
  stopUnreachable,
} from './stop.ts';

export interface RegisterOptions extends Access, AccountOptions {
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
  const { url, apiKey, concurrency, io } = options;
  const client = connect({ url, apiKey });
  const account = new Account(options);
  const run = new Run(input, account, options.checkpoint !== undefined);
  const disarm = io.onInterrupt(() => run.interrupt());
  try {
    const batch = client.registerBatch<object>(run.users(), { concurrency, signal: run.signal });
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
  return { ...account.totals, elapsedMs: performance.now() - startedMs, stoppedBy: run.stoppedBy };
}

/** What is read, what each result means, and what stops it. */
class Run {
  readonly #input: Input;
  readonly #account: Account;
  readonly #canResume: boolean;
  readonly #pending = new WeakMap<object, Pending>();
  /** Users for whom the platform was not reached, in a row: no failures yet, as it may be gone. */
  readonly #unreached: { readonly at: Pending; readonly user: object; readonly error: Error }[] = [];
  readonly #reading = new AbortController();
  readonly #running = new AbortController();
  #stoppedBy: Stop | undefined;

  constructor(input: Input, account: Account, canResume: boolean) {
    this.#input = input;
    this.#account = account;
    this.#canResume = canResume;
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

  /** The first Ctrl-C ends the reading and lets finish what is under way; the second ends that, too. */
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
        const at = this.#account.begin(record);
        if (at && 'user' in record) {
          this.#pending.set(record.user, at);
          yield record.user;
        } else if (at && 'text' in record) this.#account.unreadable(at, record);
      }
      this.#account.end();
    } catch (error) {
      if (!this.#reading.signal.aborted) throw error;
    }
  }

  take(result: BatchResult<object>): void {
    const { user } = result;
    const at = this.#pending.get(user)!;
    if (result.ok) {
      this.#failUnreached();
      this.#account.registered(at, result.registration.replayed);
    } else if (isUnreachable(result.error)) this.#notReached(at, user, result.error);
    else this.#refused(at, user, result.error);
  }

  end(): void {
    if (!this.#stoppedBy) this.#failUnreached();
  }

  /** @throws what no run expects */
  breakBy(error: unknown): void {
    if (!this.#running.signal.aborted) this.#stoppedBy ??= stopOf(error);
  }

  #notReached(at: Pending, user: object, error: Error): void {
    this.#unreached.push({ at, user, error });
    const isGone = this.#canResume && this.#unreached.length >= UNREACHABLE_IN_A_ROW;
    if (isGone || !this.#account.hasRegistered) this.#stoppedBy ??= stopUnreachable(error);
    if (!this.#canResume) this.#failUnreached();
  }

  #refused(at: Pending, user: object, error: Error): void {
    const stops = isHopeless(error);
    if (stops) this.#stoppedBy ??= stopHopeless(error);
    // What stopped the run is no fault of this user, who comes first when it goes on.
    const wasAborted = this.#running.signal.aborted && !isCountersignError(error);
    if (this.#canResume && (stops || wasAborted)) return;
    this.#failUnreached();
    this.#account.failed(at, { user, error: describe(error) });
  }

  #failUnreached(): void {
    for (const { at, user, error } of this.#unreached.splice(0))
      this.#account.failed(at, { user, error: describe(error) });
  }
}
