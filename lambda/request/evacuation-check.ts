/**
 * Whether the Region is evacuated, as an instance knows it: its copy of the flag is at most ten seconds old.
 */
import type { Evacuations } from '../adapters/evacuations.ts';
import { describeError, type Log } from '../log.ts';
import { Copy } from './copy.ts';

/** As the revoked kids in the same table: a flag has its effect within ten seconds. */
const TIMES = { refreshMs: 5_000, cooldownMs: 1_000, maxAgeMs: 10_000 };

export interface EvacuationCheckOptions {
  readonly evacuations: Pick<Evacuations, 'read'>;
  readonly region: string;
  readonly nowMs: () => number;
  readonly log: Log;
}

/**
 * @returns a check that throws Unavailable where the flag cannot be read: a Region that cannot know accepts
 * no write
 */
export function evacuationCheck(options: EvacuationCheckOptions): () => Promise<boolean> {
  const { evacuations, region, nowMs, log } = options;
  const copy = new Copy({
    ...TIMES,
    part: 'limits',
    read: async () => ({ stands: (await evacuations.read(region))?.stands === true }),
    nowMs,
    failed: (error) =>
      log({ level: 'ERROR', message: 'evacuation', region, reason: 'flag', ...describeError(error) }),
  });
  return async () => (await copy.current()).stands;
}
