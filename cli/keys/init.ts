/** First keys for a new stage, and the wait until every Region has them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { KeysetSummary } from '../../lambda/contract/keys.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { CliError, EXIT, type ExitCode } from '../io.ts';
import type { Target } from '../target.ts';
import { askKeys } from './ask.ts';
import { newest } from './print.ts';

const ASK_EVERY_MS = 1_000;

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
  /** For all of the waiting. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  say(text: string): void;
}

/** A keyset that holds keys is not rotated, but waited for. One purpose that fails does not keep another from its keys. */
export async function initKeys(
  target: Target,
  { timeoutMs, signal, say }: InitOptions,
): Promise<Initialised[]> {
  const made: Initialised[] = [];
  for (const purpose of PURPOSES)
    try {
      made.push(await firstKey(target, purpose, say));
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const failure = { message: error.message, exit: error.exitCode };
      made.push({ purpose, kid: undefined, made: false, missing: [], failure });
    }
  const endMs = Date.now() + timeoutMs;
  const waited: Initialised[] = [];
  for (const each of made)
    waited.push(each.failure ? each : await waitForRegions(target, each, endMs, signal, say));
  return waited;
}

async function firstKey(target: Target, purpose: Purpose, say: InitOptions['say']): Promise<Initialised> {
  const home = target.regions[0]!;
  let keyset = await askKeys(target, home, purpose, 'keys.list', {});
  const made = newest(keyset) === undefined;
  if (made) keyset = await askKeys(target, home, purpose, 'keys.rotate', {});
  const { kid } = newest(keyset)!;
  say(made ? `${purpose}: key ${kid} made` : `${purpose}: has keys already, the newest is ${kid}`);
  return { purpose, kid, made, missing: [] };
}

async function waitForRegions(
  target: Target,
  init: Initialised,
  endMs: number,
  signal: AbortSignal,
  say: InitOptions['say'],
): Promise<Initialised> {
  const { purpose, kid } = init;
  let told = '';
  for (;;) {
    const missing = await regionsWithout(target, purpose, kid!);
    if (missing.length === 0 || Date.now() >= endMs || signal.aborted) return { ...init, missing };
    const waiting = `${purpose}: waiting for ${missing.join(', ')}`;
    if (waiting !== told) say(waiting);
    told = waiting;
    await delay(ASK_EVERY_MS, undefined, { signal }).catch(() => {});
  }
}

/** As the home Region's function sees them, and where it cannot, as the Region's own does. */
async function regionsWithout(target: Target, purpose: Purpose, kid: string): Promise<string[]> {
  const [home, ...others] = target.regions;
  const keyset = await ask(target, home!, purpose);
  const seen = new Map(keyset?.regions.map(({ region, kids }) => [region, kids]));
  const missing = keyset?.keys.some((key) => key.kid === kid) ? [] : [home!];
  for (const region of new Set([...others, ...seen.keys()])) {
    const kids = seen.get(region) ?? (await ask(target, region, purpose))?.keys.map((key) => key.kid);
    if (!kids?.includes(kid)) missing.push(region);
  }
  return missing;
}

const ask = (target: Target, region: string, purpose: Purpose): Promise<KeysetSummary | undefined> =>
  askKeys(target, region, purpose, 'keys.list', {}).catch((error: unknown) => {
    if (error instanceof CliError) return undefined;
    throw error;
  });

export const initExit = (all: readonly Initialised[]): ExitCode => {
  const failures = all.flatMap(({ failure }) => failure ?? []);
  if (failures.length === 0) return all.some(({ missing }) => missing.length > 0) ? EXIT.failed : EXIT.done;
  return failures.length === all.length && failures.every(({ exit }) => exit === EXIT.unreachable)
    ? EXIT.unreachable
    : EXIT.failed;
};
