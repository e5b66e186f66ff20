/** Tells the other Regions the time, and notes how late they are here (docs/decisions/0051). */
import { afterHeard } from '../../protocol/heard.ts';
import type { Events } from '../adapters/events.ts';
import type { Notices } from '../adapters/notices.ts';

export interface HearOptions {
  readonly notices: Notices;
  readonly events: Pick<Events, 'recall' | 'note'>;
  readonly region: string;
  /** The other Regions of the stage. */
  readonly others: readonly string[];
  readonly nowMs: () => number;
}

/** @throws Unavailable. Without it, cursors only go back further */
export async function hear({ notices, events, region, others, nowMs }: HearOptions): Promise<void> {
  await notices.heartbeat(region, nowMs());
  const heardMs = await notices.heardMs(others);
  if (heardMs === undefined) return;
  await events.note('heard', afterHeard(await events.recall('heard'), heardMs, nowMs()));
}
