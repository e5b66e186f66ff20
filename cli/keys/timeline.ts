/**
 * The keys of a purpose on a line of time:
 *
 *                    now
 *     aB3dE6  ════════╪══════════·············│         current, retires in 2 d 3 h
 *     f9_xYz       --------------══════════════════▶    next, signs in 1 d 2 h
 */
import type { KeySummary, KeysetSummary } from '../../lambda/contract/keys.ts';
import { duration, fromNow } from '../time.ts';
import { fullness, newest, rotations, troubles, whyNoneSigns } from './print.ts';

/** Columns of the line. */
const WIDTH = 52;

/** @returns lines of at most 100 characters, but for the reason of a failure */
export function timeline(keyset: KeysetSummary, nowMs: number): string[] {
  const keys = keyset.keys
    .map((key) => ({ ...key, activatesAt: activation(key, nowMs), retiresAt: retirement(key) }))
    .toSorted((a, b) => a.activatesAt - b.activatesAt);
  const { finish, publish_to_sign, sign_to_remove } = keyset.windows;
  const sums = [
    `${keyset.purpose}: a new key signs ${duration(publish_to_sign)} after it is made, and the one before it goes ${duration(sign_to_remove)} later`,
    `  to signing  ${publish_to_sign} ms = X ${finish} to publish it + ${publish_to_sign - finish} until every copy has it`,
    `  to removal  ${sign_to_remove} ms until no copy signs with the old key, and what it signed has ended`,
  ];
  const fault = whyNoneSigns(keyset);
  const ends = [
    ...(fault === undefined ? [] : [fault]),
    ...troubles(keyset),
    ...fullness(keyset),
    ...rotations(keyset, nowMs),
  ].map((line) => `  ${line}`);
  if (keys.length === 0) return [...sums, ...ends];

  const made = (at: number) => at - publish_to_sign;
  const turns = keys.map(({ activatesAt, retiresAt }) => (retiresAt === Infinity ? activatesAt : retiresAt));
  const last = Math.max(nowMs, ...turns);
  // As much of what was as there is to come: a month behind would leave no room for the days ahead.
  const horizon = Math.max(last - nowMs, publish_to_sign + sign_to_remove);
  const starts = keys.map(({ activatesAt }) => (activatesAt > nowMs ? made(activatesAt) : activatesAt));
  const from = Math.max(nowMs - horizon, Math.min(nowMs, ...starts));
  // Room for the newest, which has no end.
  const to = last + Math.max((last - from) * 0.1, 1);
  const column = (at: number) =>
    Math.round(((Math.min(Math.max(at, from), to) - from) / (to - from)) * (WIDTH - 1));
  const now = column(nowMs);
  const good = keys.filter(({ state }) => state !== 'revoked');
  const rows = keys.map((key) => {
    const next = good[good.indexOf(key) + 1];
    const cells = Array<string>(WIDTH).fill(' ');
    const fill = (start: number, end: number, mark: string) =>
      cells.fill(mark, column(start), column(end) + 1);
    if (key.state !== 'revoked') {
      if (key.activatesAt > nowMs) fill(made(key.activatesAt), key.activatesAt, '-');
      if (next) fill(next.activatesAt, key.retiresAt, '·');
      fill(key.activatesAt, next ? next.activatesAt : to, '═');
      if (key.retiresAt === Infinity) cells[WIDTH - 1] = '▶';
      else cells[column(key.retiresAt)] = '│';
    }
    if (cells[now] === '═') cells[now] = '╪';
    else if (cells[now] === ' ') cells[now] = '┊';
    return `  ${key.kid}  ${cells.join('')}  ${says(key, nowMs)}`;
  });
  return [
    ...sums,
    `${' '.repeat(Math.max(0, 10 + now - 1))}now`,
    ...rows,
    ...(keyset.pending === null
      ? [outlook(keyset, newest(keyset)?.activates_at, nowMs)]
      : ['  a rotation is under way, or broke off']),
    ...ends,
  ];
}

/** One that signs before its time signs because every older key is revoked. */
const activation = ({ state, activates_at }: KeySummary, nowMs: number): number =>
  state === 'current' ? Math.min(Date.parse(activates_at), nowMs) : Date.parse(activates_at);

const retirement = ({ retires_at }: KeySummary): number =>
  retires_at === null ? Infinity : Date.parse(retires_at);

/** The next thing that happens to it, or for one that is retired, the last. */
function says({ state, activates_at, retires_at }: KeySummary, nowMs: number): string {
  if (state === 'next') return `next, signs ${fromNow(Date.parse(activates_at), nowMs)}`;
  if (retires_at === null || state === 'revoked') return state;
  const ends = fromNow(Date.parse(retires_at), nowMs);
  return state === 'retired' ? `retired ${ends}` : `${state}, retires ${ends}`;
}

/** What the next rotation would change, and when. */
function outlook({ windows }: KeysetSummary, newestAt: string | undefined, nowMs: number): string {
  if (newestAt === undefined) return '  rotated now, the new key would sign at once: no other is good';
  const signs = Math.max(nowMs + windows.publish_to_sign, Date.parse(newestAt) + 1);
  return `  rotated now, the new key would sign ${fromNow(signs, nowMs)}, and the newest of these go ${fromNow(signs + windows.sign_to_remove, nowMs)}`;
}
