/** Sends requests. package.json's `#transport` chooses the implementation for the runtime. */
export interface Transport {
  readonly fetch: typeof fetch;
  /** Ends every connection. */
  close(): Promise<void>;
}
