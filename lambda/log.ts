/**
 * Logs by allow-list: a line holds the fields below and nothing else, so no proof, key, nonce or Authorization
 * value can reach one. `client_id` is set only once a signature vouches for it.
 */

export interface LogEntry {
  readonly level: 'INFO' | 'WARN' | 'ERROR';
  readonly message: 'request' | 'audit' | 'keyset' | 'store' | 'error';
  readonly request_id?: string | undefined;
  readonly function?: string | undefined;
  readonly region?: string | undefined;
  readonly method?: string | undefined;
  /** API Gateway's resource, never the path, which a caller writes. */
  readonly route?: string | undefined;
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  /** Which rule refused, e.g. `htu`. */
  readonly reason?: string | undefined;
  readonly client_id?: string | undefined;
  readonly duration_ms?: number | undefined;
  readonly action?: string | undefined;
  readonly target?: string | undefined;
  readonly purpose?: string | undefined;
  /** Class of an error and where it was thrown; its message may quote input and is left out. */
  readonly error?: string | undefined;
  readonly stack?: readonly string[] | undefined;
}

export type Log = (entry: LogEntry) => void;

/** @returns what of an error is safe to log */
export function describeError(error: unknown): Pick<LogEntry, 'error' | 'stack'> {
  if (!(error instanceof Error)) return { error: typeof error };
  const names = [error.name];
  for (let { cause } = error; cause instanceof Error; { cause } = cause) names.push(cause.name);
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return { error: names.join(' < '), stack: frames.slice(0, 8).map((frame) => frame.trim()) };
}
