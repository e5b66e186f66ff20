/**
 * Logs by allow-list: a line holds the fields below and nothing else, so no proof, key, nonce or Authorization
 * value can reach one. `client_id` is set only once a signature vouches for it.
 */

export interface LogEntry {
  readonly level: 'INFO' | 'WARN' | 'ERROR';
  readonly message: 'request' | 'audit' | 'keyset';
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
  /** What an operator is answered, in words of ours that quote nothing of a value. */
  readonly detail?: string | undefined;
  readonly client_id?: string | undefined;
  /** Client and generation that a strict key in the request names. Anybody can write one that is none. */
  readonly exposed_key?: string | undefined;
  readonly duration_ms?: number | undefined;
  readonly action?: string | undefined;
  readonly target?: string | undefined;
  readonly purpose?: string | undefined;
  /** Class of an error and where it was thrown; its message may quote input and is left out. */
  readonly error?: string | undefined;
  readonly stack?: readonly string[] | undefined;
}

const FIELDS = [
  'request_id',
  'function',
  'region',
  'method',
  'route',
  'status',
  'code',
  'reason',
  'detail',
  'client_id',
  'exposed_key',
  'duration_ms',
  'action',
  'target',
  'purpose',
  'error',
  'stack',
] as const satisfies readonly (keyof LogEntry)[];

/** @returns the fields of the list that are set, whatever else an entry has got into it */
export function allowedFields(entry: LogEntry): Record<string, string | number | readonly string[]> {
  const fields: Record<string, string | number | readonly string[]> = {};
  for (const name of FIELDS) {
    const value = entry[name];
    if (value !== undefined) fields[name] = value;
  }
  return fields;
}

export type Log = (entry: LogEntry) => void;

/** @returns what of an error is safe to log */
export function describeError(error: unknown): Pick<LogEntry, 'error' | 'stack'> {
  if (!(error instanceof Error)) return { error: typeof error };
  const names = [error.name];
  for (let { cause } = error; cause instanceof Error; { cause } = cause) names.push(cause.name);
  // The stack begins with the message, which may hold lines that look like frames.
  const { stack = '', message } = error;
  const header = stack.indexOf(message);
  const frames = header < 0 ? [] : stack.slice(header + message.length).split('\n');
  const isFrame = (line: string) => /^at (async |new )?\S+( \[as \w+\])?( \([^\s()]+\))?$/.test(line);
  return {
    error: names.join(' < '),
    stack: frames
      .map((line) => line.trim())
      .filter(isFrame)
      .slice(0, 8),
  };
}
