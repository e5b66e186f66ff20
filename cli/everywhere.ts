/** Writes through every Region, so that it holds in each whatever the replication does, and says which confirmed. */
import type { AdminAction, AdminActions } from '../lambda/contract/admin.ts';
import { invokeAdmin, Refused } from './admin.ts';
import { CliError, EXIT, type ExitCode, type Io, printJson, type SetExit } from './io.ts';
import { findTarget, type TargetOptions } from './target.ts';

type Options = TargetOptions & { readonly json?: true };

export interface Answers<R> {
  /** Of the Regions that confirmed, together; undefined where none did. */
  readonly result: R | undefined;
  readonly confirmed: readonly string[];
  readonly failed: readonly { readonly region: string; readonly error: string }[];
  readonly exit: ExitCode;
}

export interface Combine<R> {
  /** What two Regions' answers come to. Default: the later one, since they say the same. */
  readonly merge?: (before: R, next: R) => R;
  /** What one Region took away is not there for another one. */
  readonly absentIsDone?: true;
  /** Of what takes something away: a Region that does not answer keeps no other waiting. */
  readonly atOnce?: true;
}

export interface Said<R> {
  /** For `--json`, beside `confirmed` and `failed`; undefined where no Region confirmed. */
  json(result: R | undefined): object;
  /** For a person, before the names of the Regions that confirmed. */
  text(result: R): string;
}

/** Asks every Region, and tells what came of it. */
export async function everywhere<A extends AdminAction>(
  io: Io,
  setExit: SetExit,
  options: Options,
  action: A,
  params: AdminActions[A]['params'],
  said: Said<AdminActions[A]['result']> & Combine<AdminActions[A]['result']>,
): Promise<void> {
  tell(io, setExit, options, await askEverywhere(io, options, action, params, said), said);
}

export async function askEverywhere<A extends AdminAction>(
  io: Io,
  options: Options,
  action: A,
  params: AdminActions[A]['params'],
  { merge = (_, next) => next, absentIsDone, atOnce }: Combine<AdminActions[A]['result']> = {},
): Promise<Answers<AdminActions[A]['result']>> {
  const target = findTarget(options, io);
  const ask = (region: string) => invokeAdmin(target, region, action, params);
  const asked = new Map(atOnce ? target.regions.map((region) => [region, ask(region)]) : []);
  for (const answer of asked.values()) answer.catch(() => {});
  const confirmed: string[] = [];
  const absent: string[] = [];
  const failed: { region: string; error: string }[] = [];
  let result: AdminActions[A]['result'] | undefined;
  let reached = false;
  for (const region of target.regions)
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
    }
  const done = (region: string) => absentIsDone && confirmed.length > 0 && absent.includes(region);
  const left = failed.filter(({ region }) => !done(region));
  const all = target.regions.filter((region) => confirmed.includes(region) || done(region));
  const exit = left.length === 0 ? EXIT.done : reached ? EXIT.failed : EXIT.unreachable;
  return { result, confirmed: all, failed: left, exit };
}

export function tell<R>(
  io: Io,
  setExit: SetExit,
  { json }: Options,
  { result, confirmed, failed, exit }: Answers<R>,
  said: Said<R>,
): void {
  if (exit !== EXIT.done) setExit(exit);
  if (json) printJson(io, { ...said.json(result), confirmed, failed });
  else if (result !== undefined) io.stdout.write(`${said.text(result)}: ${confirmed.join(', ')}\n`);
  for (const { region, error } of failed) io.stderr.write(`error: not confirmed by ${region}: ${error}\n`);
}
