/** Reads a purpose's keys in every Region: through the home Region's function, or another that can be reached. */
import type { KeysetSummary, RegionKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import type { Target } from '../target.ts';
import { askInTurn, askKeys, type FirstAnswer, ifAnswered } from './ask.ts';

/**
 * The result's `regions` are those of the stage and of the target. A function in a VPC may see only its own Region, so a
 * Region that the first answer does not cover is asked itself.
 *
 * @throws CliError where no Region can be reached, or one refuses
 */
export async function look(target: Target, purpose: Purpose): Promise<FirstAnswer<KeysetSummary>> {
  const { result, asked, unreachable } = await askInTurn(target, (region) =>
    askKeys(target, region, purpose, 'keys.list', {}),
  );
  const seen = new Map(result.regions.map((each) => [each.region, each]));
  const lost = [asked, ...unreachable.map(({ region }) => region)];
  const known = new Set(result.known_kids);
  const see = async (region: string): Promise<RegionKeys> => {
    const { kids, revoked } = seen.get(region) ?? { kids: null, revoked: null };
    if ((kids && revoked) || lost.includes(region)) return { region, kids, revoked };
    const own = await ifAnswered(askKeys(target, region, purpose, 'keys.list', {}));
    for (const kid of own?.known_kids ?? []) known.add(kid);
    const table = own?.regions.find((each) => each.region === region)?.revoked;
    return {
      region,
      kids: kids ?? own?.keys.map(({ kid }) => kid) ?? null,
      revoked: revoked ?? table ?? null,
    };
  };
  const regions = await Promise.all([...new Set([...seen.keys(), ...target.regions])].map(see));
  const refused = new Set(regions.flatMap(({ revoked }) => revoked ?? []));
  const keys = result.keys.map((key) => (refused.has(key.kid) ? { ...key, state: 'revoked' as const } : key));
  const revoked = [...new Set([...result.revoked, ...refused])];
  return { result: { ...result, keys, revoked, regions, known_kids: [...known] }, asked, unreachable };
}
