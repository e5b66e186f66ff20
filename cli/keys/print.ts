/** Prints a keyset for a person. */
import type { KeySummary, KeysetSummary, RegionKeys } from '../../lambda/contract/keys.ts';
import type { Io } from '../io.ts';
import { printTable } from '../print.ts';
import { fromNow } from '../time.ts';

/** @returns the keys that sign or verify, now or later: neither retired nor revoked */
export const live = ({ keys }: KeysetSummary): KeySummary[] =>
  keys.filter(({ state }) => state === 'next' || state === 'current' || state === 'previous');

/** @returns the key that was created last, if there is one */
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
    io.stdout.write(`  a rotation is in progress or was interrupted: version ${pending} is pending\n`);
  if (revoked.length > 0) io.stdout.write(`  revoked: ${revoked.join(', ')}\n`);
  for (const each of keyset.regions)
    for (const trouble of troubles(keyset, each)) io.stdout.write(`  ${each.region}: ${trouble}\n`);
  for (const line of rotations(keyset, nowMs)) io.stdout.write(`  ${line}\n`);
}

/** @returns how a Region differs from the others: it cannot be read, lacks a key, or still accepts a revoked one */
function troubles(keyset: KeysetSummary, { kids, revoked }: RegionKeys): string[] {
  const names = (keys: readonly KeySummary[]) => keys.map(({ kid }) => kid).join(', ');
  const lacks = live(keyset).filter(({ kid }) => kids && !kids.includes(kid));
  const accepts = keyset.keys.filter(
    ({ kid, state }) => state === 'revoked' && revoked && !revoked.includes(kid),
  );
  return [
    ...(kids === null ? ['cannot be read'] : []),
    ...(lacks.length > 0 ? [`lacks ${names(lacks)}`] : []),
    ...(kids !== null && revoked === null ? ['its revoked keys cannot be read'] : []),
    ...(accepts.length > 0 ? [`does not refuse ${names(accepts)}: revoke again`] : []),
  ];
}

/** @returns lines that say when the next rotation is due, and why the last one failed */
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

/** Prints the result of a rotation: when the new key signs, and when the keys before it are removed. */
export function printRotated(io: Io, keyset: KeysetSummary, nowMs: number): void {
  const { purpose } = keyset;
  const { kid, activates_at } = newest(keyset)!;
  const atMs = Date.parse(activates_at);
  // The very first key signs at once: there is no older key to wait for.
  const signs = atMs > nowMs ? `${fromNow(atMs, nowMs)}, at ${activates_at}` : 'now';
  io.stdout.write(`${purpose}: key ${kid} signs ${signs}\n`);
  for (const key of live(keyset))
    if (key.retires_at !== null)
      io.stdout.write(`${purpose}: key ${key.kid} is removed at ${key.retires_at}\n`);
}

const when = (time: string, nowMs: number): string =>
  `${time.slice(0, 16).replace('T', ' ')}Z ${fromNow(Date.parse(time), nowMs)}`;
