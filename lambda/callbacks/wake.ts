/** Wakes the endpoints that events are for. */
import type { Endpoint, Endpoints } from '../adapters/endpoints.ts';
import { ALL_CLIENTS } from '../adapters/events.ts';
import type { Wake } from './deliver.ts';

/** A new endpoint may be woken so much later; the schedule finds it, too. */
const MAX_AGE_MS = 10_000;

export interface WakeOptions {
  readonly endpoints: Pick<Endpoints, 'list'>;
  readonly wake: Wake;
  /** Other Regions wake the endpoints that they hold. */
  readonly region: string;
  readonly nowMs: () => number;
}

/** @returns wakes the endpoints of clients, and those of all clients @throws Unavailable, by the call */
export function wakeInterested({ endpoints, wake, region, nowMs }: WakeOptions) {
  let held: { readonly atMs: number; readonly active: readonly Endpoint[] } | undefined;
  return async (clients: ReadonlySet<string>): Promise<void> => {
    if (!held || nowMs() - held.atMs > MAX_AGE_MS) {
      const { endpoints: all } = await endpoints.list();
      held = {
        atMs: nowMs(),
        active: all.filter(({ state, holder }) => state === 'active' && holder === region),
      };
    }
    const ids = held.active.filter(({ client }) => client === ALL_CLIENTS || clients.has(client));
    await wake(
      ids.map(({ id }) => id),
      0,
    );
  };
}
