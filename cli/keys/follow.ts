/** The other Regions' secrets become replicas of the new key home's. */
import type { PromotedKeys } from '../../lambda/contract/keys.ts';
import { keyAlias } from '../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { CliError, EXIT } from '../io.ts';
import { live } from './print.ts';
import type { Present, Promotion } from './promotion.ts';
import type { DescribedSecret } from './secrets.ts';
import { requireStillWon } from './take-over.ts';

export async function follow(
  promotion: Promotion,
  present: Present,
  promoted: ReadonlyMap<Purpose, PromotedKeys>,
): Promise<void> {
  const work: { region: string; purpose: Purpose }[] = [];
  for (const region of promotion.target.regions) {
    const keysets = present.get(region);
    if (!keysets) continue;
    // CloudFormation must end the schedule before the secret becomes a replica.
    if (!promotion.isDeployed(region, keysets) && !(await promotion.deploy(region))) continue;
    const detached = await promotion.eachPurpose('detach', region, (purpose) =>
      detachFromFormer(promotion, region, purpose, present),
    );
    if (detached) work.push(...PURPOSES.map((purpose) => ({ region, purpose })));
  }
  for (const [i, { region, purpose }] of work.entries()) {
    const isDone =
      (await promotion.forPurpose('replicate', region, purpose, () =>
        replicate(promotion, region, purpose, present, promoted),
      )) &&
      (await promotion.forPurpose('compare', region, purpose, () => compare(promotion, region, purpose)));
    if (isDone) continue;
    // A replication that fails removes the secret that it overwrites, and the next one may fail as well.
    leave(promotion, work.slice(i + 1), `${purpose} in ${region}`);
    return;
  }
}

function leave(
  promotion: Promotion,
  work: readonly { region: string; purpose: Purpose }[],
  failed: string,
): void {
  for (const [region, those = []] of Map.groupBy(work, (each) => each.region)) {
    const purposes = those.map(({ purpose }) => purpose).join(', ');
    const detail = `left as they are, because ${failed} failed: ${purposes}`;
    promotion.step('replicate', region, null, false, detail);
  }
}

/**
 * All replicas are detached before the former key home's secret is overwritten, because that one may have
 * no replicas then. None is removed: each Region must be able to read its own.
 */
async function detachFromFormer(
  promotion: Promotion,
  region: string,
  purpose: Purpose,
  present: Present,
): Promise<string | undefined> {
  const { primaryRegion = region } = (await promotion.secrets.describe(region, purpose)) ?? {};
  if (primaryRegion === region || primaryRegion === promotion.to) return undefined;
  await requireStillWon(promotion, purpose, present);
  await promotion.secrets.detach(region, purpose);
  return `no longer is a replica of ${primaryRegion}`;
}

async function replicate(
  promotion: Promotion,
  region: string,
  purpose: Purpose,
  present: Present,
  promoted: ReadonlyMap<Purpose, PromotedKeys>,
): Promise<string> {
  const { to } = promotion;
  const source = await promotion.mustDescribe(to, purpose);
  const before = await promotion.secrets.describe(region, purpose);
  const isReplica = before?.primaryRegion === to;
  const earlier = statusIn(source, region);
  if (!isReplica || earlier?.status === 'Failed') {
    if (before) await requireNothingLost(promotion, region, purpose, promoted.get(purpose)!);
    await requireStillWon(promotion, purpose, present);
    const alias = source.kmsKeyId && keyAlias(promotion.target.stage);
    await promotion.secrets.replicate(to, region, purpose, before?.kmsKeyId ?? earlier?.kmsKeyId ?? alias);
  }
  await promotion.until(
    async () => {
      const { status, message } = statusIn(await promotion.mustDescribe(to, purpose), region) ?? {};
      if (status === 'Failed') {
        const isThere = (await promotion.secrets.describe(region, purpose)) !== undefined;
        throw new CliError(
          EXIT.failed,
          `AWS does not make the replica: ${message}` +
            (isThere ? '' : `; ${region} now has no secret of ${purpose}`) +
            '. Once the cause is gone, run this command again (docs/runbook.md, primary-region-lost)',
        );
      }
      return status === 'InSync';
    },
    () => `the replica is not there yet; run it again to keep waiting`,
  );
  return `${isReplica ? 'is' : 'is now'} a replica of ${to}`;
}

/** Overwriting the secret destroys keys that only this Region has. */
async function requireNothingLost(
  promotion: Promotion,
  region: string,
  purpose: Purpose,
  { home, keyset }: PromotedKeys,
): Promise<void> {
  if (promotion.options.yes) return;
  const theirs = await promotion.call(region, purpose, 'keys.list', {});
  const known = [...home.kids, ...keyset.keys.map(({ kid }) => kid), ...keyset.revoked];
  const alone = live(theirs).flatMap(({ kid }) => (known.includes(kid) ? [] : [kid]));
  if (alone.length === 0) return;
  throw new CliError(
    EXIT.failed,
    `has ${alone.join(', ')}, made there alone: what these keys signed is void once the secret is a replica, ` +
      'API keys that come from them included. To go on nevertheless: --yes',
  );
}

async function compare(promotion: Promotion, region: string, purpose: Purpose): Promise<string> {
  let difference = '';
  await promotion.until(
    async () => {
      const [ours, theirs] = await Promise.all([
        promotion.call(promotion.to, purpose, 'keys.list', {}),
        promotion.call(region, purpose, 'keys.list', {}),
      ]);
      const kids = ours.keys.map(({ kid }) => kid);
      const lacks = kids.filter((kid) => !theirs.keys.some((key) => key.kid === kid));
      const refused = theirs.regions.find((each) => each.region === region)?.revoked ?? [];
      const accepts = ours.revoked.filter((kid) => !refused.includes(kid));
      difference = [
        ...(lacks.length > 0 ? [`lacks ${lacks.join(', ')}`] : []),
        ...(accepts.length > 0 ? [`does not refuse ${accepts.join(', ')}`] : []),
        ...(theirs.promoted_to === promotion.to ? [] : ['does not know of the promotion: run it again']),
        ...(theirs.primary_region === promotion.to
          ? []
          : [`still reads a secret of ${theirs.primary_region}`]),
      ].join(', and ');
      return difference === '';
    },
    () => difference,
  );
  return `has the keys of ${promotion.to}, and refuses what it refuses`;
}

const statusIn = ({ replicas }: DescribedSecret, region: string) =>
  replicas.find((each) => each.region === region);
