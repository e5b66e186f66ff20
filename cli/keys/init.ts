/** Creates the first keys of a new stage, and waits until every Region has them. */
import type { ReplicaState } from '../../lambda/contract/keys.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { CliError, EXIT, type ExitCode } from '../io.ts';
import type { Target } from '../target.ts';
import { askKeys, exitOf } from './ask.ts';
import { newest, rolledBack, whyNoneSigns } from './print.ts';
import { type WaitOptions, waitForRegions } from './wait.ts';

export interface Initialised {
  readonly purpose: Purpose;
  /** The newest key; undefined where there is none. */
  readonly kid: string | undefined;
  /** Whether this run created it. */
  readonly made: boolean;
  /** Regions that do not have it, or did not answer. */
  readonly missing: readonly string[];
  /** Replicas that AWS could not make, and those of `missing` that are not in sync. */
  readonly replicas: readonly ReplicaState[];
  readonly failure?: { readonly message: string; readonly exit: ExitCode };
}

/**
 * Rotates each keyset that has no keys, then waits for all of them. A purpose that fails does not stop the
 * others.
 */
export async function initKeys(target: Target, options: WaitOptions): Promise<Initialised[]> {
  const endMs = Date.now() + options.timeoutMs;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  const made: Initialised[] = [];
  for (const purpose of PURPOSES)
    try {
      made.push(await firstKey(target, purpose, signal, options.report));
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode === EXIT.interrupted) throw error;
      const failure = { message: error.message, exit: error.exitCode };
      made.push({ purpose, kid: undefined, made: false, missing: [], replicas: [], failure });
    }
  // All at the same time: a purpose that is waiting takes no time from the others.
  return Promise.all(
    made.map(async (each) => {
      if (each.failure) return each;
      const { missing, replicas } = await waitForRegions(target, each.purpose, each.kid!, endMs, {
        ...options,
        signal,
      });
      const isBehind = ({ region, status }: ReplicaState) =>
        status === 'Failed' || (status !== 'InSync' && missing.includes(region));
      return { ...each, missing, replicas: replicas.filter(isBehind) };
    }),
  );
}

async function firstKey(
  target: Target,
  purpose: Purpose,
  signal: AbortSignal,
  report: WaitOptions['report'],
): Promise<Initialised> {
  const home = target.regions[0]!;
  let keyset = await askKeys(target, home, purpose, 'keys.list', {}, signal);
  const made = keyset.keys.length === 0 && keyset.unreadable === null && keyset.fall_back === null;
  if (made) keyset = await askKeys(target, home, purpose, 'keys.rotate', {}, signal);
  const fault = rolledBack(keyset, target.args)[0] ?? whyNoneSigns(keyset, target.args);
  if (fault !== undefined) throw new CliError(EXIT.failed, fault);
  const { kid } = newest(keyset)!;
  report(made ? `${purpose}: created key ${kid}` : `${purpose}: has keys already, the newest is ${kid}`);
  return { purpose, kid, made, missing: [], replicas: [] };
}

export const initExit = (all: readonly Initialised[]): ExitCode =>
  exitOf(
    all.map(
      ({ failure, missing, replicas }) =>
        failure?.exit ?? (missing.length > 0 || replicas.length > 0 ? EXIT.failed : EXIT.done),
    ),
  );
