/** First keys for a new stage, and the wait until every Region has them. */
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { CliError, EXIT, type ExitCode } from '../io.ts';
import type { Target } from '../target.ts';
import { askKeys, exitOf } from './ask.ts';
import { newest } from './print.ts';
import { type WaitOptions, waitForRegions } from './wait.ts';

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

/** A keyset that holds keys is not rotated, but waited for. One purpose that fails does not keep another from its keys. */
export async function initKeys(target: Target, options: WaitOptions): Promise<Initialised[]> {
  const made: Initialised[] = [];
  for (const purpose of PURPOSES)
    try {
      made.push(await firstKey(target, purpose, options.say));
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const failure = { message: error.message, exit: error.exitCode };
      made.push({ purpose, kid: undefined, made: false, missing: [], failure });
    }
  const endMs = Date.now() + options.timeoutMs;
  const waited: Initialised[] = [];
  for (const each of made)
    waited.push(
      each.failure
        ? each
        : { ...each, missing: await waitForRegions(target, each.purpose, each.kid!, endMs, options) },
    );
  return waited;
}

async function firstKey(target: Target, purpose: Purpose, say: WaitOptions['say']): Promise<Initialised> {
  const home = target.regions[0]!;
  let keyset = await askKeys(target, home, purpose, 'keys.list', {});
  const made = keyset.keys.length === 0;
  if (made) keyset = await askKeys(target, home, purpose, 'keys.rotate', {});
  const { kid } = newest(keyset)!;
  say(made ? `${purpose}: key ${kid} made` : `${purpose}: has keys already, the newest is ${kid}`);
  return { purpose, kid, made, missing: [] };
}

export const initExit = (all: readonly Initialised[]): ExitCode =>
  exitOf(all.map(({ failure, missing }) => failure?.exit ?? (missing.length > 0 ? EXIT.failed : EXIT.done)));
