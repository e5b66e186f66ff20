/**
 * Runs every hour in the home Region: it deletes the keys of instances that have ended, since a strongly
 * consistent table deletes nothing by itself, and reports clients with more instances than their policies
 * say.
 */
import { Unavailable } from '../adapters/call.ts';
import type { EnrolledKeys } from '../adapters/enrolled-keys.ts';
import { describeError, type Log } from '../log.ts';

export interface SweepOptions {
  readonly keys: Pick<EnrolledKeys, 'sweep' | 'countLive'>;
  /** By client, how many instances its policy expects at most. */
  readonly instances: Readonly<Record<string, number>>;
  /** Whether the tables are being copied: a deletion would be missing there. */
  readonly isStopped: () => Promise<boolean>;
  readonly region: string;
  readonly nowMs: () => number;
  readonly log: Log;
}

/** A key that ended is dead on every clock; an hour more does no harm, and shows an operator what was. */
const KEPT_S = 3_600;

/** @returns a handler that sweeps each client, and throws at the end if one could not be swept */
export const sweepHandler =
  ({ keys, instances, isStopped, region, nowMs, log }: SweepOptions) =>
  async (): Promise<void> => {
    if (await isStopped()) return;
    const line = { message: 'enrolment', region } as const;
    let failed = 0;
    for (const [target, most] of Object.entries(instances))
      try {
        const nowS = Math.floor(nowMs() / 1000);
        await keys.sweep(target, nowS - KEPT_S);
        if ((await keys.countLive(target, nowS)) > most)
          log({ level: 'WARN', ...line, reason: 'many_instances', target });
      } catch (error) {
        failed += 1;
        log({ level: 'ERROR', ...line, reason: 'sweep', target, ...describeError(error) });
      }
    if (failed > 0) throw new Unavailable(`the keys of ${failed} clients`);
  };
