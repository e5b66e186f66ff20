/** `countersign preflight`. */
import { Command, Option } from 'commander';
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, usage } from '../io.ts';
import { choosePlan, readDeployPlans } from '../project.ts';
import type { Account } from './account.ts';
import { type Finding, runChecks } from './checks.ts';
import type { Verdict } from './outcome.ts';

/** The parts that a test replaces. */
export interface PreflightParts {
  /** The plans of the project in the working directory. */
  plans(io: Io): Promise<DeployPlan[]>;
  /** @param home the Region that answers what holds for the whole account */
  account(home: string): Promise<Account>;
}

const PARTS: PreflightParts = {
  plans: readDeployPlans,
  async account(home) {
    // Loaded here alone: it brings ten AWS clients, which no other command needs.
    const { awsAccount } = await import('./aws-account.ts');
    return awsAccount((region) => ({ region }), home);
  },
};

/** Options of an earlier version; `--region` is one of other commands, too. */
const READ_FROM_CONFIG = ['region', 'qualifier', 'domain', 'hosted-zone', 'certificate'];

export function preflightCommand(io: Io, setExit: SetExit, parts: PreflightParts = PARTS): Command {
  const command = new Command('preflight');
  for (const name of READ_FROM_CONFIG)
    command.addOption(
      new Option(`--${name} <value>`).hideHelp().argParser(() => {
        throw usage(`leave --${name} out: it is read from the project's config`);
      }),
    );
  return command
    .description(
      'Check, Region by Region, for what would make a deployment of this project fail. Changes nothing.',
    )
    .option('--stage <name>', 'the stage, if the project has several')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `
Run it in the project's folder: it reads what the config deploys by \`cdk synth\`, and checks the account of your AWS
credentials for it. Exit code 0: everything was checked and nothing fails; warnings leave it at 0.

Example:
  $ countersign preflight
${EXIT_CODES_HELP}`,
    )
    .action(async (options: { readonly stage?: string; readonly json?: true }) => {
      const plan = choosePlan(await parts.plans(io), options.stage);
      const { stage } = plan;
      const account = await parts.account(plan.homeRegion);
      const { account: accountId, arn } = await account.identity();
      const findings = await runChecks(account, accountId, plan, Date.now());
      if (options.json) printJson(io, { stage, account: accountId, principal: arn, findings });
      else print(io, `Stage ${stage}, account ${accountId}, as ${arn}`, findings);
      if (findings.some(({ verdict }) => verdict === 'fail' || verdict === 'unknown')) setExit(EXIT.failed);
    });
}

function print({ stdout }: Io, title: string, findings: readonly Finding[]): void {
  stdout.write(`${title}\n\n`);
  for (const { check, region, verdict, detail, fix } of findings) {
    stdout.write(`${verdict.padEnd(7)}  ${region === null ? '' : `${region}  `}${check}: ${detail}\n`);
    if (fix !== undefined) stdout.write(`         -> ${fix}\n`);
  }
  const count = (which: Verdict) => findings.filter(({ verdict }) => verdict === which).length;
  const unknown = count('unknown') === 0 ? '' : `, ${count('unknown')} not checked`;
  stdout.write(`\n${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} to fix first${unknown}\n`);
}
