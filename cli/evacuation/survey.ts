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
import { durationText } from '../time.ts';

/** A Region as its own `/v1/health` and its evacuation flags show it. */
export interface SeenRegion {
  readonly region: string;
  /** `silent`: it gives no answer. `throttled`: it answers 429, since too many ask. */
  readonly state: 'healthy' | 'unhealthy' | 'silent' | 'throttled';
  /** Checks that fail. */
  readonly failing: readonly string[];
  /** Other reasons that keep it out of service: `evacuated`, `hold-down`, `limits`, `writes stopped`. */
  readonly notes: readonly string[];
}

/**
 * An operator stopped its writes. Its `/v1/health` passes nevertheless, since it does not know whether
 * another Region writes. Here it counts as unhealthy, because it cannot register in the place of another.
 */
const STOPPED = 'writes stopped';

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
  /** Whose health decides: the Region's own, or that of one other Region that serves. */
  readonly decides: 'own' | 'others';
  /** Ends that. */
  readonly signal?: AbortSignal;
  /** Takes a line of progress. */
  report(text: string): void;
}

/** @throws CliError where no Region answers, or the stage has no such Region or no other */
export async function survey(target: Target, region: string, looking: Looking): Promise<Survey> {
  const { limitMs, decides, signal } = looking;
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
  /** Ends the repeated questions once one other Region is known to serve. */
  const decided = new AbortController();
  const ends = AbortSignal.any([decided.signal, ...(signal ? [signal] : [])]);
  const lookAt = async ({ name, url }: (typeof regions)[number]) => {
    const decidesNow = (name === region) === (decides === 'own');
    const throttledMs = decidesNow ? looking.throttledMs : 0;
    const [seen, out] = await Promise.all([
      look(name, url, { ...looking, throttledMs, signal: ends }),
      name !== region && flagsOf(target, name, keeperOf(name, names)!, limitMs).then(isOut),
    ]);
    if (decides === 'others' && decidesNow && seen.state === 'healthy' && !out) decided.abort();
    return { seen: out ? evacuated(seen) : seen, out };
  };
  const [looks, flags] = await Promise.all([
    Promise.all(regions.map(lookAt)),
    flagsOf(target, region, keeper, limitMs),
  ]);
  return {
    region,
    keeper,
    regions: looks.map(({ seen }) =>
      seen.region === region && isKnown(seen) && isOut(flags) ? evacuated(seen) : seen,
    ),
    flags,
    othersOut: names.filter((_, i) => looks[i]!.out),
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
  { throttledMs, signal, report }: Looking,
): Promise<SeenRegion> {
  const question = { timeoutMs: ANSWER_MS, throttledMs: 0 };
  let answer = await askHealth(url, question);
  if (answer === THROTTLED && throttledMs > 0 && !signal?.aborted) {
    report(`${region} answers that too many ask: asking again, for ${durationText(throttledMs)} at most`);
    answer = await askHealth(url, { ...question, throttledMs, ...(signal && { signal }) });
  }
  if (answer === THROTTLED || !answer)
    return { region, state: answer ? 'throttled' : 'silent', failing: [], notes: [] };
  const { healthy, failing, notes, writesStopped } = answer;
  return {
    region,
    state: healthy && !writesStopped ? 'healthy' : 'unhealthy',
    failing,
    notes: writesStopped ? [...notes, STOPPED] : notes,
  };
}

export const isStopped = ({ notes }: SeenRegion): boolean => notes.includes(STOPPED);

/** Whether the Region has answered with its health. */
export const isKnown = ({ state }: SeenRegion): boolean => state === 'healthy' || state === 'unhealthy';

/**
 * @returns whether the Region is good (docs/regions.md): nothing but an evacuation, the hold-down after it,
 * or stopped writes keeps it from registering
 */
export const isGood = (seen: SeenRegion): boolean =>
  isKnown(seen) &&
  seen.failing.length === 0 &&
  seen.notes.every((note) => ['evacuated', 'hold-down', STOPPED].includes(note));

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
