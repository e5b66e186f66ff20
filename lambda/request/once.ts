/**
 * @returns the work, done once by an instance: later calls share its outcome, and one that failed is tried
 * again by the next call
 */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}
