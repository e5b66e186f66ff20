/** `countersign keys revoke`: says what it costs, asks, revokes, and says what is left to do. */
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { PATIENCE_MS } from '../ask.ts';
import { confirm } from '../confirm.ts';
import { EXIT, type Io, interruptible, printJson, type SetExit, usage } from '../io.ts';
import { findTarget, type Target, type TargetOptions } from '../target.ts';
import { ifAnswered } from './ask.ts';
import { look } from './look.ts';
import { newest, revokeCommandLine } from './print.ts';
import { costOf, kidsToRefuse, revokeKeys } from './revoke.ts';
import { waitForCopies } from './wait.ts';

export type RevokeCommandOptions = TargetOptions & {
  readonly json?: true;
  readonly onlyKid?: readonly string[];
  readonly yes?: true;
  /** Seconds. */
  readonly timeout: number;
};

export async function revoke(
  io: Io,
  setExit: SetExit,
  purpose: Purpose,
  options: RevokeCommandOptions,
): Promise<void> {
  const target = findTarget(options, io);
  if (!options.yes && !io.stderr.isTTY)
    throw usage('keys revoke asks for confirmation, which needs a terminal; use --yes to skip it');
  await interruptible(io, (signal) => askToRevoke(io, setExit, target, purpose, options, signal));
}

async function askToRevoke(
  io: Io,
  setExit: SetExit,
  target: Target,
  purpose: Purpose,
  { onlyKid: onlyKids, yes, json, ...options }: RevokeCommandOptions,
  signal: AbortSignal,
): Promise<void> {
  const patienceMs = io.patienceMs ?? PATIENCE_MS;
  const inTime = () => AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const lookNow = () => ifAnswered(look(target, purpose, { patienceMs, signal: inTime() }));
  // The keys may change while a person thinks.
  const looking = yes && lookNow();
  await printCost(io, target, purpose, onlyKids, inTime());
  if (!yes) await confirm(io, purpose, 'nothing was revoked');
  const before = await (looking || lookNow());
  const revocation = await revokeKeys(target, purpose, {
    onlyKids,
    before,
    patienceMs,
    signal,
    report: (text) => io.stderr.write(`${text}\n`),
  }).catch((error: unknown) => {
    const kids = kidsToRefuse({ onlyKids, before });
    // Without the kids, another run would also revoke the key that this one may have made.
    if (kids.length > 0)
      io.stderr.write(
        `${purpose}: no Region has confirmed; until all have, run: ${revokeCommandLine(purpose, kids, target.args)}\n`,
      );
    throw error;
  });
  const { keyset, failure, revoked, regions, unreadable, revoked_before, asked, unreachable } = revocation;
  const { unknown_kids } = revocation;
  const signs = keyset?.keys.find(({ kid, state }) => state === 'current' && !revoked.includes(kid))?.kid;
  const unconfirmed = regions.filter(({ confirmed }) => !confirmed);
  // Set first, since what follows may take a while and be interrupted.
  if (signal.aborted) setExit(EXIT.interrupted);
  else if (signs === undefined || unconfirmed.length + unknown_kids.length > 0) setExit(EXIT.failed);
  for (const { error } of unreachable) io.stderr.write(`error: ${error}; asked ${asked} instead\n`);
  const earlier = revoked_before.filter((kid) => !onlyKids?.includes(kid));
  const ended = revoked.filter((kid) => !earlier.includes(kid));
  if (!json) {
    const confirmed = regions.flatMap((each) => (each.confirmed ? [each.region] : [])).join(', ');
    const again = ended.filter((kid) => revoked_before.includes(kid));
    if (again.length > 0) io.stdout.write(`${purpose}: already revoked: ${again.join(', ')}\n`);
    if (earlier.length > 0) io.stdout.write(`${purpose}: keys revoked earlier: ${earlier.length}\n`);
    const kids = ended.join(', ') || (earlier.length > 0 ? 'no other key' : 'no key');
    io.stdout.write(`${purpose}: ${kids} refused within 10 s by: ${confirmed || 'no Region'}\n`);
    if (signs !== undefined) io.stdout.write(`${purpose}: key ${signs} signs now\n`);
  }
  for (const kid of unknown_kids)
    io.stderr.write(
      `error: no version of the keyset and no Region knew key ${kid}: it is refused from now on; is it mistyped?\n`,
    );
  if (unreadable.length > 0 && onlyKids === undefined)
    io.stderr.write(`not read: ${unreadable.join(', ')}; a key that exists only there is not refused\n`);
  // Revoking all keys again would also revoke the new key, and with it everything made from it by then.
  const again = `run: ${revokeCommandLine(purpose, ended.length > 0 ? ended : revoked, target.args)}`;
  if (keyset === null) {
    const way = failure?.includes('A keyset that is full') ? '' : `; then ${again}`;
    io.stderr.write(`error: no new key is confirmed, so possibly no key signs: ${failure}${way}\n`);
  } else if (signs === undefined) io.stderr.write(`error: no key signs now; ${again}\n`);
  for (const { region } of unconfirmed)
    io.stderr.write(`error: not confirmed by ${region}; until it is, ${again}\n`);
  const made = keyset && signs !== undefined ? newest(keyset) : undefined;
  const missing = made
    ? await waitForCopies(io, setExit, target, purpose, made.kid, options.timeout, signal)
    : [];
  if (json) printJson(io, { ...revocation, missing });
}

async function printCost(
  io: Io,
  target: Target,
  purpose: Purpose,
  kids: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<void> {
  const which = kids ? `the keys ${kids.join(', ')}` : 'all keys, including those that do not sign yet,';
  io.stderr.write(`This revokes ${which} of ${purpose} in stage ${target.stage}.\n`);
  for (const line of await costOf(target, purpose, kids, signal)) io.stderr.write(`${line}\n`);
}
