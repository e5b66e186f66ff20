/** Reads a purpose's keys in every Region: through the home Region's function, or another that can be reached. */
import type { KeysetSummary, RegionKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import type { Target } from '../target.ts';
import { askAtOnce, askInTurn, askKeys, type FirstAnswer, ifAnswered } from './ask.ts';

export interface LookOptions {
  readonly signal?: AbortSignal | undefined;
  /** Asks all Regions at once. */
  readonly urgent?: true;
}

/**
 * The result's `regions` are those of the stage and of the target. A function in a VPC may see only its own Region, so a
 * Region that the first answer does not cover is asked itself.
 *
 * @throws CliError where no Region can be reached, or one refuses
 */
export async function look(
  target: Target,
  purpose: Purpose,
  { signal, urgent }: LookOptions = {},
): Promise<FirstAnswer<KeysetSummary>> {
  const answers = new Map<string, Promise<KeysetSummary>>();
  const ask = (region: string): Promise<KeysetSummary> => {
    const answer = answers.get(region) ?? askKeys(target, region, purpose, 'keys.list', {}, signal);
    answers.set(region, answer);
    return answer;
  };
  const { result, asked, unreachable } = await fromHome(
    target,
    ask,
    await (urgent ? askAtOnce : askInTurn)(target, ask),
  );
  const seen = new Map(result.regions.map((each) => [each.region, each]));
  const lost = [asked, ...unreachable.map(({ region }) => region)];
  const known = new Set(result.known_kids);
  const see = async (region: string): Promise<RegionKeys> => {
    const { kids, revoked } = seen.get(region) ?? { kids: null, revoked: null };
    if ((kids && revoked) || lost.includes(region)) return { region, kids, revoked };
    const own = await ifAnswered(ask(region));
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

/**
 * The Region that makes keys has the keyset that counts: a former home that is back may still hold an older one. Others
 * have copies of it.
 */
async function fromHome(
  { regions }: Target,
  ask: (region: string) => Promise<KeysetSummary>,
  first: FirstAnswer<KeysetSummary>,
): Promise<FirstAnswer<KeysetSummary>> {
  const home = homeOf(first.result);
  const passedOver = first.unreachable.some(({ region }) => region === home);
  if (home === undefined || home === first.asked || passedOver || !regions.includes(home)) return first;
  const result = await ifAnswered(ask(home));
  return result ? { ...first, result, asked: home } : first;
}

/** @returns the Region that makes keys; undefined as an older release answers */
export const homeOf = ({ promoted_to, managed_by }: KeysetSummary): string | undefined =>
  promoted_to ?? managed_by;

/** @returns the keyset, and the Region of the target that makes keys */
export async function lookForHome(
  target: Target,
  purpose: Purpose,
  signal?: AbortSignal,
): Promise<{ readonly keyset: KeysetSummary; readonly home: string }> {
  const ask = (region: string) => askKeys(target, region, purpose, 'keys.list', {}, signal);
  const { result } = await fromHome(target, ask, await askInTurn(target, ask));
  const home = homeOf(result);
  return {
    keyset: result,
    home: home !== undefined && target.regions.includes(home) ? home : target.regions[0]!,
  };
}
