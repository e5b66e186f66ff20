/** The entry: passes each request to the first Region that DNS answers with (docs/regions.md). */
import { answers } from './dns/health-check.ts';
import type { HttpListener } from './server.ts';

export interface Destination {
  /** The Region's front door. */
  readonly gateway: HttpListener;
  /** Whether its health check is healthy. */
  readonly isHealthy: () => boolean;
}

/** @param regions in order of preference */
export function createRouter(regions: readonly Destination[]): HttpListener {
  return async (request, response) => {
    const [first] = answers(regions, ({ isHealthy }) => isHealthy());
    await first!.gateway(request, response);
  };
}
