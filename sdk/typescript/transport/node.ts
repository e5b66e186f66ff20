/** HTTP on Node: one pool of kept-alive connections per client, closed with it. */
// First: what is imported next does not load on an older one.
import './node-version.ts';

import { Agent, interceptors, fetch as undiciFetch } from 'undici';
import type { Transport } from './transport.ts';

/** DNS answers are kept no longer than this, and no connection outlives five times that: failover moves names. */
const DNS_TTL_MS = 60_000;

export function createTransport(): Transport {
  const dispatcher = new Agent({ connections: 128, clientTtl: 5 * DNS_TTL_MS }).compose(
    interceptors.dns({ maxTTL: DNS_TTL_MS }),
  );
  return {
    fetch: ((url: string, init: object) =>
      undiciFetch(url, { ...init, dispatcher })) as unknown as typeof fetch,
    close: () => dispatcher.destroy(),
  };
}
