/** Waits until every Region's copy of a keyset has a key. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { CliError } from '../io.ts';
import type { Target } from '../target.ts';
import { look } from './look.ts';

export interface WaitOptions {
  /** Limit on the wait for all Regions. */
  readonly timeoutMs: number;
  /** Pause between two polls of the Regions. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
  /** Takes a line of progress. */
  report(text: string): void;
}

/** @returns the Regions that do not have the key by `endMs`, or did not answer */
export async function waitForRegions(
  target: Target,
  purpose: Purpose,
  kid: string,
  endMs: number,
  { pollMs, signal, report }: Omit<WaitOptions, 'timeoutMs'>,
): Promise<readonly string[]> {
  let reported = '';
  for (;;) {
    const missing = await regionsWithout(target, purpose, kid);
    if (missing.length === 0 || Date.now() >= endMs || signal.aborted) return missing;
    const waiting = `${purpose}: waiting for ${missing.join(', ')}`;
    if (waiting !== reported) report(waiting);
    reported = waiting;
    await delay(pollMs, undefined, { signal }).catch(() => {});
  }
}

async function regionsWithout(target: Target, purpose: Purpose, kid: string): Promise<readonly string[]> {
  try {
    const { regions } = (await look(target, purpose)).result;
    return regions.flatMap(({ region, kids }) => (kids?.includes(kid) ? [] : region));
  } catch (error) {
    if (error instanceof CliError) return target.regions;
    throw error;
  }
}
