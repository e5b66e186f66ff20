/** `countersign region add|remove`: every step of a change of the Regions, from the stage's present state. */
import { Command } from 'commander';
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { CliError, EXIT, EXIT_CODES_HELP, type Io, type SetExit } from '../io.ts';
import { parseTime } from '../time.ts';
import { DEPLOY_PARTS, HEALTH_MS, runPlanned } from './command.ts';
import { addSteps, describeStep, removeSteps } from './region-steps.ts';
import { type DeployParts, runSteps } from './run.ts';

const RECORD =
  'note: record it with npx cdk synth -c countersign:lock=write, and commit countersign.lock.json\n';

interface Options {
  readonly stage?: string;
  readonly yes?: true;
  readonly json?: true;
  /** Seconds. */
  readonly watch: number;
}

export function regionCommand(io: Io, setExit: SetExit, parts = DEPLOY_PARTS): Command {
  const region = new Command('region').description('Add a Region to a stage, or remove one.');
  const add = (verb: 'add' | 'remove', description: string, help: string) =>
    region
      .command(`${verb} <region>`)
      .description(description)
      .option('--stage <name>', 'which one, where the project has several')
      .option(
        '--watch <time>',
        "how long a Region's alarms are watched before the next Region; 0s: not at all",
        parseTime,
        900,
      )
      .option('--yes', 'do not ask for confirmation')
      .option('--json', 'print one JSON document')
      .addHelpText('after', `\n${help}\n${EXIT_CODES_HELP}`)
      .action(async (name: string, options: Options) => {
        const watching = {
          alarmsMs: options.watch * 1000,
          healthMs: HEALTH_MS,
          // The stage has keys, and a new Region must have them before it serves.
          mayLackKeys: false,
        };
        await runPlanned(io, setExit, parts, options, `region ${verb}`, (plan) => {
          const steps = verb === 'add' ? addSteps(plan, name) : removeSteps(plan, name);
          return {
            lines: steps.map(describeStep),
            left: [],
            done: 'done',
            after: RECORD,
            async work(deploy) {
              if (verb === 'remove') await mustBeOut(plan, name, deploy);
              return runSteps(steps, watching, deploy);
            },
          };
        });
      });
  add(
    'add',
    'Deploy a Region that the config names now: its key, its replicas, its stack, then what the others know of it.',
    `Run it in the project's folder, after you have added the Region to the config. An interrupted run goes on when it is run again.

Example:
  $ countersign region add eu-central-1`,
  );
  add(
    'remove',
    'Remove a Region that the config names no longer: its stack, its replicas, then its key.',
    `Evacuate the Region, take it out of the config, and run this in the project's folder. Its alarms' topic goes with it; its
key stays, since backups need it. An interrupted run goes on when it is run again.

Example:
  $ countersign region remove eu-central-1`,
  );
  return region;
}

/** Its clients must be elsewhere: the nonces that it issued end with it. */
async function mustBeOut({ stage }: DeployPlan, region: string, parts: DeployParts): Promise<void> {
  const named = (part: 'region' | 'base') => ({
    name: `countersign-${stage}-${part}-${region}`,
    region,
    part,
  });
  const stack = named('region');
  const exist = await Promise.all([stack, named('base')].map((each) => parts.exists(each)));
  if (!exist.includes(true))
    throw new CliError(
      EXIT.failed,
      `stage ${stage} has no stack in ${region}: it is removed already, or the name is mistyped; nothing was done`,
    );
  if ((await parts.failing(stack))?.length === 0)
    throw new CliError(
      EXIT.failed,
      `${region} serves: evacuate it first (countersign evacuate ${region}), so that clients are elsewhere when it goes`,
    );
}
