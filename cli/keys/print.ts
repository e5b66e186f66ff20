/** A keyset as a person reads it. */
import type { KeySummary, KeysetSummary, RegionKeys } from '../../lambda/contract/keys.ts';
import { MAX_KEYS, MAX_REVOKED } from '../../protocol/rotation.ts';
import type { Io } from '../io.ts';
import { printTable } from '../print.ts';
import { fromNow } from '../time.ts';

/** Those that still count. */
export const live = ({ keys }: KeysetSummary): KeySummary[] =>
  keys.filter(({ state }) => state === 'next' || state === 'current' || state === 'previous');

/** @returns the key that was made last of those that count, if there is one */
export const newest = (keyset: KeysetSummary): KeySummary | undefined =>
  live(keyset).toSorted((a, b) => Date.parse(b.activates_at) - Date.parse(a.activates_at))[0];

export const signing = ({ keys }: KeysetSummary): KeySummary | undefined =>
  keys.find(({ state }) => state === 'current');

/** @returns why no key signs and what to do; undefined where one does */
export function whyNoneSigns(keyset: KeysetSummary): string | undefined {
  const { purpose, keys, known_kids, unreadable, fall_back, pending } = keyset;
  if (signing(keyset)) return undefined;
  if (fall_back !== null)
    return `${unreadable ?? 'the keyset was emptied'}: move AWSCURRENT back to version ${fall_back} (docs/runbook.md, no-keys)`;
  if (unreadable !== null)
    return `${unreadable}: move AWSCURRENT back to a version that has keys (docs/runbook.md, no-keys)`;
  if (keys.length > 0) return `no key signs: countersign keys revoke ${purpose} makes one that does`;
  // The kids of a rotation that broke off are known, too.
  if (known_kids.length === 0 || pending !== null) return 'without keys: countersign keys init';
  return `the keyset was emptied: countersign keys revoke ${purpose} makes a key that signs`;
}

export function printKeyset(io: Io, keyset: KeysetSummary, nowMs: number): void {
  const { purpose, seq, pending, revoked, keys } = keyset;
  const fault = whyNoneSigns(keyset);
  io.stdout.write(`${purpose}  version ${seq ?? '?'}${fault === undefined ? '' : `, ${fault}`}\n`);
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
  for (const line of [...troubles(keyset), ...fullness(keyset)]) io.stdout.write(`  ${line}\n`);
  for (const line of rotations(keyset, nowMs)) io.stdout.write(`  ${line}\n`);
}

/** What keeps Regions from doing as the others do. */
export const troubles = (keyset: KeysetSummary): string[] =>
  keyset.regions.flatMap((each) => troublesOf(keyset, each).map((trouble) => `${each.region}: ${trouble}`));

function troublesOf(keyset: KeysetSummary, { kids, revoked }: RegionKeys): string[] {
  const lacks = live(keyset).filter(({ kid }) => kids && !kids.includes(kid));
  // Whatever the keyset holds by now: a copy that is behind may hold more.
  const accepts = keyset.revoked.filter((kid) => revoked && !revoked.includes(kid));
  return [
    ...(kids === null ? ['cannot be read'] : []),
    ...(lacks.length > 0 ? [`lacks ${lacks.map(({ kid }) => kid).join(', ')}`] : []),
    ...(kids !== null && revoked === null ? ['what it refuses cannot be read'] : []),
    ...(accepts.length > 0
      ? [`does not refuse ${accepts.join(', ')}: ${revokeCommand(keyset.purpose, accepts)}`]
      : []),
  ];
}

/** Ends those keys and spares every other one, such as a key that was made in their place. */
export const revokeCommand = (purpose: string, kids: readonly string[], targetArgs = ''): string =>
  `countersign keys revoke ${purpose}${kids.map((kid) => ` --only-kid ${kid}`).join('')}${targetArgs}`;

/** From this part on a keyset counts as nearly full. */
const NEARLY = 0.9;

/** @returns a warning while there is still room for an emergency */
export const fullness = ({ keys, revoked }: KeysetSummary): string[] => [
  ...(keys.length >= NEARLY * MAX_KEYS ? [`nearly full: ${keys.length} of ${MAX_KEYS} keys`] : []),
  ...(revoked.length + keys.length >= NEARLY * MAX_REVOKED
    ? [
        `nearly full: ${revoked.length} revoked keys of ${MAX_REVOKED} (docs/key-life-cycle.md, A keyset that is full)`,
      ]
    : []),
];

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
  const { kid, activates_at, state } = newest(keyset)!;
  const atMs = Date.parse(activates_at);
  // Where no other key is good, the newest has nobody to wait for.
  const signs = state !== 'current' && atMs > nowMs ? `${fromNow(atMs, nowMs)}, at ${activates_at}` : 'now';
  io.stdout.write(`${purpose}: key ${kid} signs ${signs}\n`);
  for (const key of live(keyset))
    if (key.retires_at !== null) io.stdout.write(`${purpose}: key ${key.kid} goes at ${key.retires_at}\n`);
}

const when = (time: string, nowMs: number): string =>
  `${time.slice(0, 16).replace('T', ' ')}Z ${fromNow(Date.parse(time), nowMs)}`;
