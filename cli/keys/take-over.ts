/** The functions learn which Region makes keys, and its secret becomes one of its own, no replica. */
import type { KeysetSummary, PromotedKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { Refused } from '../admin.ts';
import { CliError, EXIT } from '../io.ts';
import { live, rolledBack, whyNoneSigns } from './print.ts';
import { type Keysets, type Present, type Promotion, withSecret } from './promotion.ts';
import type { DescribedSecret } from './secrets.ts';

/** @throws CliError where the Region that makes keys now is there, and nobody said to go on nevertheless */
export function requireLost(promotion: Promotion, own: Keysets, present: Present): void {
  // Each purpose has its own: a promotion may have ended between two of them.
  const keyHomes = [...own.values()].map(
    (each) => each.promoted_to ?? each.primary_region ?? each.managed_by,
  );
  const keyHome = keyHomes.find((each) => each !== promotion.to && present.has(each));
  if (promotion.options.yes || keyHome === undefined) return;
  throw new CliError(
    EXIT.failed,
    `${keyHome} answers, and makes the keys: as long as it does, nothing needs to be promoted. If it goes on, ` +
      `${keyHome} makes no key from then on, and none is made until ${promotion.to} is deployed with keys.managedBy. ` +
      'A key that is made at this moment may be lost. To go on nevertheless: --yes',
  );
}

/**
 * Readers ignore a secret that was rolled back, so its keys are no use to a new key home. The version that
 * they hold is still in the secret. No label of a replica can be moved: where the former key home is lost,
 * the secret is detached first.
 *
 * @throws CliError where the label can be moved now
 */
export function requireNewest(promotion: Promotion, own: Keysets, present: Present): void {
  for (const [purpose, keyset] of own) {
    const primary = keyset.primary_region ?? keyset.managed_by;
    const fault = rollback(promotion, keyset, primary);
    if (fault !== undefined && (primary === promotion.to || present.has(primary)))
      throw new CliError(EXIT.failed, `${purpose}: ${fault}`);
  }
}

/** @returns what to do first; undefined if not rolled back, or if no version is one that readers hold */
function rollback({ target }: Promotion, keyset: KeysetSummary, region: string): string | undefined {
  if (keyset.fall_back === null) return undefined;
  const fault = rolledBack(keyset, target.args)[0] ?? whyNoneSigns(keyset, target.args);
  return `${fault}. Do that in ${region}, and run this command again`;
}

/**
 * From here on no other Region's function makes a key, not even one that is under way.
 *
 * @param promoted gets the answer
 */
export async function takeOver(
  promotion: Promotion,
  purpose: Purpose,
  present: Present,
  promoted: Map<Purpose, PromotedKeys>,
): Promise<string> {
  const { to } = promotion;
  const first = await promotion.call(to, purpose, 'keys.promote', { to }).catch((error: unknown) => {
    if (error instanceof Refused && error.code === 'malformed_request')
      throw new CliError(
        EXIT.failed,
        `its functions are of an older release: deploy this release in ${to} first`,
      );
    throw error;
  });
  requireWon(promotion, first.keyset);
  // Where there is no secret, no key can be made.
  const makers = withSecret(present, purpose);
  const confirmed = new Set(first.regions.flatMap((each) => (each.confirmed ? [each.region] : [])));
  // A function in a VPC may reach its own Region only.
  for (const region of makers.filter((each) => !confirmed.has(each))) {
    const again = await promotion.call(region, purpose, 'keys.promote', { to, home: first.home });
    requireWon(promotion, again.keyset);
    if (again.regions.some((each) => each.region === region && each.confirmed)) confirmed.add(region);
  }
  const open = [to, ...makers].filter((region) => !confirmed.has(region));
  if (open.length > 0)
    throw new CliError(
      EXIT.failed,
      `not confirmed by ${open.join(', ')}, whose table limits cannot be read or written: a key may still be made there. ` +
        (confirmed.size > 0
          ? `${[...confirmed].join(', ')} remember the promotion to ${to}, so it is begun: no new key can be counted on until it is finished. `
          : '') +
        'The secrets were left as they are. Run this command again once that table answers',
    );
  const { keyset } = first;
  const revoked = keyset.revoked.length === 0 ? '' : `; ${keyset.revoked.length} revoked keys are refused`;
  promoted.set(purpose, first);
  return `${to} alone makes keys: confirmed by ${[...confirmed].join(', ')}${revoked}`;
}

/**
 * Of two promotions at the same time the Regions remember one.
 *
 * @throws CliError where that is another one
 */
function requireWon(promotion: Promotion, { promoted_to }: KeysetSummary): void {
  if (promoted_to === null || promoted_to === promotion.to) return;
  throw new CliError(
    EXIT.failed,
    `another promotion was made at the same time: ${promoted_to} alone makes keys. Run one of the two again, not both`,
  );
}

/**
 * Runs before each change of a secret: the other promotion may be written at any time, and its new key home
 * makes keys from then on. Every Region is asked, because a function in a VPC may see its own alone.
 *
 * @throws CliError where another promotion won meanwhile
 */
export async function requireStillWon(
  promotion: Promotion,
  purpose: Purpose,
  present: Present,
): Promise<void> {
  const regions = [promotion.to, ...withSecret(present, purpose)];
  const all = await Promise.all(regions.map((region) => promotion.call(region, purpose, 'keys.list', {})));
  for (const keyset of all) requireWon(promotion, keyset);
}

export async function detachNewHome(
  promotion: Promotion,
  purpose: Purpose,
  promoted: ReadonlyMap<Purpose, PromotedKeys>,
  present: Present,
): Promise<string> {
  const { to } = promotion;
  const isOwn = ({ primaryRegion = to }: DescribedSecret) => primaryRegion === to;
  const before = await promotion.mustDescribe(to, purpose);
  const { keyset } = promoted.get(purpose)!;
  if (!isOwn(before)) {
    // A rotation may have finished just before the former key home recorded the promotion.
    if (keyset.missing_kids.length > 0) await waitForCopy(promotion, purpose, present);
    await requireStillWon(promotion, purpose, present);
    await promotion.secrets.detach(to, purpose);
    await promotion.until(
      async () => isOwn(await promotion.mustDescribe(to, purpose)),
      () => `the secret still is a replica of ${before.primaryRegion}`,
    );
  }
  const now = await promotion.call(to, purpose, 'keys.list', {});
  requireWon(promotion, now);
  const older = rollback(promotion, now, to);
  if (older !== undefined) throw new CliError(EXIT.failed, older);
  if (now.unreadable !== null) throw new CliError(EXIT.failed, now.unreadable);
  const kids = live(now).map(({ kid }) => kid);
  const lost = now.missing_kids;
  const fault = whyNoneSigns(now, promotion.target.args);
  return (
    `${isOwn(before) ? 'is' : 'is now'} a secret of its own, with ${kids.join(', ') || 'no live key'}` +
    (lost.length === 0
      ? '; no published key is missing'
      : `; without ${lost.join(', ')}, which the former key home made last, and which did not arrive`) +
    (fault === undefined ? '' : `; ${fault}, once ${to} is deployed`)
  );
}

/**
 * A key may be under way to the new key home, may have reached another Region only, or may be published at
 * this moment by the former key home, which saw no promotion.
 */
export async function waitForCopy(promotion: Promotion, purpose: Purpose, present: Present): Promise<void> {
  const end = Date.now() + promotion.options.timeoutMs;
  for (;;) {
    // Asked first: a version that stops to be pending meanwhile is seen as the current one.
    const publishing: string[] = [];
    for (const region of withSecret(present, purpose))
      if ((await promotion.call(region, purpose, 'keys.list', {})).pending !== null) publishing.push(region);
    const { missing_kids: missing, regions } = await promotion.call(promotion.to, purpose, 'keys.list', {});
    const holders = regions.flatMap(({ region, kids }) =>
      present.has(region) && missing.some((kid) => kids?.includes(kid)) ? [region] : [],
    );
    if (missing.length === 0 || (holders.length === 0 && publishing.length === 0)) return;
    if (Date.now() >= end) {
      if (promotion.options.yes) return;
      const lacks = `${purpose}: the copy of ${promotion.to} lacks ${missing.join(', ')}, which `;
      throw new CliError(
        EXIT.failed,
        holders.length > 0
          ? `${lacks}${holders.join(', ')} has: promote that Region, or lose the key with --yes`
          : `${lacks}${publishing.join(', ')} may be publishing: run this again when that rotation has ended, or lose the key with --yes`,
      );
    }
    await promotion.pause();
  }
}
