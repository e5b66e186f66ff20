/**
 * Reads a purpose's keys in every Region: through the key home's function, or another that can be reached.
 */
import type { KeysetSummary, RegionKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { askAtOnce, type FirstAnswer, PATIENCE_MS } from '../ask.ts';
import { CliError, EXIT } from '../io.ts';
import type { Target } from '../target.ts';
import { askKeys, ifAnswered } from './ask.ts';

export interface LookOptions {
  readonly signal?: AbortSignal | undefined;
  /** @default PATIENCE_MS */
  readonly patienceMs?: number | undefined;
}

/**
 * Asks all Regions at once. The result's `regions` are those of the stage and of the target. A function in a
 * VPC may see only its own Region, so for a Region that the first answer does not cover, its own answer
 * counts.
 *
 * @throws CliError where no Region can be reached, or all that can refuse
 */
export async function look(
  target: Target,
  purpose: Purpose,
  { signal, patienceMs = PATIENCE_MS }: LookOptions = {},
): Promise<FirstAnswer<KeysetSummary>> {
  const end = new AbortController();
  const ending = AbortSignal.any([...(signal ? [signal] : []), end.signal]);
  const answers = new Map<string, Promise<KeysetSummary>>();
  const ask = (region: string): Promise<KeysetSummary> => {
    const answer = answers.get(region) ?? askKeys(target, region, purpose, 'keys.list', {}, ending);
    answers.set(region, answer);
    return answer;
  };
  const late = new Promise<undefined>((resolve) => {
    setTimeout(resolve, patienceMs, undefined).unref();
  });
  try {
    return await lookAtRegions(target, ask, late, patienceMs);
  } finally {
    end.abort();
  }
}

async function lookAtRegions(
  target: Target,
  ask: (region: string) => Promise<KeysetSummary>,
  late: Promise<undefined>,
  patienceMs: number,
): Promise<FirstAnswer<KeysetSummary>> {
  // A Region that refuses to list its keys says nothing about the others.
  const passesOver = () => true;
  const first = await askAtOnce(target, ask, { patienceMs, passesOver });
  const { result, asked, unreachable } = await fromKeyHome(target, ask, late, first);
  const seen = new Map(result.regions.map((each) => [each.region, each]));
  const lost = [asked, ...unreachable.map(({ region }) => region)];
  const known = new Set(result.known_kids);
  const see = async (region: string): Promise<RegionKeys> => {
    const { kids, revoked } = seen.get(region) ?? { kids: null, revoked: null };
    if ((kids && revoked) || lost.includes(region)) return { region, kids, revoked };
    const own = await Promise.race([ifAnswered(ask(region)), late]);
    for (const kid of own?.known_kids ?? []) known.add(kid);
    const table = own?.regions.find((each) => each.region === region)?.revoked;
    // The summary of a copy that is no keyset has no keys, but the copy may have some.
    const copy = own?.unreadable === null ? own.keys.map(({ kid }) => kid) : null;
    return { region, kids: kids ?? copy, revoked: revoked ?? table ?? null };
  };
  const regions = await Promise.all([...new Set([...seen.keys(), ...target.regions])].map(see));
  const refused = new Set(regions.flatMap(({ revoked }) => revoked ?? []));
  const keys = result.keys.map((key) => (refused.has(key.kid) ? { ...key, state: 'revoked' as const } : key));
  const revoked = [...new Set([...result.revoked, ...refused])];
  return { result: { ...result, keys, revoked, regions, known_kids: [...known] }, asked, unreachable };
}

/**
 * The Region that makes keys has the keyset that counts: a former key home that is back may still hold an
 * older one. Others have copies of it.
 */
async function fromKeyHome(
  { regions }: Target,
  ask: (region: string) => Promise<KeysetSummary>,
  late: Promise<undefined>,
  first: FirstAnswer<KeysetSummary>,
): Promise<FirstAnswer<KeysetSummary>> {
  const keyHome = keyHomeOf(first.result);
  const passedOver = first.unreachable.some(({ region }) => region === keyHome);
  if (keyHome === undefined || keyHome === first.asked || passedOver || !regions.includes(keyHome))
    return first;
  const result = await Promise.race([ifAnswered(ask(keyHome)), late]);
  return result ? { ...first, result, asked: keyHome } : first;
}

/** @returns the Region that makes keys; undefined as an older release answers */
export const keyHomeOf = ({ promoted_to, managed_by }: KeysetSummary): string | undefined =>
  promoted_to ?? managed_by;

/**
 * @returns the keyset, and the Region of the target that makes keys
 * @throws CliError where that Region does not answer
 */
export async function lookForKeyHome(
  target: Target,
  purpose: Purpose,
  options: LookOptions = {},
): Promise<{ readonly keyset: KeysetSummary; readonly keyHome: string }> {
  const { result, unreachable } = await look(target, purpose, options);
  const named = keyHomeOf(result);
  const keyHome = named !== undefined && target.regions.includes(named) ? named : target.regions[0]!;
  const lost = unreachable.find(({ region }) => region === keyHome);
  if (lost) throw new CliError(EXIT.unreachable, lost.error);
  return { keyset: result, keyHome };
}
