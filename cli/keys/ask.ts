/** The rotation functions, one for each purpose, by Lambda's Invoke. */
import type { KeysAction, KeysActions } from '../../lambda/contract/keys.ts';
import { rotationFunctionName } from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { invoke } from '../admin.ts';
import { CliError, EXIT, type ExitCode } from '../io.ts';
import type { Target } from '../target.ts';

/** @throws Refused with the problem's detail, CliError where the function was not reached */
export const askKeys = <A extends KeysAction>(
  target: Target,
  region: string,
  purpose: Purpose,
  action: A,
  params: KeysActions[A]['params'],
  signal?: AbortSignal,
): Promise<KeysActions[A]['result']> =>
  invoke(target, region, rotationFunctionName(target.stage, purpose), action, params, {
    signal,
    ...(action !== 'keys.list' && { look: `countersign keys list ${purpose}` }),
  });

/** A Region that could not be asked, and why. */
export interface Unreachable {
  readonly region: string;
  readonly error: string;
}

export interface Asked<R> {
  readonly result: R;
  /** The Region that gave it. */
  readonly asked: string;
  /** Those before it. */
  readonly unreachable: readonly Unreachable[];
}

/**
 * Asks the home Region, and where it cannot be reached, the next one, whose functions stand idle for that day.
 *
 * @throws CliError where none can be reached, or one refuses
 */
export async function askInTurn<R>(
  { regions }: Pick<Target, 'regions'>,
  ask: (region: string) => Promise<R>,
): Promise<Asked<R>> {
  const unreachable: Unreachable[] = [];
  for (const asked of regions)
    try {
      return { result: await ask(asked), asked, unreachable };
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode !== EXIT.unreachable) throw error;
      unreachable.push({ region: asked, error: error.message });
    }
  throw new CliError(EXIT.unreachable, unreachable.map(({ error }) => error).join('; '));
}

/**
 * The same of what changes nothing: every Region is asked at once, so that one that does not answer keeps none waiting
 * behind it. The first of them that answers counts.
 */
export function askAtOnce<R>(
  target: Pick<Target, 'regions'>,
  ask: (region: string) => Promise<R>,
): Promise<Asked<R>> {
  const answers = new Map(target.regions.map((region) => [region, ask(region)]));
  for (const answer of answers.values()) answer.catch(() => {});
  return askInTurn(target, (region) => answers.get(region)!);
}

/** @returns what came of the asking, or undefined where a function was not reached, or refused */
export const ifAnswered = <R>(answer: Promise<R>): Promise<R | undefined> =>
  answer.catch((error: unknown) => {
    if (error instanceof CliError && error.exitCode !== EXIT.interrupted) return undefined;
    throw error;
  });

/** What all have in common; else, some of it failed. */
export const exitOf = (codes: readonly ExitCode[]): ExitCode =>
  codes.every((code) => code === codes[0]) ? (codes[0] ?? EXIT.done) : EXIT.failed;
