/** The entry: passes each request to the first healthy Region, as DNS with health checks does (docs/deploy.md). */
import type { HttpListener } from './server.ts';

export interface Destination {
  /** The Region's front door. */
  readonly gateway: HttpListener;
  /** Answers 200 while the Region can register. */
  readonly healthUrl: string;
}

/** The result of a health check is used for this long. */
const CHECK_EVERY_MS = 5_000;
const CHECK_TIMEOUT_MS = 2_000;

/** @param regions in order of preference. If none is healthy, requests go to the first, as with Route 53. */
export function createRouter(regions: readonly Destination[], nowMs: () => number): HttpListener {
  let found: { readonly atMs: number; readonly region: Promise<Destination> } | undefined;

  return async (request, response) => {
    const now = nowMs();
    if (!found || Math.abs(now - found.atMs) >= CHECK_EVERY_MS)
      found = { atMs: now, region: firstHealthy(regions) };
    const { gateway } = await found.region;
    await gateway(request, response);
  };
}

async function firstHealthy(regions: readonly Destination[]): Promise<Destination> {
  for (const region of regions) if (await isHealthy(region)) return region;
  return regions[0]!;
}

async function isHealthy({ healthUrl }: Destination): Promise<boolean> {
  try {
    const answer = await fetch(healthUrl, { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}
