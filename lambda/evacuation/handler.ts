/**
 * Runs every minute in the Region that keeps another's evacuation flag, and puts the metric that holds that Region out of
 * DNS: 1 while the flag stands, 0 for a while after it was taken back (docs/regions.md, "Evacuation").
 */
import { evacuationMetric } from '../../protocol/evacuation.ts';
import type { Evacuations } from '../adapters/evacuations.ts';

export interface EvacuationOptions {
  readonly evacuations: Pick<Evacuations, 'read'>;
  readonly putMetric: (region: string, value: 0 | 1) => Promise<void>;
  /** The Region whose flag this one keeps. */
  readonly kept: string;
  readonly nowMs: () => number;
}

/** A failure puts nothing, and silence keeps what was: the next minute is early enough. */
export const evacuationHandler =
  ({ evacuations, putMetric, kept, nowMs }: EvacuationOptions): (() => Promise<void>) =>
  async () => {
    const value = evacuationMetric(await evacuations.read(kept), nowMs());
    if (value !== undefined) await putMetric(kept, value);
  };
