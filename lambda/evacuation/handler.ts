/**
 * Runs every minute in the Region that keeps another's evacuation flag, and publishes the metric that keeps
 * that Region out of DNS: 1 while the flag is set, 0 for a while after it was removed (docs/regions.md,
 * "Evacuation").
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

/** A failure publishes nothing, and silence changes nothing: the next minute is early enough. */
export const evacuationHandler =
  ({ evacuations, putMetric, kept, nowMs }: EvacuationOptions): (() => Promise<void>) =>
  async () => {
    const value = evacuationMetric(await evacuations.read(kept), nowMs());
    if (value !== undefined) await putMetric(kept, value);
  };
