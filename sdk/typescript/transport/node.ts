/** HTTP on Node: each client has one pool of keep-alive connections, and closes it when it closes. */
// This must come first: the next import fails to load on an older Node.
import './node-version.ts';

import { Agent, interceptors, fetch as undiciFetch } from 'undici';
import type { Transport } from './transport.ts';

/**
 * DNS answers are kept at most this long, and a connection lives at most five times as long: a fail-over
 * moves names.
 */
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
