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
  signal?: AbortSignal,
): Promise<KeysActions[A]['result']> =>
  invoke(target, region, rotationFunctionName(target.stage, purpose), action, params, {
    signal,
    ...(action !== 'keys.list' && { look: `countersign keys list ${purpose}${target.args}` }),
  });

/** @returns the answer; undefined where a function refused, or was not reached */
export const ifAnswered = <R>(answer: Promise<R>): Promise<R | undefined> =>
  answer.catch((error: unknown) => {
    if (error instanceof CliError && error.exitCode !== EXIT.interrupted) return undefined;
    throw error;
  });

/** @returns the exit code that all have in common; else `failed`, for partly failed */
export const exitOf = (codes: readonly ExitCode[]): ExitCode =>
  codes.every((code) => code === codes[0]) ? (codes[0] ?? EXIT.done) : EXIT.failed;
