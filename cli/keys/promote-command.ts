/** `countersign keys promote`: prints each step of a promotion as it is done, or is not. */
import { PATIENCE_MS } from '../ask.ts';
import { CliError, EXIT, type Io, interruptible, printJson, type SetExit, usage } from '../io.ts';
import { findTarget, type TargetOptions } from '../target.ts';
import { projectLock } from './lock.ts';
import { promoteKeys } from './promote.ts';
import type { PromotionStep } from './promotion.ts';

export type PromoteCommandOptions = TargetOptions & {
  readonly json?: true;
  readonly to: string;
  readonly yes?: boolean;
  /** Seconds. */
  readonly timeout: number;
};

export async function promote(
  io: Io,
  setExit: SetExit,
  { to, yes = false, timeout, ...options }: PromoteCommandOptions,
): Promise<void> {
  const target = findTarget(options, io);
  if (!target.regions.includes(to))
    throw usage(`--to must be a Region of the stage: ${target.regions.join(', ')}`);
  if (target.regions.length < 2) throw usage('keys promote needs every Region of the stage in --region');
  const steps: PromotionStep[] = [];
  const report = (step: PromotionStep) => {
    steps.push(step);
    const { region, purpose, done, detail } = step;
    const line = `${region}: ${purpose === null ? '' : `${purpose}: `}${detail}\n`;
    if (!done) io.stderr.write(`not done: ${line}`);
    else if (!options.json) io.stdout.write(line);
  };
  await interruptible(io, (signal) =>
    promoteKeys(target, to, {
      yes,
      lock: target.local ? undefined : projectLock(io.cwd),
      timeoutMs: timeout * 1_000,
      pollMs: io.pollMs ?? 1_000,
      patienceMs: io.patienceMs ?? PATIENCE_MS,
      signal,
      report,
    }),
  ).catch((error: unknown) => {
    if (options.json && steps.length > 0) printJson(io, { to, done: false, steps });
    if (!(error instanceof CliError) || error.exitCode !== EXIT.interrupted) throw error;
    throw new CliError(
      EXIT.interrupted,
      `${error.message}. Run this command again: once it has begun to take over, no key is made until ${to} is deployed with keys.managedBy`,
    );
  });
  const done = steps.every((step) => step.done);
  if (!done) setExit(EXIT.failed);
  if (options.json) printJson(io, { to, done, steps });
  else if (done) io.stdout.write(`${to} makes the keys, and every other Region has them\n`);
}
