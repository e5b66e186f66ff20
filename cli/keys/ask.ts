/** Calls the rotation functions, one for each purpose, through Lambda's Invoke. */
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
): Promise<KeysActions[A]['result']> =>
  invoke(target, region, rotationFunctionName(target.stage, purpose), action, params);

/** A Region whose function did not answer, and why. */
export interface Unreachable {
  readonly region: string;
  readonly error: string;
}

export interface FirstAnswer<R> {
  readonly result: R;
  /** The Region that answered. */
  readonly asked: string;
  /** The Regions before it, which did not answer. */
  readonly unreachable: readonly Unreachable[];
}

/**
 * Asks the home Region, or the next one that can be reached: every Region has rotation functions for that case.
 *
 * @throws CliError where no Region can be reached, or one refuses
 */
export async function askInTurn<R>(
  { regions }: Pick<Target, 'regions'>,
  ask: (region: string) => Promise<R>,
): Promise<FirstAnswer<R>> {
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

/** @returns the answer; undefined where a function refused, or was not reached */
export const ifAnswered = <R>(answer: Promise<R>): Promise<R | undefined> =>
  answer.catch((error: unknown) => {
    if (error instanceof CliError) return undefined;
    throw error;
  });

/** @returns the exit code that all have in common; else `failed`, for partly failed */
export const exitOf = (codes: readonly ExitCode[]): ExitCode =>
  codes.every((code) => code === codes[0]) ? (codes[0] ?? EXIT.done) : EXIT.failed;
