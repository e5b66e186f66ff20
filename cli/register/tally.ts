/**
 * Keeps tally of a run: who is under way, who is registered and who failed, in the file of failures and the
 * checkpoint too.
 */
import type { Checkpoint, Counts } from './checkpoint.ts';
import type { FailuresFile } from './failures.ts';
import type { Progress } from './progress.ts';
import type { FailureLine, InputRecord, Unreadable } from './record.ts';

export interface TallyOptions {
  readonly failures: Pick<FailuresFile, 'add'>;
  /** Undefined where the input cannot be read again. */
  readonly checkpoint: Checkpoint | undefined;
  readonly progress: Progress;
}

/** Over all runs of the file. */
export interface Totals extends Counts {
  readonly thisRun: Counts;
  /** Users tried in this run that are neither registered nor failed, because something stopped it. */
  readonly unfinished: number;
  /** The last line that was tried; 0 where none was. */
  readonly line: number;
  /** Lines that an unmatched quote kept from being read as users in this run: how many, and the first. */
  readonly swallowed: { readonly lines: number; readonly from: number } | undefined;
  /**
   * Users of this run whose `user_id` has white space at an end, or a control character: often by mistake.
   */
  readonly odd: number;
  /** The most frequent reason of this run's failures. */
  readonly reason: { readonly message: string; readonly count: number } | undefined;
}

/**
 * Further reasons are not counted: a message may name a value of its user, and memory must not grow with the
 * file.
 */
const MOST_REASONS = 1_000;

/** A user that is under way. */
export interface Pending {
  readonly record: InputRecord;
  readonly number: number;
}

export class Tally {
  readonly #failures: TallyOptions['failures'];
  readonly #checkpoint: Checkpoint | undefined;
  readonly #progress: Progress;
  readonly #before: Counts;
  readonly #counts: { -readonly [K in keyof Counts]: Counts[K] };
  #unnumbered = 0;
  #unfinished = 0;
  #line: number;
  #bytes = 0;
  #swallowed: Totals['swallowed'];
  #odd = 0;
  readonly #reasons = new Map<string, number>();

  constructor({ failures, checkpoint, progress }: TallyOptions) {
    this.#failures = failures;
    this.#checkpoint = checkpoint;
    this.#progress = progress;
    this.#before = checkpoint?.counts ?? { registered: 0, replayed: 0, failed: 0 };
    this.#counts = { ...this.#before };
    this.#line = checkpoint?.resumedAfterLine ?? 0;
  }

  /** Whether this run has registered anybody. */
  get hasRegistered(): boolean {
    return this.#counts.registered > this.#before.registered;
  }

  get totals(): Totals {
    const [counts, before] = [this.#counts, this.#before];
    const thisRun = {
      registered: counts.registered - before.registered,
      replayed: counts.replayed - before.replayed,
      failed: counts.failed - before.failed,
    };
    const [most] = [...this.#reasons].sort(([, a], [, b]) => b - a);
    return {
      ...counts,
      thisRun,
      odd: this.#odd,
      reason: most && { message: most[0], count: most[1] },
      unfinished: this.#unfinished,
      line: this.#line,
      swallowed: this.#swallowed,
    };
  }

  /** @returns undefined for a record that an earlier run has done */
  begin(record: InputRecord): Pending | undefined {
    const number = this.#checkpoint ? this.#checkpoint.admit(record) : this.#unnumbered++;
    if (number === undefined) {
      this.#bytes = record.endByte;
      this.#show();
      return undefined;
    }
    this.#line = Math.max(this.#line, record.line);
    this.#unfinished += 1;
    if ('user' in record && isOdd((record.user as { user_id?: unknown }).user_id)) this.#odd += 1;
    return { record, number };
  }

  registered(at: Pending, wasReplayed: boolean): void {
    this.#counts.registered += 1;
    if (wasReplayed) this.#counts.replayed += 1;
    this.#settle(at);
  }

  failed(at: Pending, failure: Omit<FailureLine, 'line'>, reason = failure.error.message): void {
    const count = this.#reasons.get(reason) ?? 0;
    if (count > 0 || this.#reasons.size < MOST_REASONS) this.#reasons.set(reason, count + 1);
    this.#failures.add({ line: at.record.line, ...failure });
    this.#counts.failed += 1;
    this.#settle(at);
  }

  unreadable(at: Pending, { line, lastLine, text, message }: Unreadable): void {
    const error = { code: 'unreadable_line', message: `line ${line} ${message}` };
    this.failed(at, { text, error }, `the line ${message}`);
    const lines = lastLine - line + 1;
    if (lines > 1)
      this.#swallowed = { lines: lines + (this.#swallowed?.lines ?? 0), from: this.#swallowed?.from ?? line };
    this.#line = Math.max(this.#line, lastLine);
  }

  /** The input was read to its end. */
  end(): void {
    this.#checkpoint?.end();
  }

  #settle({ record, number }: Pending): void {
    this.#unfinished -= 1;
    this.#bytes = Math.max(this.#bytes, record.endByte);
    this.#checkpoint?.done(number, this.#counts);
    this.#show();
  }

  #show(): void {
    this.#progress.update({ bytes: this.#bytes, ...this.#counts });
  }
}

const isOdd = (userId: unknown): boolean =>
  typeof userId === 'string' && (userId !== userId.trim() || /\p{Cc}/u.test(userId));
