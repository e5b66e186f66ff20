/** Creates the first keys of a new stage, and waits until every Region has them. */
import { setTimeout as delay } from 'node:timers/promises';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { CliError, EXIT, type ExitCode } from '../io.ts';
import type { Target } from '../target.ts';
import { askKeys, exitOf } from './ask.ts';
import { look } from './look.ts';
import { newest } from './print.ts';

export interface Initialised {
  readonly purpose: Purpose;
  /** The newest key; undefined where there is none. */
  readonly kid: string | undefined;
  /** Whether this run created it. */
  readonly made: boolean;
  /** Regions that do not have it, or did not answer. */
  readonly missing: readonly string[];
  readonly failure?: { readonly message: string; readonly exit: ExitCode };
}

export interface InitOptions {
  /** Limit on the wait for all Regions. */
  readonly timeoutMs: number;
  /** Pause between two polls of the Regions. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
  /** Takes a line of progress. */
  report(text: string): void;
}

/** Rotates each keyset that has no keys, then waits for all of them. A purpose that fails does not stop the others. */
export async function initKeys(target: Target, options: InitOptions): Promise<Initialised[]> {
  const made: Initialised[] = [];
  for (const purpose of PURPOSES)
    try {
      made.push(await firstKey(target, purpose, options.report));
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const failure = { message: error.message, exit: error.exitCode };
      made.push({ purpose, kid: undefined, made: false, missing: [], failure });
    }
  const endMs = Date.now() + options.timeoutMs;
  const waited: Initialised[] = [];
  for (const each of made)
    waited.push(each.failure ? each : await waitForRegions(target, each, endMs, options));
  return waited;
}

async function firstKey(
  target: Target,
  purpose: Purpose,
  report: InitOptions['report'],
): Promise<Initialised> {
  const home = target.regions[0]!;
  let keyset = await askKeys(target, home, purpose, 'keys.list', {});
  const made = keyset.keys.length === 0;
  if (made) keyset = await askKeys(target, home, purpose, 'keys.rotate', {});
  const { kid } = newest(keyset)!;
  report(made ? `${purpose}: created key ${kid}` : `${purpose}: has keys already, the newest is ${kid}`);
  return { purpose, kid, made, missing: [] };
}

async function waitForRegions(
  target: Target,
  init: Initialised,
  endMs: number,
  { pollMs, signal, report }: InitOptions,
): Promise<Initialised> {
  const { purpose, kid } = init;
  let reported = '';
  for (;;) {
    const missing = await regionsWithout(target, purpose, kid!);
    if (missing.length === 0 || Date.now() >= endMs || signal.aborted) return { ...init, missing };
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

export const initExit = (all: readonly Initialised[]): ExitCode =>
  exitOf(all.map(({ failure, missing }) => failure?.exit ?? (missing.length > 0 ? EXIT.failed : EXIT.done)));
