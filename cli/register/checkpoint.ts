/**
 * The progress of a file's registration, kept beside the file until it is finished. A run that was stopped or
 * killed can then continue. It holds the URL, the client, counts, a hash and record numbers, but no user.
 *
 * Results arrive out of order. So the records that are done are all up to a mark, and some beyond it. A
 * record whose result was not saved is sent again; registering is idempotent, so nobody is registered twice.
 */
import { createHash, type Hash } from 'node:crypto';
import { lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { isJsonObject } from '../../protocol/json.ts';
import { CliError, EXIT, usage } from '../io.ts';
import { isProcessAlive } from '../process-alive.ts';
import type { FailuresFile } from './failures.ts';
import { readPrivate } from './private-file.ts';
import type { InputRecord } from './record.ts';

export interface Counts {
  readonly registered: number;
  /** The users among `registered` that the platform already had. */
  readonly replayed: number;
  readonly failed: number;
}

/** The platform and the client of these registrations. A run for another one must start again. */
export interface Owner {
  readonly url: string;
  readonly client_id: string;
}

interface Saved extends Counts, Owner {
  /** The process that is registering; 0 where none is. */
  readonly pid: number;
  /** When that process began, in epoch milliseconds: process ids are reused. */
  readonly started_ms: number;
  /** How many records from the first on are all done. */
  readonly mark: number;
  /** Line of the last of them. */
  readonly line: number;
  /** Numbers, from 0, of the records that are done beyond the mark. */
  readonly beyond: readonly number[];
  /** Hash over all records up to the last one that is done. */
  readonly hash: string;
  /** Bytes of the failures file that belong to records that are done. */
  readonly failures_bytes: number;
}

/**
 * Shortest time between two saves, in milliseconds. A killed run sends what it did since the last save again.
 */
const EVERY_MS = 100;
const STARTED_MS = Math.round(performance.timeOrigin);

export class Checkpoint {
  readonly #path: string;
  readonly #owner: Owner;
  readonly #failures: FailuresFile;
  readonly #from: Saved | undefined;
  readonly #hash: Hash = createHash('sha256');
  /** For each record read from the mark on: its line, and the hash over all records up to it. */
  readonly #read = new Map<number, { readonly line: number; readonly hash: string }>();
  readonly #beyond: Set<number>;
  /** Number of the last record that is done. */
  #last: number;
  /** The same as it was when this run began. */
  readonly #lastBefore: number;
  /**
   * Whether the file still begins with the records that earlier runs did. Until then nothing new is saved.
   */
  #isVerified: boolean;
  #next = 0;
  #state: Omit<Saved, 'pid' | 'started_ms' | 'beyond' | 'failures_bytes' | keyof Owner>;
  #savedMs = 0;

  /**
   * @param path path of the progress file
   * @param restart whether to ignore the progress of earlier runs
   * @param failures continues from the same point
   * @throws CliError where another process is registering this file, or where the progress belongs to another
   * client or platform
   */
  constructor(path: string, owner: Owner, restart: boolean, failures: FailuresFile) {
    this.#path = path;
    this.#owner = owner;
    this.#failures = failures;
    const release = claim(path);
    try {
      const saved = this.#takeOver(restart);
      this.#from = saved;
      this.#beyond = new Set(saved?.beyond);
      this.#lastBefore = lastDone(saved);
      this.#last = this.#lastBefore;
      this.#isVerified = this.#last < 0;
      const { registered = 0, replayed = 0, failed = 0, mark = 0, line = 0, hash = '' } = saved ?? {};
      this.#state = { registered, replayed, failed, mark, line, hash };
      if (saved) failures.goOn(saved.failures_bytes);
      this.#save();
    } finally {
      release();
    }
  }

  #takeOver(restart: boolean): Saved | undefined {
    const path = this.#path;
    const found = load(path, restart);
    if (found && isRunning(found))
      throw usage(
        `process ${found.pid} is registering this file: wait for it or end it (if that process does something else, remove ${path})`,
      );
    const saved = restart ? undefined : found;
    for (const member of ['url', 'client_id'] as const)
      if (saved && saved[member] !== this.#owner[member])
        throw usage(
          `an earlier run of this file used ${member} ${saved[member]}, not ${this.#owner[member]}: use the same, or start again with --restart`,
        );
    return saved;
  }

  /** Counts of this run and of earlier runs. */
  get counts(): Counts {
    const { registered, replayed, failed } = this.#state;
    return { registered, replayed, failed };
  }

  /** Line up to which earlier runs finished every record; undefined where there was no earlier run. */
  get resumedAfterLine(): number | undefined {
    return this.#from?.line;
  }

  /**
   * Counts the next record of the file.
   *
   * @returns its number, or undefined where an earlier run has done it
   * @throws CliError where the file differs from the records that earlier runs did
   */
  admit(record: InputRecord): number | undefined {
    const number = this.#next++;
    this.#hash.update(`${JSON.stringify('user' in record ? record.user : record.text)}\n`);
    const isLast = number === this.#lastBefore;
    if (isLast || number >= this.#state.mark) {
      const hash = this.#hash.copy().digest('base64url');
      if (isLast && hash !== this.#from?.hash) throw changed(record.line);
      this.#isVerified ||= isLast;
      this.#read.set(number, { line: record.line, hash });
    }
    return number < this.#state.mark || this.#beyond.has(number) ? undefined : number;
  }

  /**
   * Call this at the file's end. @throws CliError where the file is shorter than the records that earlier
   * runs did
   */
  end(): void {
    if (this.#next <= this.#lastBefore) throw changed(this.#state.line);
  }

  /**
   * Marks a record as done. It is saved now, or by the next save, at most `EVERY_MS` later if more records
   * follow.
   */
  done(number: number, counts: Counts): void {
    this.#beyond.add(number);
    let { mark, line, hash } = this.#state;
    if (number > this.#last) {
      this.#last = number;
      hash = this.#read.get(number)!.hash;
    }
    for (; this.#beyond.delete(mark); mark++) {
      line = this.#read.get(mark)!.line;
      this.#read.delete(mark);
    }
    this.#state = { ...counts, mark, line, hash };
    if (performance.now() - this.#savedMs >= EVERY_MS) this.#save();
  }

  /** @param through whether the whole file is done: the progress file is then removed */
  close(through: boolean): void {
    const isEmpty = this.#last < 0;
    if (through || isEmpty) rmSync(this.#path, { force: true });
    else this.#save(0);
  }

  /**
   * Saves by a rename, so that a complete file exists at any time. The failures are flushed first, so that
   * the progress is never ahead of them, even after a power cut.
   */
  #save(pid = process.pid): void {
    const failures_bytes = this.#failures.flush();
    const now = { ...this.#state, failures_bytes, beyond: [...this.#beyond] };
    const done = this.#isVerified || !this.#from ? now : this.#from;
    const text = `${JSON.stringify({ ...done, ...this.#owner, pid, started_ms: STARTED_MS } satisfies Saved)}\n`;
    const draft = `${this.#path}.draft`;
    try {
      // A draft may be left from a killed run, or be a link to elsewhere: remove it, do not write through it.
      rmSync(draft, { force: true });
      writeFileSync(draft, text, { mode: 0o600, flag: 'wx', flush: true });
      renameSync(draft, this.#path);
    } catch (error) {
      throw unwritten(this.#path, error);
    }
    this.#savedMs = performance.now();
  }
}

/** A run starts within milliseconds. An older claim was left by a killed run. */
const CLAIM_MS = 10_000;

/** Refuses one of two runs that start at the same time. @returns a function that ends the claim */
function claim(path: string): () => void {
  const file = `${path}.claim`;
  const take = () => writeFileSync(file, '', { mode: 0o600, flag: 'wx' });
  try {
    try {
      take();
    } catch (error) {
      const stat = lstatSync(file, { throwIfNoEntry: false });
      if (!stat || Date.now() - stat.mtimeMs < CLAIM_MS) throw error;
      rmSync(file, { force: true });
      take();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw usage(`another process is just starting to register this file (${file})`);
    throw unwritten(path, error);
  }
  return () => rmSync(file, { force: true });
}

const unwritten = (path: string, error: unknown): CliError =>
  new CliError(
    EXIT.failed,
    `cannot write ${path}: ${(error as NodeJS.ErrnoException).code}; choose another place with --failures`,
  );

/** @returns the number of the last record that is done, -1 where none is */
const lastDone = (saved: Saved | undefined): number =>
  saved ? saved.beyond.reduce((last, number) => Math.max(last, number), saved.mark - 1) : -1;

function load(path: string, restart: boolean): Saved | undefined {
  const text = readPrivate(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (isSaved(value)) return value;
  } catch {
    // Not JSON: broken too.
  }
  if (restart) return void rmSync(path);
  throw usage(`${path} is broken: start again with --restart; nobody is registered twice`);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isSaved(value: unknown): value is Saved {
  if (!isJsonObject(value)) return false;
  const { pid, started_ms, registered, replayed, failed, mark, line, failures_bytes } = value;
  const { beyond, url, client_id, hash } = value;
  return (
    [pid, started_ms, registered, replayed, failed, mark, line, failures_bytes].every(isCount) &&
    [url, client_id, hash].every((text) => typeof text === 'string') &&
    Array.isArray(beyond) &&
    beyond.every(isCount)
  );
}

/**
 * Whether the process that saved this still runs. A killed process leaves its id behind, and ids are reused.
 */
function isRunning({ pid, started_ms }: Saved): boolean {
  if (pid === process.pid) return started_ms === STARTED_MS;
  const machineStartedMs = Date.now() - uptime() * 1000;
  return started_ms >= machineStartedMs && isProcessAlive(pid);
}

const changed = (line: number): CliError =>
  usage(
    `the file has changed since the last run, at or before line ${line}: start again with --restart; nobody is registered twice`,
  );
