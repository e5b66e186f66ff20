/** Writes through every Region, so that a change holds in each even if replication is late, and reports who confirmed. */
import type { AdminAction, AdminActions } from '../lambda/contract/admin.ts';
import { invokeAdmin, Refused } from './admin.ts';
import { CliError, EXIT, type ExitCode, type Io, printJson, type SetExit } from './io.ts';
import { findTarget, type TargetOptions } from './target.ts';

type Options = TargetOptions & { readonly json?: true };

export interface Answers<R> {
  /** The answers of the Regions that confirmed, merged; undefined where none confirmed. */
  readonly result: R | undefined;
  readonly confirmed: readonly string[];
  readonly failed: readonly { readonly region: string; readonly error: string }[];
  readonly exit: ExitCode;
}

export interface Combine<R> {
  /** Merges two Regions' answers. @default the later one, since both are the same */
  readonly merge?: (before: R, next: R) => R;
  /** `not_found` counts as confirmed after another Region has confirmed: that Region's deletion was replicated. */
  readonly absentIsDone?: true;
}

export interface Wording<R> {
  /** Members for `--json`, beside `confirmed` and `failed`. The result is undefined where no Region confirmed. */
  json(result: R | undefined): object;
  /** A line for a person; the names of the Regions that confirmed follow it. */
  text(result: R): string;
}

/** Runs an action in one Region after the other, and prints the outcome. */
export async function everywhere<A extends AdminAction>(
  io: Io,
  setExit: SetExit,
  options: Options,
  action: A,
  params: AdminActions[A]['params'],
  wording: Wording<AdminActions[A]['result']> & Combine<AdminActions[A]['result']>,
): Promise<void> {
  printAnswers(io, setExit, options, await askEverywhere(io, options, action, params, wording), wording);
}

/** Runs an action in one Region after the other, each even where another failed. */
export async function askEverywhere<A extends AdminAction>(
  io: Io,
  options: Options,
  action: A,
  params: AdminActions[A]['params'],
  { merge = (_, next) => next, absentIsDone }: Combine<AdminActions[A]['result']> = {},
): Promise<Answers<AdminActions[A]['result']>> {
  const target = findTarget(options, io);
  const confirmed: string[] = [];
  const failed: { region: string; error: string }[] = [];
  let result: AdminActions[A]['result'] | undefined;
  let reached = false;
  for (const region of target.regions)
    try {
      const answer = await invokeAdmin(target, region, action, params);
      reached = true;
      result = result === undefined ? answer : merge(result, answer);
      confirmed.push(region);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const absent = error instanceof Refused && error.code === 'not_found';
      if (absentIsDone && absent && confirmed.length > 0) {
        confirmed.push(region);
        continue;
      }
      failed.push({ region, error: error.message });
      reached ||= error.exitCode !== EXIT.unreachable;
    }
  const exit = failed.length === 0 ? EXIT.done : reached ? EXIT.failed : EXIT.unreachable;
  return { result, confirmed, failed, exit };
}

/** Prints the outcome, and sets the exit code where a Region did not confirm. */
export function printAnswers<R>(
  io: Io,
  setExit: SetExit,
  { json }: Options,
  { result, confirmed, failed, exit }: Answers<R>,
  wording: Wording<R>,
): void {
  if (exit !== EXIT.done) setExit(exit);
  if (json) printJson(io, { ...wording.json(result), confirmed, failed });
  else if (result !== undefined) io.stdout.write(`${wording.text(result)}: ${confirmed.join(', ')}\n`);
  for (const { region, error } of failed) io.stderr.write(`error: not confirmed by ${region}: ${error}\n`);
}
