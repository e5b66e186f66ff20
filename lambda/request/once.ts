/**
 * @returns the work, done once by an instance: later calls share its outcome, and one that failed is tried
 * again by the next call
 */
export function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}
