/** Writes through every Region, so that it holds in each whatever the replication does, and says which confirmed. */
import type { AdminAction, AdminActions } from '../lambda/contract/admin.ts';
import { invokeAdmin, Refused } from './admin.ts';
import { CliError, EXIT, type Io, printJson } from './io.ts';
import type { SetExit } from './program.ts';
import { findTarget, type TargetOptions } from './target.ts';

export interface Said<R> {
  /** For `--json`, beside `confirmed` and `failed`; undefined where no Region confirmed. */
  json(result: R | undefined): object;
  /** For a person, before the names of the Regions that confirmed. */
  text(result: R): string;
  /** What one Region took away is not there for the next one. */
  readonly absentIsDone?: true;
}

export async function everywhere<A extends AdminAction>(
  io: Io,
  setExit: SetExit,
  options: TargetOptions & { readonly json?: true },
  action: A,
  params: AdminActions[A]['params'],
  said: Said<AdminActions[A]['result']>,
): Promise<void> {
  const target = findTarget(options, io);
  const confirmed: string[] = [];
  const failed: { region: string; error: string }[] = [];
  let result: AdminActions[A]['result'] | undefined;
  let exit: number = EXIT.done;
  for (const region of target.regions)
    try {
      result = await invokeAdmin(target, region, action, params);
      confirmed.push(region);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      if (
        said.absentIsDone &&
        confirmed.length > 0 &&
        error instanceof Refused &&
        error.code === 'not_found'
      ) {
        confirmed.push(region);
        continue;
      }
      failed.push({ region, error: error.message });
      exit = error.exitCode;
    }
  if (failed.length > 0) setExit(confirmed.length > 0 ? EXIT.failed : exit);
  if (options.json) printJson(io, { ...said.json(result), confirmed, failed });
  else if (result !== undefined) io.stdout.write(`${said.text(result)}: ${confirmed.join(', ')}\n`);
  for (const { region, error } of failed) io.stderr.write(`error: not confirmed by ${region}: ${error}\n`);
}
