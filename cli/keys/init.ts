/** First keys for a new stage, and the wait until every Region has them. */
import { setTimeout as delay } from 'node:timers/promises';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { CliError, EXIT, type ExitCode } from '../io.ts';
import type { Target } from '../target.ts';
import { askKeys, exitOf } from './ask.ts';
import { look } from './look.ts';
import { newest, whyNoneSigns } from './print.ts';

export interface Initialised {
  readonly purpose: Purpose;
  /** The newest key; undefined where there is none. */
  readonly kid: string | undefined;
  /** Whether this run made it. */
  readonly made: boolean;
  /** Regions that do not have it, or did not say. */
  readonly missing: readonly string[];
  readonly failure?: { readonly message: string; readonly exit: ExitCode };
}

export interface InitOptions {
  /** For everything. */
  readonly timeoutMs: number;
  /** From one look at the Regions to the next. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
  say(text: string): void;
}

/** A keyset that holds keys is not rotated, but waited for. One purpose that fails does not keep another from its keys. */
export async function initKeys(target: Target, options: InitOptions): Promise<Initialised[]> {
  const endMs = Date.now() + options.timeoutMs;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  const made: Initialised[] = [];
  for (const purpose of PURPOSES)
    try {
      made.push(await firstKey(target, purpose, signal, options.say));
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode === EXIT.interrupted) throw error;
      const failure = { message: error.message, exit: error.exitCode };
      made.push({ purpose, kid: undefined, made: false, missing: [], failure });
    }
  // Side by side: one that is not there yet takes no time from the others.
  return Promise.all(
    made.map((each) => (each.failure ? each : waitForRegions(target, each, endMs, { ...options, signal }))),
  );
}

async function firstKey(
  target: Target,
  purpose: Purpose,
  signal: AbortSignal,
  say: InitOptions['say'],
): Promise<Initialised> {
  const home = target.regions[0]!;
  let keyset = await askKeys(target, home, purpose, 'keys.list', {}, signal);
  const made = keyset.keys.length === 0 && keyset.unreadable === null && keyset.fall_back === null;
  if (made) keyset = await askKeys(target, home, purpose, 'keys.rotate', {}, signal);
  const fault = whyNoneSigns(keyset);
  if (fault !== undefined) throw new CliError(EXIT.failed, fault);
  const { kid } = newest(keyset)!;
  say(made ? `${purpose}: key ${kid} made` : `${purpose}: has keys already, the newest is ${kid}`);
  return { purpose, kid, made, missing: [] };
}

async function waitForRegions(
  target: Target,
  init: Initialised,
  endMs: number,
  { pollMs, signal, say }: InitOptions,
): Promise<Initialised> {
  const { purpose, kid } = init;
  let missing: readonly string[] = target.regions;
  let told = '';
  for (;;) {
    missing = (await regionsWithout(target, purpose, kid!, signal)) ?? missing;
    if (missing.length === 0 || Date.now() >= endMs || signal.aborted) return { ...init, missing };
    const waiting = `${purpose}: waiting for ${missing.join(', ')}`;
    if (waiting !== told) say(waiting);
    told = waiting;
    await delay(pollMs, undefined, { signal }).catch(() => {});
  }
}

/** @returns undefined where the look was ended before it told */
async function regionsWithout(
  target: Target,
  purpose: Purpose,
  kid: string,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  try {
    const { regions } = (await look(target, purpose, { signal })).result;
    return regions.flatMap(({ region, kids, revoked }) =>
      kids?.includes(kid) && !revoked?.includes(kid) ? [] : region,
    );
  } catch (error) {
    if (error instanceof CliError) return signal.aborted ? undefined : target.regions;
    throw error;
  }
}

export const initExit = (all: readonly Initialised[]): ExitCode =>
  exitOf(all.map(({ failure, missing }) => failure?.exit ?? (missing.length > 0 ? EXIT.failed : EXIT.done)));
