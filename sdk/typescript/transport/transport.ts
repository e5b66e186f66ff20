/** How requests leave: package.json's `#transport` picks the one for where the client runs. */
export interface Transport {
  readonly fetch: typeof fetch;
  /** Ends every connection. */
  close(): Promise<void>;
}
