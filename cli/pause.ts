/** The pause between two looks at something that AWS has yet to do. */
import { setTimeout as delay } from 'node:timers/promises';
import { interrupted } from './io.ts';

/** @throws CliError where the signal ends it */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal }).catch(() => {
    throw interrupted();
  });
