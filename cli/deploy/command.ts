/** `countersign deploy` and `countersign destroy`: stack by stack, Region by Region. */
import { Command, Option } from 'commander';
import type { DeployPlan, PlannedStack } from '../../lambda/contract/deploy-plan.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { confirm } from '../confirm.ts';
import {
  CliError,
  EXIT,
  EXIT_CODES_HELP,
  type Io,
  interruptible,
  printJson,
  type SetExit,
  usage,
} from '../io.ts';
import { lockedRegions } from '../keys/lock.ts';
import { choosePlan, type Synthesis, withSynthesis } from '../project.ts';
import { collect, stageArguments } from '../target.ts';
import { parseTime } from '../time.ts';
import { mustKeepFlag, regionsBefore } from './flags.ts';
import { type DeployOutcome, type DeployParts, deployStacks, destroyStacks } from './run.ts';
import { type Choice, deploySteps, destroySteps, keepsData, type Steps } from './steps.ts';
import { mustBeCopied, watchLeftOut } from './switch.ts';

export interface DeployCommandParts {
  /** Synthesises the project, and lets `use` work with the result. */
  synthesised<T>(io: Io, use: (synthesis: Synthesis) => Promise<T>): Promise<T>;
  parts(io: Io, plan: DeployPlan, assembly: string, signal: AbortSignal): Promise<DeployParts>;
}

export const DEPLOY_PARTS: DeployCommandParts = {
  synthesised: withSynthesis,
  async parts(io, plan, assembly, signal) {
    // Loaded here alone: no other command needs these AWS clients.
    const { awsParts } = await import('./aws-parts.ts');
    return awsParts(io, { plan, assembly, aws: (region) => ({ region }), signal });
  },
};

interface Options extends Choice {
  readonly stage?: string;
  readonly yes?: true;
  readonly json?: true;
}

interface DeployOptions extends Options {
  /** Seconds. */
  readonly watch: number;
}

/** In seconds. */
export const watchOption = (): Option =>
  new Option(
    '--watch <time>',
    "how long each Region's alarms are watched after its deployment; 0s: not at all",
  )
    .argParser(parseTime)
    .default(900, '15m');

/** A new Region's functions start, read their keys, and must then be good for the hold-down. */
export const HEALTHY_WITHIN_MS = 600_000;

export function deployCommand(io: Io, setExit: SetExit, parts = DEPLOY_PARTS): Command {
  return common(new Command('deploy'))
    .description(
      'Deploy this project: stack by stack, one Region after the other, each one only while the one before it is healthy.',
    )
    .option('--without <regions>', 'leave out the stacks in these Regions, which are lost', collect)
    .addOption(watchOption())
    .addHelpText(
      'after',
      `
Run it in the project's folder. It stops at the first stack that fails, at a Region that does not become healthy, and when
an alarm fires; it then says what is deployed and what is not. Run it again when that is fixed.

Examples:
  $ countersign deploy
  $ countersign deploy --region eu-central-1      only what belongs to this Region
  $ countersign deploy --without eu-west-1        while that Region is lost
${EXIT_CODES_HELP}`,
    )
    .action((options: DeployOptions) =>
      runPlanned(io, setExit, parts, options, 'deploy', (plan) => {
        const { stacks, left } = deploySteps(plan, options);
        const watching = {
          args: stageArguments(plan),
          alarmsMs: options.watch * 1000,
          healthMs: HEALTHY_WITHIN_MS,
          mayLackKeys: true,
        };
        return {
          ...shown({ stacks, left }),
          done: 'deployed',
          async work(deploy) {
            const home = stacks.find(({ part }) => part === 'home');
            if (home) await mustHaveNoOther(plan, home, deploy);
            const lost = options.without ?? [];
            const left = await mustBeCopied(plan, stacks, lost, deploy);
            const regions = await regionsBefore(plan, lockedRegions(io.cwd, plan.stage), lost, deploy);
            await mustKeepFlag(plan, regions, stacks, deploy);
            return watchLeftOut(left, (before) => deployStacks(stacks, { ...watching, before }, deploy));
          },
        };
      }),
    );
}

/**
 * A Region that was taken out of the config by hand: its replicas of the tables are protected against their
 * deletion, so the home stack's deployment would fail after others have changed.
 */
async function mustHaveNoOther(
  { stage, regions, tableGeneration }: DeployPlan,
  home: PlannedStack,
  parts: DeployParts,
): Promise<void> {
  const table = tableName(stage, 'registry', tableGeneration);
  const known = new Set(regions.map(({ name }) => name));
  const [gone] = (await parts.replicasOf(home.region, table)).filter((region) => !known.has(region));
  if (gone === undefined) return;
  throw new CliError(
    EXIT.failed,
    `${gone} has a replica of the tables, and the config does not name it any more: ${home.name} could not be deployed. ` +
      `To remove the Region, evacuated and step by step: countersign region remove ${gone} --stage ${stage}; nothing was deployed`,
  );
}

export function destroyCommand(io: Io, setExit: SetExit, parts = DEPLOY_PARTS): Command {
  return common(new Command('destroy'))
    .description(
      'Destroy the stacks of this project, in the reverse order. Of a prod stage registrations, clients, secrets and keys stay; used nonces, quotas, evacuation flags and the events of 30 days go. The command names the stacks that stay.',
    )
    .addHelpText(
      'after',
      `
Run it in the project's folder.

Example:
  $ countersign destroy --region eu-central-1
${EXIT_CODES_HELP}`,
    )
    .action((options: Options) =>
      runPlanned(io, setExit, parts, options, 'destroy', (plan) => {
        const { stacks, left } = destroySteps(plan, options);
        return {
          ...shown({ stacks, left }),
          done: 'destroyed',
          before: staying(plan, left),
          work: (destroy) => destroyStacks(stacks, destroy),
        };
      }),
    );
}

const common = (command: Command): Command =>
  command
    .option('--stage <name>', 'the stage, if the project has several')
    .option('--region <names>', 'only the stacks of these Regions; separate with commas', collect)
    .option('--yes', 'do not ask for confirmation')
    .option('--json', 'print one JSON document');

/** A command's work with a plan. */
interface Planned {
  /** The steps, for a person. */
  readonly lines: readonly string[];
  readonly left: readonly string[];
  readonly done: string;
  /** Printed before the run, or after it succeeds. */
  readonly before?: string;
  readonly after?: string;
  work(parts: DeployParts): Promise<DeployOutcome>;
}

/** Synthesises, shows the steps, asks, runs them, and says how far it came. */
export async function runPlanned(
  io: Io,
  setExit: SetExit,
  parts: DeployCommandParts,
  options: { readonly stage?: string; readonly yes?: true; readonly json?: true },
  verb: string,
  planned: (plan: DeployPlan) => Planned,
): Promise<void> {
  await parts.synthesised(io, async ({ plans, assembly }) => {
    const plan = choosePlan(plans, options.stage);
    const { lines, left, done, before, after, work } = planned(plan);
    if (lines.length === 0) throw usage(`there is nothing to ${verb}`);
    if (!options.yes && !io.stderr.isTTY)
      throw usage(`${verb} asks for confirmation, which needs a terminal; use --yes to skip it`);
    io.stderr.write(`Stage ${plan.stage}: ${verb}, in this order:\n`);
    for (const line of lines) io.stderr.write(`  ${line}\n`);
    if (before !== undefined) io.stderr.write(`${before}\n`);
    if (!options.yes) await confirm(io, plan.stage, `nothing was ${done}`);
    const outcome = await interruptible(io, async (signal) =>
      work(await parts.parts(io, plan, assembly, signal)),
    );
    setExit(outcome.exit);
    const { exit: _, ...shown } = outcome;
    if (options.json) printJson(io, { stage: plan.stage, ...shown, left });
    else print(io, done, outcome);
    if (!outcome.stopped && after !== undefined) io.stderr.write(after);
  });
}

const shown = ({ stacks, left }: Steps) => ({
  lines: stacks.map(({ name, region }) => `${name} in ${region}`),
  left: left.map(({ name }) => name),
});

function staying(plan: DeployPlan, left: Steps['left']): string {
  const kept = left.filter((stack) => keepsData(stack) || stack.part === 'account');
  if (kept.length === 0) return 'Nothing stays: tables, keys and registrations are deleted.';
  const ledgers =
    plan.kind === 'prod'
      ? ' Used nonces go with the ledger of each Region: raise its ledgerGeneration before you deploy it again.'
      : '';
  return `These stay, and cost what they hold: ${kept.map(({ name }) => name).join(', ')}.${ledgers}`;
}

function print({ stdout, stderr }: Io, done: string, outcome: DeployOutcome): void {
  if (outcome.done.length > 0) stdout.write(`${done}: ${outcome.done.join(', ')}\n`);
  for (const note of outcome.notes) stdout.write(`note: ${note}\n`);
  if (!outcome.stopped) return;
  stderr.write(`error: ${outcome.stopped.step}: ${outcome.stopped.why}\n`);
  if (outcome.not_tried.length > 0) stderr.write(`not tried: ${outcome.not_tried.join(', ')}\n`);
  stderr.write('run the same command again once this is fixed\n');
}
