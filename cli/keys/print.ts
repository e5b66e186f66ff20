/** A keyset as a person reads it. */
import type { KeySummary, KeysetSummary } from '../../lambda/contract/keys.ts';
import type { Io } from '../io.ts';
import { printTable } from '../print.ts';
import { fromNow } from '../time.ts';

/** Those that still count. */
export const live = ({ keys }: KeysetSummary): KeySummary[] =>
  keys.filter(({ state }) => state === 'next' || state === 'current' || state === 'previous');

/** @returns the key that was made last, if there is one */
export const newest = (keyset: KeysetSummary): KeySummary | undefined =>
  live(keyset).toSorted((a, b) => Date.parse(b.activates_at) - Date.parse(a.activates_at))[0];

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
  for (const { region, kids } of keyset.regions) {
    const missing = live(keyset).filter(({ kid }) => !kids?.includes(kid));
    if (kids === null) io.stdout.write(`  ${region}: cannot be read from the home Region\n`);
    else if (missing.length > 0)
      io.stdout.write(`  ${region}: lacks ${missing.map(({ kid }) => kid).join(', ')}\n`);
  }
}

const when = (time: string, nowMs: number): string =>
  `${time.slice(0, 16).replace('T', ' ')}Z ${fromNow(Date.parse(time), nowMs)}`;
