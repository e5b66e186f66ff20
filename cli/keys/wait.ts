/** The wait until every Region's copy of a keyset has a key. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { CliError } from '../io.ts';
import type { Target } from '../target.ts';
import { look } from './look.ts';

export interface WaitOptions {
  /** For all of the waiting. */
  readonly timeoutMs: number;
  /** From one look at the Regions to the next. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
  say(text: string): void;
}

/** @returns Regions that do not have the key by `endMs`, or did not say */
export async function waitForRegions(
  target: Target,
  purpose: Purpose,
  kid: string,
  endMs: number,
  { pollMs, signal, say }: Omit<WaitOptions, 'timeoutMs'>,
): Promise<readonly string[]> {
  let told = '';
  for (;;) {
    const missing = await regionsWithout(target, purpose, kid);
    if (missing.length === 0 || Date.now() >= endMs || signal.aborted) return missing;
    const waiting = `${purpose}: waiting for ${missing.join(', ')}`;
    if (waiting !== told) say(waiting);
    told = waiting;
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
