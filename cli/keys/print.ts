/** Prints a keyset for a person. */
import type { KeySummary, KeysetSummary, RegionKeys } from '../../lambda/contract/keys.ts';
import { MAX_KEYS, MAX_REVOKED } from '../../protocol/rotation.ts';
import type { Io } from '../io.ts';
import { printTable } from '../print.ts';
import { fromNow } from '../time.ts';

/** @returns the keys that sign or verify, now or later: neither retired nor revoked */
export const live = ({ keys }: KeysetSummary): KeySummary[] =>
  keys.filter(({ state }) => state === 'next' || state === 'current' || state === 'previous');

/** @returns the key that was created last of those that are live, if there is one */
export const newest = (keyset: KeysetSummary): KeySummary | undefined =>
  live(keyset).toSorted((a, b) => Date.parse(b.activates_at) - Date.parse(a.activates_at))[0];

/** @returns the key that signs now, if there is one */
export const signing = ({ keys }: KeysetSummary): KeySummary | undefined =>
  keys.find(({ state }) => state === 'current');

/**
 * @param args the target's, for the command to type
 * @returns why no key signs, and what to do; undefined if one signs
 */
export function whyNoneSigns(keyset: KeysetSummary, args: string): string | undefined {
  const { purpose, keys, known_kids, unreadable, fall_back, pending } = keyset;
  if (signing(keyset)) return undefined;
  // A revocation would end the keys of the newer keyset, one of which may sign.
  if (rolledBack(keyset, args).length > 0) return 'no key of this version signs';
  if (fall_back !== null)
    return `${unreadable ?? 'the keyset was emptied'}: move AWSCURRENT back to version ${fall_back} (docs/runbook.md, no-keys)`;
  if (unreadable !== null)
    return `${unreadable}: move AWSCURRENT back to a version that has keys (docs/runbook.md, no-keys)`;
  if (keys.length > 0) return `no key signs: countersign keys revoke ${purpose}${args} makes one that signs`;
  // The kids of an interrupted rotation are known, too.
  if (known_kids.length === 0 || pending !== null) return `no keys: countersign keys init${args}`;
  return `the keyset was emptied: move AWSCURRENT back to a version that has keys (docs/runbook.md, no-keys). If none is left, countersign keys revoke ${purpose}${args} ends the keys that readers hold, and makes one that signs`;
}

/** @returns everything because of which a keyset is not in order, and what to do */
export const faults = (keyset: KeysetSummary, args: string): string[] => [
  ...[whyNoneSigns(keyset, args)].filter((fault) => fault !== undefined),
  ...promotion(keyset, args),
  ...troubles(keyset, args),
];

export function printKeyset(io: Io, keyset: KeysetSummary, nowMs: number, args: string): void {
  const { purpose, seq, pending, revoked, keys } = keyset;
  const fault = whyNoneSigns(keyset, args);
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
    io.stdout.write(`  a rotation is in progress or was interrupted: version ${pending} is pending\n`);
  if (revoked.length > 0) io.stdout.write(`  revoked: ${revoked.join(', ')}\n`);
  for (const line of [...promotion(keyset, args), ...troubles(keyset, args), ...fullness(keyset)])
    io.stdout.write(`  ${line}\n`);
  for (const line of rotations(keyset, nowMs)) io.stdout.write(`  ${line}\n`);
}

/**
 * @returns that readers may hold a newer keyset, and how a Region differs from the others: it cannot be read,
 * lacks a key, or still accepts a revoked one
 */
export const troubles = (keyset: KeysetSummary, args: string): string[] => [
  ...rolledBack(keyset, args),
  ...keyset.regions.flatMap((each) =>
    troublesOf(keyset, each, args).map((trouble) => `${each.region}: ${trouble}`),
  ),
];

/**
 * A reader keeps the newest keyset that it has seen; only a newer one replaces it. A keyset counts as
 * published shortly before it is, so a rotation may have failed in between.
 */
export function rolledBack(
  { purpose, seq, published_seq, keys, fall_back }: KeysetSummary,
  args: string,
): string[] {
  if (seq === null || keys.length === 0 || published_seq <= seq) return [];
  if (fall_back !== null)
    return [
      `rolled back: readers hold version ${published_seq}, and ignore this one: move AWSCURRENT back to version ${fall_back} (docs/runbook.md, no-keys)`,
    ];
  return [
    `a rotation did not finish, or the secret was rolled back: readers may hold version ${published_seq}. If they log older_keyset, move AWSCURRENT back to it first (docs/runbook.md, no-keys): a rotation ends the keys that only it has. If not: countersign keys rotate ${purpose}${args}`,
  ];
}

function troublesOf(keyset: KeysetSummary, { kids, revoked }: RegionKeys, args: string): string[] {
  const lacks = live(keyset).filter(({ kid }) => kids && !kids.includes(kid));
  // Not only keys of the current keyset: an older copy may hold more.
  const accepts = keyset.revoked.filter((kid) => revoked && !revoked.includes(kid));
  return [
    ...(kids === null ? ['cannot be read'] : []),
    ...(lacks.length > 0 ? [`lacks ${lacks.map(({ kid }) => kid).join(', ')}`] : []),
    ...(kids !== null && revoked === null ? ['its revoked keys cannot be read'] : []),
    ...(accepts.length > 0
      ? [`does not refuse ${accepts.join(', ')}: ${revokeCommandLine(keyset.purpose, accepts, args)}`]
      : []),
  ];
}

/** @returns the command that revokes these keys and no other, such as the key that replaced them */
export const revokeCommandLine = (purpose: string, kids: readonly string[], args: string): string =>
  `countersign keys revoke ${purpose}${kids.map((kid) => ` --only-kid ${kid}`).join('')}${args}`;

/** From this share on, a keyset counts as nearly full. */
const NEARLY = 0.9;

/** @returns a line if the keys were promoted to a Region that is not deployed for it yet */
export const promotion = ({ promoted_to, managed_by }: KeysetSummary, args: string): string[] =>
  promoted_to == null || promoted_to === managed_by
    ? []
    : [
        `no new key is made: the keys were promoted to ${promoted_to}, which is not deployed with keys.managedBy; to go on: countersign keys promote --to ${promoted_to}${args} (docs/runbook.md, primary-region-lost)`,
      ];

/** @returns warnings, early enough that there is still room for an emergency */
export const fullness = ({ keys, revoked }: KeysetSummary): string[] => [
  ...(keys.length >= NEARLY * MAX_KEYS ? [`nearly full: ${keys.length} of ${MAX_KEYS} keys`] : []),
  ...(revoked.length + keys.length >= NEARLY * MAX_REVOKED
    ? [
        `nearly full: ${revoked.length} revoked keys of ${MAX_REVOKED} (docs/key-life-cycle.md, A keyset that is full)`,
      ]
    : []),
];

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
  const { kid, activates_at, state } = newest(keyset)!;
  const atMs = Date.parse(activates_at);
  // If no other key is live, the newest signs at once: there is no older key to wait for.
  const signs = state !== 'current' && atMs > nowMs ? `${fromNow(atMs, nowMs)}, at ${activates_at}` : 'now';
  io.stdout.write(`${purpose}: key ${kid} signs ${signs}\n`);
  for (const key of live(keyset))
    if (key.retires_at !== null)
      io.stdout.write(`${purpose}: key ${key.kid} is removed at ${key.retires_at}\n`);
}

const when = (time: string, nowMs: number): string =>
  `${time.slice(0, 16).replace('T', ' ')}Z ${fromNow(Date.parse(time), nowMs)}`;
