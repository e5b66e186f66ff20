/**
 * Draws the keys of a purpose along a time line:
 *
 *                    now
 *     aB3dE6  ════════╪══════════·············│         current, retires in 2 d 3 h
 *     f9_xYz       --------------══════════════════▶    next, signs in 1 d 2 h
 */
import type { KeySummary, KeysetSummary } from '../../lambda/contract/keys.ts';
import { fold } from '../print.ts';
import { durationText, fromNow } from '../time.ts';
import { fullness, newest, promotion, rotations, troubles, whyNoneSigns } from './print.ts';

/** Columns of the time line itself: at most, and at least. */
const WIDEST = 52;
const NARROWEST = 12;
/** Columns beside it: the kid, the state and the next event. */
const BESIDE = 48;
/** Columns before it. */
const BEFORE = 10;

/**
 * @param args the target's, for the commands to type
 * @param columns the terminal's width
 * @returns the lines, folded to `columns`
 */
export function timeline(keyset: KeysetSummary, nowMs: number, args = '', columns?: number): string[] {
  const total = columns ?? WIDEST + BESIDE;
  // A narrow terminal has what stands beside the time line below it.
  const isNarrow = total < NARROWEST + BESIDE;
  const width = Math.max(NARROWEST, Math.min(WIDEST, total - (isNarrow ? BEFORE + 2 : BESIDE)));
  const folded = (lines: readonly string[]) => lines.flatMap((line) => fold(line, columns, 4));
  const keys = keyset.keys
    .map((key) => ({ ...key, activatesAt: activation(key, nowMs), retiresAt: retirement(key) }))
    .toSorted((a, b) => a.activatesAt - b.activatesAt);
  const { finish, publish_to_sign, sign_to_remove } = keyset.windows;
  const sums = [
    `${keyset.purpose}: a new key signs ${durationText(publish_to_sign)} after its creation; the old key goes ${durationText(sign_to_remove)} later`,
    `  to signing  ${durationText(publish_to_sign)}: ${durationText(finish)} to publish it (X), and ${durationText(publish_to_sign - finish)} until every copy has it`,
    `  to removal  ${durationText(sign_to_remove)} until no copy signs with the old key, and all it signed has expired`,
  ];
  const fault = whyNoneSigns(keyset, args);
  const ends = [
    ...(fault === undefined ? [] : [fault]),
    ...promotion(keyset, args),
    ...troubles(keyset, args),
    ...fullness(keyset),
    ...rotations(keyset, nowMs),
  ].map((line) => `  ${line}`);
  if (keys.length === 0) return folded([...sums, ...ends]);

  const made = (at: number) => at - publish_to_sign;
  const turns = keys.map(({ activatesAt, retiresAt }) => (retiresAt === Infinity ? activatesAt : retiresAt));
  const last = Math.max(nowMs, ...turns);
  // Show as much past as future: a month of past would leave no room for the coming days.
  const horizon = Math.max(last - nowMs, publish_to_sign + sign_to_remove);
  const starts = keys.map(({ activatesAt }) => (activatesAt > nowMs ? made(activatesAt) : activatesAt));
  const from = Math.max(nowMs - horizon, Math.min(nowMs, ...starts));
  // Leave room for the newest key, which has no end.
  const to = last + Math.max((last - from) * 0.1, 1);
  const column = (at: number) =>
    Math.round(((Math.min(Math.max(at, from), to) - from) / (to - from)) * (width - 1));
  const now = column(nowMs);
  const notRevoked = keys.filter(({ state }) => state !== 'revoked');
  const rows = keys.flatMap((key) => {
    const next = notRevoked[notRevoked.indexOf(key) + 1];
    const cells = Array<string>(width).fill(' ');
    const fill = (start: number, end: number, mark: string) =>
      cells.fill(mark, column(start), column(end) + 1);
    if (key.state !== 'revoked') {
      if (key.activatesAt > nowMs) fill(made(key.activatesAt), key.activatesAt, '-');
      if (next) fill(next.activatesAt, key.retiresAt, '·');
      fill(key.activatesAt, next ? next.activatesAt : to, '═');
      if (key.retiresAt === Infinity) cells[width - 1] = '▶';
      else cells[column(key.retiresAt)] = '│';
    }
    if (cells[now] === '═') cells[now] = '╪';
    else if (cells[now] === ' ') cells[now] = '┊';
    const row = `  ${key.kid}  ${cells.join('')}`;
    const beside = describe(key, nowMs);
    return isNarrow
      ? [row.trimEnd(), ...fold(`${' '.repeat(BEFORE)}${beside}`, columns, BEFORE)]
      : [`${row}  ${beside}`];
  });
  return [
    ...folded(sums),
    `${' '.repeat(Math.max(0, BEFORE + now - 1))}now`,
    ...rows,
    ...folded([
      keyset.pending === null
        ? outlook(keyset, newest(keyset)?.activates_at, nowMs)
        : '  a rotation is in progress or was interrupted',
      ...ends,
    ]),
  ];
}

/** A current key signs now. If that is before its time, every older key is revoked. */
const activation = ({ state, activates_at }: KeySummary, nowMs: number): number =>
  state === 'current' ? Math.min(Date.parse(activates_at), nowMs) : Date.parse(activates_at);

const retirement = ({ retires_at }: KeySummary): number =>
  retires_at === null ? Infinity : Date.parse(retires_at);

/** @returns the key's state and its next event; for a retired key, the last event */
function describe({ state, activates_at, retires_at }: KeySummary, nowMs: number): string {
  if (state === 'next') return `next, signs ${fromNow(Date.parse(activates_at), nowMs)}`;
  if (retires_at === null || state === 'revoked') return state;
  const ends = fromNow(Date.parse(retires_at), nowMs);
  return state === 'retired' ? `retired ${ends}` : `${state}, retires ${ends}`;
}

/** @returns the line that says when a key that is created now would sign, and when the newest key would go */
function outlook({ windows }: KeysetSummary, newestAt: string | undefined, nowMs: number): string {
  if (newestAt === undefined) return '  after a rotation now, the new key signs at once: no other is live';
  const signs = Math.max(nowMs + windows.publish_to_sign, Date.parse(newestAt) + 1);
  return `  after a rotation now, the new key signs ${fromNow(signs, nowMs)}; the newest key goes ${fromNow(signs + windows.sign_to_remove, nowMs)}`;
}
