/** A purpose's keys as they stand, in every Region: by the home Region's function, or by whoever can tell. */
import type { KeysetSummary } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import type { Target } from '../target.ts';
import { type Asked, askInTurn, askKeys, ifAnswered } from './ask.ts';

/** `regions` of the result are those of the target and of the stage, but the one that was asked. */
export async function look(target: Target, purpose: Purpose): Promise<Asked<KeysetSummary>> {
  const { result, asked, unreachable } = await askInTurn(target, (region) =>
    askKeys(target, region, purpose, 'keys.list', {}),
  );
  const seen = new Map(result.regions.map(({ region, kids }) => [region, kids]));
  const others = new Set([...seen.keys(), ...target.regions.filter((region) => region !== asked)]);
  const kidsOf = async (region: string): Promise<readonly string[] | null> => {
    const kids = seen.get(region);
    if (kids || unreachable.some((each) => each.region === region)) return kids ?? null;
    const own = await ifAnswered(askKeys(target, region, purpose, 'keys.list', {}));
    return own?.keys.map(({ kid }) => kid) ?? null;
  };
  const regions = await Promise.all(
    [...others].map(async (region) => ({ region, kids: await kidsOf(region) })),
  );
  return { result: { ...result, regions }, asked, unreachable };
}
