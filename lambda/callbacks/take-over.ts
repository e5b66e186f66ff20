/**
 * Begins the term of a Region that took an endpoint over. Each Region numbers events on its own, so a number
 * of the Region before means nothing here: the place to begin at follows from its time.
 */
import { OTHER_REGION_MS } from '../../protocol/event.ts';
import type { Endpoint, Endpoints } from '../adapters/endpoints.ts';
import type { Events } from '../adapters/events.ts';
import { seqBefore } from './read-events.ts';

export interface TakeOverOptions {
  readonly endpoints: Pick<Endpoints, 'get' | 'begin'>;
  readonly events: Pick<Events, 'query' | 'range'>;
}

/** In the holder. @throws Unavailable */
export async function takeOver(
  { endpoints, events }: TakeOverOptions,
  { id, term }: Endpoint,
): Promise<void> {
  // Read once more: a change that was made before the move is in it now.
  const endpoint = await endpoints.get(id);
  if (endpoint?.term !== term || !endpoint.takesOver) return;
  const { client, state, verified, cursorAtMs, ping, pinged, takesOver } = endpoint;
  // The Region before may have seen changes as much later, or earlier, as a stream keeps them.
  const fromMs = takesOver.sinceMs ?? Math.max(0, cursorAtMs - OTHER_REGION_MS);
  await endpoints.begin(endpoint, {
    ...{ state, verified, cursor: await seqBefore(events, client, fromMs), cursorAtMs, ping, pinged },
    // It failed elsewhere, and here it has not been tried.
    ...{ openSinceMs: null, probes: 0, probeAtMs: 0, failingSinceMs: null },
  });
}
