/**
 * Surveys all Regions of a stage: which Region keeps whose evacuation flag, where it is set, and which
 * Regions are healthy.
 */
import type { ShownRegion } from '../../lambda/contract/admin.ts';
import { keeperOf } from '../../lambda/contract/evacuation.ts';
import { invokeAdmin, Refused } from '../admin.ts';
import { askAtOnce } from '../ask.ts';
import { askHealth, THROTTLED } from '../health.ts';
import { CliError, usage } from '../io.ts';
import type { Target } from '../target.ts';

/** A Region as its own `/v1/health` and its evacuation flags show it. */
export interface SeenRegion {
  readonly region: string;
  /** `silent`: it gives no answer. `throttled`: it answers 429, since too many ask. */
  readonly state: 'healthy' | 'unhealthy' | 'silent' | 'throttled';
  /** Checks that fail. */
  readonly failing: readonly string[];
  /** Other reasons that keep it out of service: `evacuated`, `hold-down`, `limits`. */
  readonly notes: readonly string[];
}

/** An evacuation flag; `unknown`: its table could not be read. */
export type Flag =
  | { readonly is: 'set'; readonly since: string }
  | { readonly is: 'clear' }
  | { readonly is: 'unknown'; readonly error: string };

/** A place that holds a Region's flag. */
export interface FlagPlace {
  readonly at: string;
  readonly flag: Flag;
}

export interface Survey {
  readonly region: string;
  readonly keeper: string;
  /** The Region itself is one of them. */
  readonly regions: readonly SeenRegion[];
  /** The keeper first. */
  readonly flags: readonly FlagPlace[];
  /** Other Regions that are evacuated, as far as their flags can be read. */
  readonly othersOut: readonly string[];
}

/** Limit on one look at a Region's health. Its checkers wait for two seconds. */
const ANSWER_MS = 5_000;

/** How long a survey waits. */
export interface Looking {
  /** On each Region's answer, so that one that is cut off does not delay the others'. */
  readonly limitMs: number;
  /** How long to ask a Region again that answers 429, if its health decides. */
  readonly throttledMs: number;
  /** The Regions whose health decides: the Region itself, or all others. */
  readonly decides: 'own' | 'others';
  /** Ends that. */
  readonly signal?: AbortSignal;
}

/** @throws CliError where no Region answers, or the stage has no such Region or no other */
export async function survey(target: Target, region: string, looking: Looking): Promise<Survey> {
  const { limitMs } = looking;
  const shown = await askAtOnce(target, (each) => show(target, each, region, limitMs), {
    // All that they say of the stage's Regions is the same. The flags are asked for in any case.
    patienceMs: limitMs / 5,
  }).catch((error: unknown) => {
    if (error instanceof Refused && error.code === 'not_found')
      throw usage(`${JSON.stringify(region)}: ${error.message}`);
    throw error;
  });
  const { keeper, regions } = shown.result;
  const names = regions.map(({ name }) => name);
  const [seen, flags, out] = await Promise.all([
    Promise.all(
      regions.map(({ name, url }) =>
        look(
          name,
          url,
          (name === region) === (looking.decides === 'own') ? looking : { ...looking, throttledMs: 0 },
        ),
      ),
    ),
    flagsOf(target, region, keeper, limitMs),
    Promise.all(
      names.map(
        async (name) =>
          name !== region && isOut(await flagsOf(target, name, keeperOf(name, names)!, limitMs)),
      ),
    ),
  ]);
  return {
    region,
    keeper,
    regions: seen.map((each, i) => (out[i] ? evacuated(each) : each)),
    flags,
    othersOut: names.filter((_, i) => out[i]),
  };
}

const show = (target: Target, at: string, region: string, limitMs: number): Promise<ShownRegion> =>
  invokeAdmin(target, at, 'regions.show', { region }, AbortSignal.timeout(limitMs));

const flagsOf = (target: Target, region: string, keeper: string, limitMs: number): Promise<FlagPlace[]> =>
  Promise.all([keeper, region].map((at) => flagAt(target, at, region, limitMs)));

export const isOut = (flags: readonly FlagPlace[]): boolean => flags.some(({ flag }) => flag.is === 'set');

/** A Region's health is a few seconds old; its flag is not. */
const evacuated = (seen: SeenRegion): SeenRegion => ({
  ...seen,
  state: seen.state === 'silent' ? 'silent' : 'unhealthy',
  notes: [...new Set([...seen.notes, 'evacuated'])],
});

async function flagAt(target: Target, at: string, region: string, limitMs: number): Promise<FlagPlace> {
  try {
    const { evacuated_at } = await show(target, at, region, limitMs);
    return { at, flag: evacuated_at === null ? { is: 'clear' } : { is: 'set', since: evacuated_at } };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { at, flag: { is: 'unknown', error: error.message } };
  }
}

async function look(
  region: string,
  url: ShownRegion['regions'][number]['url'],
  looking: Looking,
): Promise<SeenRegion> {
  const answer = await askHealth(url, { ...looking, timeoutMs: ANSWER_MS });
  if (answer === THROTTLED || !answer)
    return { region, state: answer ? 'throttled' : 'silent', failing: [], notes: [] };
  const { healthy, failing, notes } = answer;
  return { region, state: healthy ? 'healthy' : 'unhealthy', failing, notes };
}

/**
 * @returns whether the Region is good (docs/regions.md): nothing but an evacuation or the hold-down after it
 * keeps it out of service
 */
export const isGood = ({ state, failing, notes }: SeenRegion): boolean =>
  (state === 'healthy' || state === 'unhealthy') &&
  failing.length === 0 &&
  notes.every((note) => note === 'evacuated' || note === 'hold-down');

/** One line for a person. */
export function describe(seen: SeenRegion): string {
  const { region, state } = seen;
  if (state === 'healthy') return `${region}: healthy`;
  return `${region}: ${state === 'throttled' ? 'not known' : 'unhealthy'} (${whyOut(seen)})`;
}

/** @returns why the Region is not healthy, or not known to be */
export const whyOut = ({ state, failing, notes }: SeenRegion): string =>
  [
    ...(state === 'silent' ? ['no answer'] : []),
    ...(state === 'throttled' ? ['too many requests'] : []),
    ...failing,
    ...notes,
  ].join(', ');
