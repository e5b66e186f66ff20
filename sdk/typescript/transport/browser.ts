/** HTTP in a browser, or on another runtime with its own `fetch`: the runtime manages the connections. */
import type { Transport } from './transport.ts';

export const createTransport = (): Transport => ({
  fetch: (url, init) => globalThis.fetch(url, init),
  close: async () => {},
});
