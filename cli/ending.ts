/** Signals that ask a command to end: Ctrl-C, a terminal that closes, and whoever ends this process. */
import type { Io } from './io.ts';

const SIGNALS = ['SIGTERM', 'SIGHUP'] as const;

/**
 * Calls `end` instead of ending the process: for a command that must not leave behind what it did so far.
 *
 * @returns a function that removes the callback
 */
export function onEnding({ onInterrupt }: Pick<Io, 'onInterrupt'>, end: () => void): () => void {
  const disarm = onInterrupt(end);
  for (const signal of SIGNALS) process.on(signal, end);
  return () => {
    disarm();
    for (const signal of SIGNALS) process.off(signal, end);
  };
}
