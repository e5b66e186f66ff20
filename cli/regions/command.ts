/** `countersign region add|remove`: every step of a change of the Regions, from the stage's present state. */
import { Command } from 'commander';
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { keeperOf } from '../../lambda/contract/evacuation.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { DEPLOY_PARTS, HEALTHY_WITHIN_MS, runPlanned, watchOption } from '../deploy/command.ts';
import { mustKeepFlag } from '../deploy/flags.ts';
import { type DeployParts, runSteps } from '../deploy/run.ts';
import { describeStep, stackIn } from '../deploy/steps.ts';
import { mustBeCopied } from '../deploy/switch.ts';
import { CliError, EXIT, EXIT_CODES_HELP, type Io, type SetExit } from '../io.ts';
import { lockedRegions } from '../keys/lock.ts';
import { isThere } from '../registry/lost.ts';
import { stageArguments } from '../target.ts';
import { RECORD_COMMAND } from './other-tables.ts';
import { addSteps, goneSteps, removeSteps } from './steps.ts';

const NOTE = `note: record it with ${RECORD_COMMAND}, and commit countersign.lock.json\n`;

interface Options {
  readonly stage?: string;
  readonly yes?: true;
  readonly json?: true;
  /** Seconds. */
  readonly watch: number;
}

export function regionCommand(io: Io, setExit: SetExit, parts = DEPLOY_PARTS): Command {
  const region = new Command('region').description('Add a Region to a stage, or remove one.');
  const subcommand = (verb: 'add' | 'remove', description: string, help: string) =>
    region
      .command(`${verb} <region>`)
      .description(description)
      .option('--stage <name>', 'the stage, if the project has several')
      .addOption(watchOption())
      .option('--yes', 'do not ask for confirmation')
      .option('--json', 'print one JSON document')
      .addHelpText('after', `\n${help}\n${EXIT_CODES_HELP}`)
      .action(async (name: string, options: Options) => {
        await runPlanned(io, setExit, parts, options, `region ${verb}`, (plan) => {
          const watching = {
            args: stageArguments(plan),
            alarmsMs: options.watch * 1000,
            healthMs: HEALTHY_WITHIN_MS,
            // The stage has keys, and a new Region must have them before it serves.
            mayLackKeys: false,
          };
          const steps = verb === 'add' ? addSteps(plan, name) : removeSteps(plan, name);
          return {
            lines: steps.map(describeStep),
            left: [],
            done: 'done',
            after: NOTE,
            async work(deploy) {
              if (verb === 'remove' && (await isGone(io, plan, name, deploy))) {
                const outcome = await runSteps(goneSteps(plan, name), watching, deploy);
                return { ...outcome, notes: [`${name} has no stack any more: it is removed`] };
              }
              if (verb === 'remove') await mustBeOut(plan, name, deploy);
              const names = plan.regions.map((each) => each.name);
              const before = verb === 'remove' ? [...names, name] : names.filter((each) => each !== name);
              const changed = steps.flatMap((step) => ('stack' in step ? [step] : []));
              await mustKeepFlag(
                plan,
                before,
                changed.map(({ stack }) => stack),
                deploy,
              );
              const stacks = changed.flatMap(({ kind, stack }) => (kind === 'deploy' ? [stack] : []));
              await mustBeCopied(plan, stacks, [], deploy);
              return runSteps(steps, watching, deploy);
            },
          };
        });
      });
  subcommand(
    'add',
    'Deploy a Region that the config names now: its customer key, its replicas of the tables, its stack, then the other stacks, which learn of it.',
    `Run it in the project's folder, after you have added the Region to the config. An interrupted run goes on when it is run again.

Example:
  $ countersign region add eu-central-1`,
  );
  subcommand(
    'remove',
    'Remove a Region that the config no longer names: its stack, its replicas of the tables, then its base stack. Its customer key stays.',
    `Evacuate the Region, take it out of the config, and run this in the project's folder. Its alarms' topic goes with it; its
customer key stays, since backups need it. An interrupted run goes on when it is run again.

Example:
  $ countersign region remove eu-central-1`,
  );
  return region;
}

/**
 * A run that ended just after the last stack and the replicas went left nothing to do but the endpoints, the
 * flag and the record, which still names the Region. A Region with its own key and topic has no base stack:
 * its replicas may be all that is left of it.
 *
 * @throws CliError where the record does not name it, so that a mistyped name never counts as removed
 */
async function isGone({ cwd }: Io, plan: DeployPlan, region: string, parts: DeployParts): Promise<boolean> {
  const { stage } = plan;
  const stacks = (['region', 'base'] as const).map((part) => stackIn(stage, part, region));
  const exist = await Promise.all(stacks.map((each) => parts.exists(each)));
  if (exist.includes(true) || (await hasReplica(plan, region, parts))) return false;
  if (lockedRegions(cwd, stage).includes(region)) return true;
  throw new CliError(
    EXIT.failed,
    `stage ${stage} has no stack in ${region}: it is removed already, or the name is mistyped; nothing was done`,
  );
}

/** @returns whether the Region has a replica of the tables in use */
const hasReplica = async (
  { stage, homeRegion, tableGeneration }: DeployPlan,
  region: string,
  parts: DeployParts,
): Promise<boolean> =>
  (await parts.replicasOf(homeRegion, tableName(stage, 'registry', tableGeneration))).includes(region);

/**
 * Its clients must be elsewhere: the nonces that it issued end with it. Its health alone does not show that:
 * a Region that gives no answer here may serve clients. The flag stays in the keeper's table while the Region
 * is removed, so a run that was interrupted finds it again.
 */
async function mustBeOut(plan: DeployPlan, region: string, parts: DeployParts): Promise<void> {
  const { stage, regions } = plan;
  const stack = stackIn(stage, 'region', region);
  const keeper = keeperOf(region, [...regions.map(({ name }) => name), region])!;
  const isFlagged = await parts.isEvacuated(region, keeper);
  if (isFlagged && (await parts.health(stack)).is !== 'healthy') return;
  if (await isLeftBehind(plan, region, parts)) return;
  throw new CliError(
    EXIT.failed,
    `${isFlagged ? `${region} serves` : `${region} is not evacuated (${keeper} keeps no flag of it)`}: evacuate it first ` +
      `(countersign evacuate ${region}${stageArguments(plan)}), so that clients are elsewhere when it goes; nothing was done`,
  );
}

/**
 * After a switch to other tables the Regions that stay know neither the Region nor its flag. What it would
 * register reaches none of them, so it must have stopped, or give no answer.
 */
async function isLeftBehind(plan: DeployPlan, region: string, parts: DeployParts): Promise<boolean> {
  if (await hasReplica(plan, region, parts)) return false;
  for (const { name } of plan.regions) if ((await parts.tables(name)).regions.includes(region)) return false;
  const own = await parts.tables(region).catch((error: unknown) => {
    if (error instanceof CliError && error.exitCode !== EXIT.interrupted && !isThere(error)) return undefined;
    throw error;
  });
  return own === undefined || own.stopped_at !== null;
}
