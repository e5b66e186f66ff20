/** Waits that an AbortSignal can end. */

/**
 * Waits for a promise that other callers may wait for too: an abort ends only this wait, not the work.
 *
 * @throws the promise's own error, or the reason of the first signal that aborts; no listener stays behind
 */
export async function abortable<T>(promise: Promise<T>, signals: readonly AbortSignal[]): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const listeners = signals.map((signal) => {
    const onAbort = () => aborted.reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
    return () => signal.removeEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([aborted.promise, promise]);
  } finally {
    for (const remove of listeners) remove();
  }
}

/** Waits `ms` milliseconds. @throws the reason of the first signal that aborts */
export async function sleep(ms: number, signals: readonly AbortSignal[]): Promise<void> {
  const slept = Promise.withResolvers<void>();
  const timer = setTimeout(slept.resolve, ms);
  try {
    await abortable(slept.promise, signals);
  } finally {
    clearTimeout(timer);
  }
}
