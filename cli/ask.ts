/** Asks the Regions of a stage until one answers. */
import { Refused } from './admin.ts';
import { CliError, EXIT, type ExitCode } from './io.ts';
import type { Target } from './target.ts';
import { durationText } from './time.ts';

/** How long a command waits for one Region's answer before it takes another's. */
export const PATIENCE_MS = 10_000;

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

export interface TurnOptions {
  /** After this time without an answer, the next Region is asked as well; the first answer counts. */
  readonly patienceMs?: number;
  /** Whether another Region may serve what this one refused. @default never */
  readonly passesOver?: (refusal: Refused) => boolean;
}

/**
 * Asks the home Region, or the next one that can be reached: every Region has rotation functions for that
 * case.
 *
 * @throws CliError where no Region can be reached, or one refuses
 */
export function askInTurn<R>(
  { regions }: Pick<Target, 'regions'>,
  ask: (region: string) => Promise<R>,
  { patienceMs, passesOver = () => false }: TurnOptions = {},
): Promise<FirstAnswer<R>> {
  const errors = new Map<string, string>();
  const unreachable = () => [...errors].map(([region, error]) => ({ region, error }));
  return new Promise((resolve, reject) => {
    let begun = 0;
    let failed = 0;
    let over = false;
    let exit: ExitCode = EXIT.unreachable;
    const askNext = (after: number): void => {
      const asked = regions[begun];
      // A Region that was passed over may fail later. The next one was asked by then.
      if (over || asked === undefined || after !== begun) return;
      begun += 1;
      const turn = begun;
      const impatience =
        patienceMs === undefined
          ? undefined
          : setTimeout(() => {
              errors.set(asked, `${asked} has not answered within ${durationText(patienceMs)}`);
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
            const refused = error instanceof Refused && passesOver(error);
            if (!(error instanceof CliError) || (error.exitCode !== EXIT.unreachable && !refused)) {
              over = true;
              return reject(error);
            }
            if (refused) exit = EXIT.failed;
            errors.set(asked, reasonOf(asked, error));
            failed += 1;
            if (failed === regions.length) reject(new CliError(exit, [...errors.values()].join('; ')));
            askNext(turn);
          },
        );
    };
    askNext(0);
  });
}

/**
 * Like `askInTurn`, for a call that changes nothing. All Regions are asked at once, so that a Region that
 * does not answer costs no more than the wait for it. The answer of the first Region in order that can be
 * reached, and answers in time, counts. A Region that refuses because of its own state, such as a table that
 * is down there, is passed over.
 */
export function askAtOnce<R>(
  target: Pick<Target, 'regions'>,
  ask: (region: string) => Promise<R>,
  options?: TurnOptions,
): Promise<FirstAnswer<R>> {
  const answers = new Map(target.regions.map((region) => [region, ask(region)]));
  for (const answer of answers.values()) answer.catch(() => {});
  return askInTurn(target, (region) => answers.get(region)!, { passesOver: isOfRegion, ...options });
}

/** Whether the refusal is of the Region's state, and not of what was asked for. */
const isOfRegion = ({ code }: Refused): boolean => code !== 'not_found' && code !== 'malformed_request';

/** @returns the error's message, which names the Region: a refusal's own does not */
export const reasonOf = (region: string, error: CliError): string =>
  error instanceof Refused ? `${region}: ${error.message}` : error.message;
