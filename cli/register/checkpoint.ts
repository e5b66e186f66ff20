/**
 * How far a file is registered, kept beside it while it is under way, so that a run that was stopped, or killed, goes on
 * where it ended. It holds counts, hashes and line numbers, no personal data, and goes when the file is through.
 *
 * Results come out of order: what is done is every record up to a mark, and some beyond it. A record whose result was
 * not written down is sent again, which registers nobody twice.
 */
import { createHash, type Hash } from 'node:crypto';
import { lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { isJsonObject } from '../../protocol/json.ts';
import { CliError, EXIT, usage } from '../io.ts';
import type { FailuresFile } from './failures.ts';
import { readPrivate } from './private-file.ts';
import type { InputRecord } from './record.ts';

export interface Counts {
  readonly registered: number;
  /** Of the registered, those that were before. */
  readonly replayed: number;
  readonly failed: number;
}

/** Whose registrations these are: another client, or another platform, has to begin anew. */
export interface Owner {
  readonly url: string;
  readonly client_id: string;
}

interface Saved extends Counts, Owner {
  /** The process at work; 0 where none is. */
  readonly pid: number;
  /** When that began, in ms since the epoch: numbers are given again. */
  readonly started_ms: number;
  /** So many records from the first on are done; the last one's line. */
  readonly mark: number;
  readonly line: number;
  /** Numbers, from 0, of the records done beyond the mark. */
  readonly beyond: readonly number[];
  /** Over all records up to the last one that is done. */
  readonly hash: string;
  /** Bytes of the failures file that belong to what is done. */
  readonly failures_bytes: number;
}

/** Written this often at most, in milliseconds: what a killed run sends again. */
const EVERY_MS = 100;
const STARTED_MS = Math.round(performance.timeOrigin);

export class Checkpoint {
  readonly #path: string;
  readonly #owner: Owner;
  readonly #failures: FailuresFile;
  readonly #from: Saved | undefined;
  readonly #hash: Hash = createHash('sha256');
  /** Of the records read from the mark on: the line, and the hash over all up to it. */
  readonly #read = new Map<number, { readonly line: number; readonly hash: string }>();
  readonly #beyond: Set<number>;
  /** The last record that is done, and that was when this run began. */
  #last: number;
  readonly #lastBefore: number;
  /** Whether what was done before is what stands in the file; until then nothing else is written down. */
  #isVerified: boolean;
  #next = 0;
  #state: Omit<Saved, 'pid' | 'started_ms' | 'beyond' | 'failures_bytes' | keyof Owner>;
  #savedMs = 0;

  /**
   * @param path of the file that keeps it
   * @param restart whether to forget what is there
   * @param failures goes on from there as well
   * @throws CliError where another process is at work, or where it belongs to another client or platform
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
        `process ${found.pid} is registering this file: wait for it, or end it (if it is another, remove ${path})`,
      );
    const saved = restart ? undefined : found;
    for (const member of ['url', 'client_id'] as const)
      if (saved && saved[member] !== this.#owner[member])
        throw usage(
          `this file was begun with ${member} ${saved[member]}, not ${this.#owner[member]}: go on with that one, or begin anew with --restart`,
        );
    return saved;
  }

  /** Of this run and those before it. */
  get counts(): Counts {
    const { registered, replayed, failed } = this.#state;
    return { registered, replayed, failed };
  }

  /** The line up to which the runs before this one left nothing out; undefined where there was none. */
  get resumedAfterLine(): number | undefined {
    return this.#from?.line;
  }

  /**
   * Takes notice of the next record of the file.
   *
   * @returns its number, or undefined where it is done already
   * @throws CliError where what is done is not what stands in the file
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

  /** To be called at the file's end. @throws CliError where it ends before what is done does */
  end(): void {
    if (this.#next <= this.#lastBefore) throw changed(this.#state.line);
  }

  /** A record is done: written down now, or within a tenth of a second where others follow. */
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

  /** @param through whether nothing is left to do */
  close(through: boolean): void {
    const isEmpty = this.#last < 0;
    if (through || isEmpty) rmSync(this.#path, { force: true });
    else this.#save(0);
  }

  /**
   * By a rename, so that there is a whole one at any time, and never ahead of the failures it counts: all that outlives
   * a power cut.
   */
  #save(pid = process.pid): void {
    const failures_bytes = this.#failures.flush();
    const now = { ...this.#state, failures_bytes, beyond: [...this.#beyond] };
    const done = this.#isVerified || !this.#from ? now : this.#from;
    const text = `${JSON.stringify({ ...done, ...this.#owner, pid, started_ms: STARTED_MS } satisfies Saved)}\n`;
    const draft = `${this.#path}.draft`;
    try {
      // One that a killed run left, or that somebody pointed elsewhere, is taken away and not written through.
      rmSync(draft, { force: true });
      writeFileSync(draft, text, { mode: 0o600, flag: 'wx', flush: true });
      renameSync(draft, this.#path);
    } catch (error) {
      throw unwritten(this.#path, error);
    }
    this.#savedMs = performance.now();
  }
}

/** To begin takes milliseconds; a claim that is older was left by a killed run. */
const CLAIM_MS = 10_000;

/** Of two runs that begin at once, one is refused. @returns what ends the claim */
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
      throw usage(`another process has just begun to register this file (${file})`);
    throw unwritten(path, error);
  }
  return () => rmSync(file, { force: true });
}

const unwritten = (path: string, error: unknown): CliError =>
  new CliError(
    EXIT.failed,
    `cannot write ${path}: ${(error as NodeJS.ErrnoException).code}; --failures names another place`,
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
    // Not JSON: the same.
  }
  if (restart) return void rmSync(path);
  throw usage(`${path} is broken: begin anew with --restart, which registers nobody twice`);
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

/** A process that was killed wrote no end, and its number may be another's by now. */
function isRunning({ pid, started_ms }: Saved): boolean {
  if (pid === process.pid) return started_ms === STARTED_MS;
  const machineStartedMs = Date.now() - uptime() * 1000;
  if (pid === 0 || started_ms < machineStartedMs) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const changed = (line: number): CliError =>
  usage(
    `up to line ${line} the file is not what it was when it was begun: begin anew with --restart, which registers nobody twice`,
  );
