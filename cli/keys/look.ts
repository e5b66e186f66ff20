/** A purpose's keys as they stand, in every Region: by the home Region's function, or by whoever can tell. */
import type { KeysetSummary, RegionKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import type { Target } from '../target.ts';
import { type Asked, askAtOnce, askInTurn, askKeys, ifAnswered } from './ask.ts';

export interface LookOptions {
  readonly signal?: AbortSignal | undefined;
  /** Asks every Region at once. */
  readonly urgent?: true;
}

/** `regions` of the result are those of the stage and of the target. What one cannot see of another, that one is asked. */
export async function look(
  target: Target,
  purpose: Purpose,
  { signal, urgent }: LookOptions = {},
): Promise<Asked<KeysetSummary>> {
  const answers = new Map<string, Promise<KeysetSummary>>();
  const ask = (region: string): Promise<KeysetSummary> => {
    const answer = answers.get(region) ?? askKeys(target, region, purpose, 'keys.list', {}, signal);
    answers.set(region, answer);
    return answer;
  };
  const { result, asked, unreachable } = await (urgent ? askAtOnce : askInTurn)(target, ask);
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
