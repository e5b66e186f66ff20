/**
 * Whether this Region takes writes, as an instance knows it. An operator may have taken the Region out of
 * service, or stopped the writes of `registry` and `clients` while these are copied. Both items are read
 * together, so that a request waits for one of the two reads, and knows both at the same age.
 */
import type { Evacuations } from '../adapters/evacuations.ts';
import type { WriteStop } from '../adapters/write-stop.ts';
import { describeError, type Log } from '../log.ts';
import { Copy } from './copy.ts';

/**
 * No write begins more than ten seconds after a flag or a stop was stored (docs/regions.md,
 * WRITE_STOP_SETTLE_MS).
 */
const TIMES = { refreshMs: 5_000, cooldownMs: 1_000, maxAgeMs: 10_000 };

export interface WritesOptions {
  readonly evacuations: Pick<Evacuations, 'read'>;
  readonly stop: Pick<WriteStop, 'read'>;
  readonly region: string;
  readonly nowMs: () => number;
  readonly log: Log;
}

export type WriteRefusal = 'evacuated' | 'stopped';

/**
 * @returns a check that returns why no write may begin, or undefined where one may
 * @throws Unavailable (the check) where one of the two cannot be read: a Region that cannot know accepts none
 */
export function writesCheck(options: WritesOptions): () => Promise<WriteRefusal | undefined> {
  const { evacuations, stop, region, nowMs, log } = options;
  const copy = new Copy<{ readonly refusal: WriteRefusal | undefined }>({
    ...TIMES,
    part: 'limits',
    async read() {
      const [flag, stoppedAtMs] = await Promise.all([evacuations.read(region), stop.read()]);
      return { refusal: flag?.stands ? 'evacuated' : stoppedAtMs === undefined ? undefined : 'stopped' };
    },
    nowMs,
    failed: (error) =>
      log({ level: 'ERROR', message: 'writes', region, reason: 'limits', ...describeError(error) }),
  });
  return async () => (await copy.current()).refusal;
}
