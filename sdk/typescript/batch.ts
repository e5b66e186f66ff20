/**
 * Bounded concurrency over a source of any length: a result per item, nothing read ahead, nothing left
 * behind.
 */
import { AbortedError, CountersignError, InvalidArgumentError } from './errors.ts';
import { requireFunction, requireOptions } from './options.ts';
import type { Registered } from './registration.ts';

export interface BatchOptions {
  /** How many registrations run at the same time; a whole number of at least 1. @default 8 */
  readonly concurrency?: number;
  /** Called after each registration, whether it succeeded or failed. */
  readonly onProgress?: (progress: BatchProgress) => void;
  /** Ends the batch: what is under way fails with an AbortedError, and nothing more is begun. */
  readonly signal?: AbortSignal;
}

/** Counts since the batch began. */
export interface BatchProgress {
  readonly registered: number;
  readonly failed: number;
}

interface Item<U> {
  /** Position in the source, from 0. */
  readonly index: number;
  readonly user: U;
}

/** Result for one user: its registration, or the error. */
export type BatchResult<U, R = Registered<U>> =
  | (Item<U> & { readonly ok: true; readonly registration: R })
  | (Item<U> & { readonly ok: false; readonly error: CountersignError });

/**
 * @returns results in the order of completion
 * @throws InvalidArgumentError where an option is wrong
 */
export function runBatch<U, R>(
  source: Iterable<U> | AsyncIterable<U>,
  register: (user: U, signal: AbortSignal) => Promise<R>,
  options: BatchOptions,
): AsyncGenerator<BatchResult<U, R>, void, void> {
  requireOptions(options, ['concurrency', 'onProgress', 'signal']);
  requireFunction('onProgress', options.onProgress);
  const { concurrency = 8 } = options;
  // A string is iterable too, but its characters are no users.
  const isSource = typeof source === 'object' && source !== null;
  if (!isSource || !(Symbol.asyncIterator in source || Symbol.iterator in source))
    throw new InvalidArgumentError('users must be iterable, such as an array');
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new InvalidArgumentError('concurrency must be a whole number of at least 1');
  return results(source, register, { ...options, concurrency });
}

async function* results<U, R>(
  source: Iterable<U> | AsyncIterable<U>,
  register: (user: U, signal: AbortSignal) => Promise<R>,
  { concurrency, onProgress, signal }: BatchOptions & { readonly concurrency: number },
): AsyncGenerator<BatchResult<U, R>, void, void> {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const ended = new AbortController();
  const running = new Set<Promise<void>>();
  const completed: BatchResult<U, R>[] = [];
  const progress = { registered: 0, failed: 0 };
  let changed = Promise.withResolvers<void>();
  const end = () => {
    ended.abort(signal?.reason);
    changed.resolve();
  };
  let index = 0;
  let pulling = false;
  let exhausted = false;
  /** What the source threw, or a function of the application. */
  let failed: { readonly error: unknown } | undefined;

  /**
   * Reads and starts the next item. Results that nobody has read yet count as running: a slow reader slows
   * the batch.
   */
  const pull = async () => {
    if (pulling || exhausted || ended.signal.aborted || running.size + completed.length >= concurrency)
      return;
    pulling = true;
    try {
      const next = await iterator.next();
      if (next.done) exhausted = true;
      else if (!ended.signal.aborted) start({ index: index++, user: next.value });
    } catch (error) {
      exhausted = true;
      failed ??= { error };
    }
    pulling = false;
    changed.resolve();
    void pull();
  };
  const start = (item: Item<U>) => {
    const work = run(item).then((result) => {
      running.delete(work);
      completed.push(result);
      changed.resolve();
      void pull();
    });
    running.add(work);
  };
  const run = async (item: Item<U>): Promise<BatchResult<U, R>> => {
    try {
      return { ...item, ok: true, registration: await register(item.user, ended.signal) };
    } catch (error) {
      if (error instanceof CountersignError) return { ...item, ok: false, error };
      // Else it is the signal's reason, or what a function of the application threw, which ends the batch.
      if (!ended.signal.aborted) {
        failed ??= { error };
        ended.abort();
      }
      return { ...item, ok: false, error: new AbortedError(error) };
    }
  };

  if (signal?.aborted) end();
  else signal?.addEventListener('abort', end);
  try {
    void pull();
    for (;;) {
      const result = completed.shift();
      if (result) {
        void pull();
        progress[result.ok ? 'registered' : 'failed'] += 1;
        onProgress?.({ ...progress });
        yield result;
      } else if (running.size > 0 || (!exhausted && !ended.signal.aborted)) {
        await changed.promise;
        changed = Promise.withResolvers();
      } else break;
    }
    if (failed) throw failed.error;
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener('abort', end);
    ended.abort();
    await Promise.all(running);
    // A source that is still producing an item is ended when that item arrives; do not wait for it here.
    if (!exhausted) {
      const returned = Promise.resolve(iterator.return?.()).catch(() => {});
      if (!pulling) await returned;
    }
  }
}
