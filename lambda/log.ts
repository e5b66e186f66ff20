/**
 * Logs by allow-list: a line holds these fields and nothing else, so it never holds a proof, a key, a nonce
 * or a value of Authorization. `client_id` is set only once a signature is verified.
 */

import type { LogEntry } from './contract/log-entry.ts';

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

/** @returns the fields of the list that are set; anything else in the entry is dropped */
export function allowedFields(entry: LogEntry): Record<string, string | number | readonly string[]> {
  const fields: Record<string, string | number | readonly string[]> = {};
  for (const name of FIELDS) {
    const value = entry[name];
    if (value !== undefined) fields[name] = value;
  }
  return fields;
}

export type Log = (entry: LogEntry) => void;

/** @returns an error's class and where it was thrown, which are safe to log */
export function describeError(error: unknown): Pick<LogEntry, 'error' | 'stack'> {
  if (!(error instanceof Error)) return { error: typeof error };
  const names = [error.name];
  for (let { cause } = error; cause instanceof Error; { cause } = cause) names.push(cause.name);
  // A stack begins with the message, and lines of the message may look like frames.
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
