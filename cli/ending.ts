/** Signals that ask a command to end: Ctrl-C, a terminal that closes, and whoever ends this process. */
import type { Io } from './io.ts';

const SIGNALS = ['SIGTERM', 'SIGHUP'] as const;

/** A process has one listener, however many commands run in it. */
const ends = new Set<() => void>();
const endAll = () => {
  for (const end of ends) end();
};

/**
 * Calls `end` instead of ending the process: for a command that must not leave behind what it did so far.
 *
 * @returns a function that removes the callback
 */
export function onEnding({ onInterrupt }: Pick<Io, 'onInterrupt'>, end: () => void): () => void {
  const disarm = onInterrupt(end);
  // Each call has a callback of its own, even if two pass the same function.
  const own = () => end();
  if (ends.size === 0) for (const signal of SIGNALS) process.on(signal, endAll);
  ends.add(own);
  return () => {
    disarm();
    if (ends.delete(own) && ends.size === 0) for (const signal of SIGNALS) process.off(signal, endAll);
  };
}
