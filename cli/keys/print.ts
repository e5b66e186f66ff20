/** A keyset as a person reads it. */
import type { KeySummary, KeysetSummary, RegionKeys } from '../../lambda/contract/keys.ts';
import type { Io } from '../io.ts';
import { printTable } from '../print.ts';
import { fromNow } from '../time.ts';

/** Those that still count. */
export const live = ({ keys }: KeysetSummary): KeySummary[] =>
  keys.filter(({ state }) => state === 'next' || state === 'current' || state === 'previous');

/** @returns the key that was made last, if there is one */
export const newest = ({ keys }: KeysetSummary): KeySummary | undefined =>
  keys.toSorted((a, b) => Date.parse(b.activates_at) - Date.parse(a.activates_at))[0];

export function printKeyset(io: Io, keyset: KeysetSummary, nowMs: number): void {
  const { purpose, seq, pending, revoked, keys } = keyset;
  io.stdout.write(
    `${purpose}  version ${seq}${keys.length === 0 ? ', without keys: countersign keys init' : ''}\n`,
  );
  if (keys.length > 0)
    printTable(
      io,
      ['  key', 'alg', 'state', 'signs', 'retires', 'vault'],
      keys.map(({ kid, alg, state, activates_at, retires_at, vault_version }) => [
        `  ${kid}`,
        alg,
        state,
        when(activates_at, nowMs),
        retires_at === null ? '-' : when(retires_at, nowMs),
        vault_version === null ? '-' : `v${vault_version}`,
      ]),
    );
  if (pending !== null)
    io.stdout.write(`  a rotation is under way, or broke off: version ${pending} is pending\n`);
  if (revoked.length > 0) io.stdout.write(`  revoked: ${revoked.join(', ')}\n`);
  for (const each of keyset.regions)
    for (const trouble of troubles(keyset, each)) io.stdout.write(`  ${each.region}: ${trouble}\n`);
  for (const line of rotations(keyset, nowMs)) io.stdout.write(`  ${line}\n`);
}

/** What keeps a Region from doing as the others do. */
function troubles(keyset: KeysetSummary, { kids, revoked }: RegionKeys): string[] {
  const names = (keys: readonly KeySummary[]) => keys.map(({ kid }) => kid).join(', ');
  const lacks = live(keyset).filter(({ kid }) => kids && !kids.includes(kid));
  const accepts = keyset.keys.filter(
    ({ kid, state }) => state === 'revoked' && revoked && !revoked.includes(kid),
  );
  return [
    ...(kids === null ? ['cannot be read'] : []),
    ...(lacks.length > 0 ? [`lacks ${names(lacks)}`] : []),
    ...(kids !== null && revoked === null ? ['what it refuses cannot be read'] : []),
    ...(accepts.length > 0 ? [`does not refuse ${names(accepts)}: revoke again`] : []),
  ];
}

/** When the next rotation comes, and why the last one failed. */
export const rotations = (
  { next_rotation_at, last_failure }: Pick<KeysetSummary, 'next_rotation_at' | 'last_failure'>,
  nowMs: number,
): string[] => [
  ...(next_rotation_at === null ? [] : [`next rotation: ${when(next_rotation_at, nowMs)}`]),
  ...(last_failure === null
    ? []
    : [
        `last rotation failed ${when(last_failure.at, nowMs)}, ${last_failure.action}: ${last_failure.reason}`,
      ]),
];

/** What a rotation came to: when its key signs, and when those before it go. */
export function printRotated(io: Io, keyset: KeysetSummary, nowMs: number): void {
  const { purpose } = keyset;
  const { kid, activates_at } = newest(keyset)!;
  const atMs = Date.parse(activates_at);
  // The first key of all has nobody to wait for.
  const signs = atMs > nowMs ? `${fromNow(atMs, nowMs)}, at ${activates_at}` : 'now';
  io.stdout.write(`${purpose}: key ${kid} signs ${signs}\n`);
  for (const key of live(keyset))
    if (key.retires_at !== null) io.stdout.write(`${purpose}: key ${key.kid} goes at ${key.retires_at}\n`);
}

const when = (time: string, nowMs: number): string =>
  `${time.slice(0, 16).replace('T', ' ')}Z ${fromNow(Date.parse(time), nowMs)}`;
