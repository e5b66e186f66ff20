/** Durations as a person writes and reads them. */
import { InvalidArgumentError } from 'commander';

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** Reads `90s`, `30m`, `24h` or `7d`. @returns seconds */
export function parseTime(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count === undefined)
    throw new InvalidArgumentError('It must be a whole number followed by s, m, h or d, e.g. 24h.');
  return Number(count) * SECONDS[unit as keyof typeof SECONDS];
}

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** Checks a point in time of RFC 3339. @returns it as it is */
export function parseTimestamp(text: string): string {
  if (TIMESTAMP.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new InvalidArgumentError('It must be a time of RFC 3339, e.g. 2027-01-31T00:00:00Z.');
}

/** Reads a point in time of RFC 3339, or how long ago it is, e.g. `24h`. @returns it in RFC 3339 */
export const parseSince = (text: string): string =>
  text.includes('T') ? parseTimestamp(text) : new Date(Date.now() - parseTime(text) * 1_000).toISOString();

/** The two units that matter, e.g. `26 h`, `3 d 4 h`, `2 min 5 s`, `40 ms`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  let left = Math.round(ms / 1_000);
  const parts: string[] = [];
  for (const [unit, seconds] of UNITS) {
    const count = Math.floor(left / seconds);
    left -= count * seconds;
    if (count > 0) parts.push(`${count} ${unit}`);
    if (parts.length > 0 && (parts.length === 2 || count === 0)) break;
  }
  return parts.join(' ');
}

const UNITS = [
  ['d', SECONDS.d],
  ['h', SECONDS.h],
  ['min', SECONDS.m],
  ['s', SECONDS.s],
] as const;

/** Formats a time as seen from now: `in 3 h`, `2 d ago`. */
export const fromNow = (atMs: number, nowMs: number): string =>
  atMs >= nowMs ? `in ${durationText(atMs - nowMs)}` : `${durationText(nowMs - atMs)} ago`;
