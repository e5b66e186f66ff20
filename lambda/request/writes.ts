/**
 * Whether this Region may change `registry` and `clients`: an operator stops that while the tables are
 * copied.
 */
import { Unavailable } from '../adapters/call.ts';
import { describeError, type Log } from '../log.ts';
import { Copy } from './copy.ts';

const REFRESH_MS = 5_000;
/** No write begins longer than this after the stop was stored (WRITE_STOP_SETTLE_MS). */
const MAX_AGE_MS = 10_000;
const COOLDOWN_MS = 1_000;

const STOPPED =
  'An operator stopped registrations, deletions and changes of clients for a while; try again later.';

export interface WritesOptions {
  /** @returns since when writes are stopped, in epoch milliseconds */
  readonly read: () => Promise<number | undefined>;
  readonly nowMs: () => number;
  readonly log: Log;
}

export class Writes {
  readonly #stop: Copy<{ readonly atMs: number | undefined }>;

  constructor({ read, nowMs, log }: WritesOptions) {
    this.#stop = new Copy({
      part: 'write stop',
      read: async () => ({ atMs: await read() }),
      refreshMs: REFRESH_MS,
      cooldownMs: COOLDOWN_MS,
      maxAgeMs: MAX_AGE_MS,
      nowMs,
      failed: (error) =>
        log({ level: 'WARN', message: 'request', reason: 'write_stop', ...describeError(error) }),
    });
  }

  /** @throws Unavailable while writes are stopped, and where that is not known */
  async check(): Promise<void> {
    if ((await this.#stop.current()).atMs !== undefined) throw new Unavailable('writes', undefined, STOPPED);
  }
}
