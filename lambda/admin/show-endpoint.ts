/** An endpoint as operators see it, with what stands in the way of delivery, and when its secret ends. */
import type { Endpoint, Endpoints, Retry } from '../adapters/endpoints.ts';
import type { Events } from '../adapters/events.ts';
import type { PublicKeys } from '../adapters/public-keys.ts';
import { secretEnd } from '../callbacks/secret-ends.ts';
import type { ShownEndpoint } from '../contract/admin.ts';

export interface ShowEndpointOptions {
  readonly endpoints: Pick<Endpoints, 'dead'>;
  readonly events: Pick<Events, 'range'>;
  /** Of `webhook-root`, without anything private. */
  readonly publicRoots: Pick<PublicKeys, 'read'>;
  /** Whether writes of this Region are stopped. */
  readonly isStopped: () => Promise<boolean>;
  readonly region: string;
  readonly nowMs: () => number;
}

/** Given-up events are counted so far. */
const MOST_COUNTED = 100;

/** @returns what shows endpoints, by what holds for all of them now */
export async function showEndpoints(options: ShowEndpointOptions) {
  const { endpoints, events, publicRoots, isStopped, region, nowMs } = options;
  const [roots, stopped] = await Promise.all([publicRoots.read(), isStopped()]);
  return async (endpoint: Endpoint, retries: readonly Retry[]): Promise<ShownEndpoint> => {
    const { id, client, url, events: types, payload, state, holder, rootKid, pinged } = endpoint;
    const isHere = holder === region && !endpoint.takesOver;
    const [pending, { letters }] = await Promise.all([
      // Before it begins, the cursor is a number of another Region's order.
      isHere && !endpoint.takesOver ? pendingOf(events, endpoint) : null,
      endpoints.dead(id, undefined, MOST_COUNTED),
    ]);
    // Before the first copy, no key has ended.
    const end = roots ? secretEnd(roots.keyset, endpoint, nowMs()) : null;
    return {
      ...{ id, client, url, events: types, payload, state, holder },
      circuit: endpoint.openSinceMs === null ? 'closed' : 'open',
      failing_since: time(endpoint.failingSinceMs),
      pending,
      retries: retries.length,
      given_up: letters.length,
      stopped: isHere ? stopped : null,
      root_kid: rootKid,
      secret_ends_at: end === 'ended' ? end : time(end),
      created_at: new Date(endpoint.createdAtMs).toISOString(),
      ping: pinged && { at: new Date(pinged.atMs).toISOString(), status: pinged.status, error: pinged.error },
    };
  };
}

const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** @returns how many numbers of its order are still to be read */
async function pendingOf(events: Pick<Events, 'range'>, { client, cursor }: Endpoint): Promise<number> {
  const range = await events.range(client);
  // The first number is high: none below it was given out.
  return range ? Math.max(0, range.last - (cursor || range.settled)) : 0;
}
