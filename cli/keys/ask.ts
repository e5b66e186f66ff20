/** The rotation functions, one for each purpose, by Lambda's Invoke. */
import type { KeysAction, KeysActions } from '../../lambda/contract/keys.ts';
import { rotationFunctionName } from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { invoke } from '../admin.ts';
import { CliError, EXIT, type ExitCode } from '../io.ts';
import type { Target } from '../target.ts';
import { duration } from '../time.ts';

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
 * @param patienceMs one that has not answered by then is waited for, but the next one is asked as well
 * @throws CliError where none can be reached, or one refuses
 */
export function askInTurn<R>(
  { regions }: Pick<Target, 'regions'>,
  ask: (region: string) => Promise<R>,
  patienceMs?: number,
): Promise<Asked<R>> {
  const errors = new Map<string, string>();
  const unreachable = () => [...errors].map(([region, error]) => ({ region, error }));
  return new Promise((resolve, reject) => {
    let begun = 0;
    let failed = 0;
    let over = false;
    const askNext = (after: number): void => {
      const asked = regions[begun];
      // Whoever was waited for in vain may fail later: the next one was asked by then.
      if (over || asked === undefined || after !== begun) return;
      begun += 1;
      const turn = begun;
      const impatience =
        patienceMs === undefined
          ? undefined
          : setTimeout(() => {
              errors.set(asked, `${asked} has not answered within ${duration(patienceMs)}`);
              askNext(turn);
            }, patienceMs);
      ask(asked)
        .finally(() => clearTimeout(impatience))
        .then(
          (result) => {
            over = true;
            errors.delete(asked);
            resolve({ result, asked, unreachable: unreachable() });
          },
          (error: unknown) => {
            if (!(error instanceof CliError) || error.exitCode !== EXIT.unreachable) {
              over = true;
              return reject(error);
            }
            errors.set(asked, error.message);
            failed += 1;
            if (failed === regions.length)
              reject(new CliError(EXIT.unreachable, [...errors.values()].join('; ')));
            askNext(turn);
          },
        );
    };
    askNext(0);
  });
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
