/** Waits until every Region's copy of a keyset has a key. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ReplicaState } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { PATIENCE_MS } from '../ask.ts';
import { CliError, EXIT, type Io, type SetExit } from '../io.ts';
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

export interface Waited {
  /** The Regions that do not have the key in time, or did not answer. */
  readonly missing: readonly string[];
  /** The secret's replicas, as far as the last answer shows them. */
  readonly replicas: readonly ReplicaState[];
}

export async function waitForRegions(
  target: Target,
  purpose: Purpose,
  kid: string,
  endMs: number,
  { pollMs, signal, report }: Omit<WaitOptions, 'timeoutMs'>,
): Promise<Waited> {
  let last: Waited = { missing: target.regions, replicas: [] };
  let reported = '';
  for (;;) {
    last = (await regionsWithout(target, purpose, kid, signal)) ?? last;
    const { missing } = last;
    if (missing.length === 0 || Date.now() >= endMs || signal.aborted) return last;
    const waiting = `${purpose}: waiting for ${missing.join(', ')}`;
    if (waiting !== reported) report(waiting);
    reported = waiting;
    await delay(pollMs, undefined, { signal }).catch(() => {});
  }
}

/**
 * Waits for a key that should sign at once, and names the Regions that do not have it in time: none may sign
 * there. @returns these Regions
 */
export async function waitForCopies(
  io: Io,
  setExit: SetExit,
  target: Target,
  purpose: Purpose,
  kid: string,
  timeoutS: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { missing } = await waitForRegions(target, purpose, kid, Date.now() + timeoutS * 1_000, {
    pollMs: io.pollMs ?? 1_000,
    // A Region that answers nothing ends the wait at its time as well.
    signal: AbortSignal.any([
      signal,
      AbortSignal.timeout(Math.max(timeoutS * 1_000, io.patienceMs ?? PATIENCE_MS)),
    ]),
    report: (text) => io.stderr.write(`${text}\n`),
  });
  if (missing.length > 0) setExit(signal.aborted ? EXIT.interrupted : EXIT.failed);
  const has = signal.aborted ? 'is not known to have' : 'does not have';
  for (const region of missing)
    io.stderr.write(
      `error: ${region} ${has} key ${kid} yet, so possibly no key signs there: see countersign keys list ${purpose}${target.args}\n`,
    );
  return missing;
}

/** @returns undefined where the signal ended the look before its answer */
async function regionsWithout(
  target: Target,
  purpose: Purpose,
  kid: string,
  signal: AbortSignal,
): Promise<Waited | undefined> {
  try {
    const { regions, replicas } = (await look(target, purpose, { signal })).result;
    const missing = regions.flatMap(({ region, kids, revoked }) =>
      kids?.includes(kid) && !revoked?.includes(kid) ? [] : region,
    );
    // A function of an earlier release does not name them.
    return { missing, replicas: replicas ?? [] };
  } catch (error) {
    if (error instanceof CliError)
      return signal.aborted ? undefined : { missing: target.regions, replicas: [] };
    throw error;
  }
}
