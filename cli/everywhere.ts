/**
 * Writes through every Region, so that a change holds in each even if replication is late, and reports who
 * confirmed.
 */
import type { AdminAction, AdminActions } from '../lambda/contract/admin.ts';
import { invokeAdmin, Refused } from './admin.ts';
import { CliError, EXIT, type ExitCode, type Io, interruptible, printJson, type SetExit } from './io.ts';
import { findTarget, type Target, type TargetOptions } from './target.ts';

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
  /**
   * `not_found` counts as confirmed after another Region has confirmed: that Region's deletion was
   * replicated.
   */
  readonly absentIsDone?: true;
  /**
   * Calls all Regions at once, so that none waits for one that does not answer. For actions that revoke or
   * delete.
   */
  readonly atOnce?: true;
  /** The Regions to ask. @default all of the target */
  readonly among?: readonly string[];
}

export interface Wording<R> {
  /**
   * Members for `--json`, beside `confirmed` and `failed`. The result is undefined where no Region confirmed.
   */
  json(result: R | undefined): object;
  /** A line for a person; the names of the Regions that confirmed follow it. */
  text(result: R): string;
  /** A line on how the Regions that did not confirm are left, and what to do; where another confirmed. */
  left?(regions: string): string;
}

/** How the Regions' answers become one outcome, and how it is printed. */
export type Outcome<R> = Wording<R> & Combine<R>;

/** Runs an action in every Region, and prints the outcome. */
export async function everywhere<A extends AdminAction>(
  io: Io,
  setExit: SetExit,
  options: Options,
  action: A,
  params: AdminActions[A]['params'],
  outcome: Outcome<AdminActions[A]['result']>,
): Promise<void> {
  printAnswers(io, setExit, options, await askEverywhere(io, options, action, params, outcome), outcome);
}

/**
 * Runs an action in every Region, even if it fails in another. One Region after the other, unless `atOnce`.
 * Ctrl-C ends it: those that have not confirmed count as failed, and no other is called.
 *
 * @param params a function gets the result of the Regions before
 */
export const askEverywhere = <A extends AdminAction>(
  io: Io,
  options: Options,
  action: A,
  params: Params<A>,
  combine: Combine<AdminActions[A]['result']> = {},
): Promise<Answers<AdminActions[A]['result']>> =>
  interruptible(io, (signal) => askAll(findTarget(options, io), action, params, combine, signal));

type Params<A extends AdminAction> =
  | AdminActions[A]['params']
  | ((before?: AdminActions[A]['result']) => AdminActions[A]['params']);

async function askAll<A extends AdminAction>(
  target: Target,
  action: A,
  params: Params<A>,
  { merge = (_, next) => next, absentIsDone, atOnce, among }: Combine<AdminActions[A]['result']>,
  signal: AbortSignal,
): Promise<Answers<AdminActions[A]['result']>> {
  let result: AdminActions[A]['result'] | undefined;
  const ask = (region: string) =>
    invokeAdmin(target, region, action, typeof params === 'function' ? params(result) : params, signal);
  const regions = among ?? target.regions;
  const asked = new Map(atOnce ? regions.map((region) => [region, ask(region)]) : []);
  for (const answer of asked.values()) answer.catch(() => {});
  const confirmed: string[] = [];
  const absent: string[] = [];
  const failed: { region: string; error: string }[] = [];
  let reached = false;
  let isInterrupted = false;
  for (const region of regions)
    try {
      const answer = await (asked.get(region) ?? ask(region));
      reached = true;
      result = result === undefined ? answer : merge(result, answer);
      confirmed.push(region);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      if (error instanceof Refused && error.code === 'not_found') absent.push(region);
      failed.push({ region, error: error.message });
      reached ||= error.exitCode !== EXIT.unreachable;
      isInterrupted ||= error.exitCode === EXIT.interrupted;
    }
  const done = (region: string) => absentIsDone && confirmed.length > 0 && absent.includes(region);
  const left = failed.filter(({ region }) => !done(region));
  const all = regions.filter((region) => confirmed.includes(region) || done(region));
  const failure = isInterrupted ? EXIT.interrupted : reached ? EXIT.failed : EXIT.unreachable;
  return { result, confirmed: all, failed: left, exit: left.length === 0 ? EXIT.done : failure };
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
  const errors = new Set(failed.map(({ error }) => error));
  // A mistyped name, for example: every Region gives the same answer.
  if (confirmed.length === 0 && errors.size === 1) io.stderr.write(`error: ${failed[0]!.error}\n`);
  else
    for (const { region, error } of failed) io.stderr.write(`error: not confirmed by ${region}: ${error}\n`);
  if (wording.left && confirmed.length > 0 && failed.length > 0)
    io.stderr.write(`${wording.left(failed.map(({ region }) => region).join(', '))}\n`);
}
