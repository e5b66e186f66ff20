/** HTTP in a browser, or anywhere else with a `fetch` of its own, which keeps its connections itself. */
import type { Transport } from './transport.ts';

export const createTransport = (): Transport => ({
  fetch: (url, init) => globalThis.fetch(url, init),
  close: async () => {},
});
