/** `countersign preflight`: checks, before `cdk deploy`, that the account is ready for it. */
import { Command } from 'commander';
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, usage } from '../io.ts';
import type { Account } from './account.ts';
import { type Finding, runChecks } from './checks.ts';
import type { Verdict } from './outcome.ts';
import { readDeployPlans } from './project.ts';

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

export function preflightCommand(io: Io, setExit: SetExit, parts: PreflightParts = PARTS): Command {
  return new Command('preflight')
    .description('Check, Region by Region, whether a deployment of this project would fail. Changes nothing.')
    .option('--stage <name>', 'the stage to check; needed only if the project has several')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `
Run it in the project's folder. It runs \`cdk synth\` to read what the config deploys, then checks the account of your AWS
credentials. Exit code 0: every check ran and none failed; warnings do not change it.

Example:
  $ countersign preflight
${EXIT_CODES_HELP}`,
    )
    .action(async (options: { readonly stage?: string; readonly json?: true }) => {
      const plan = choose(await parts.plans(io), options.stage);
      const { stage } = plan;
      const account = await parts.account(plan.homeRegion);
      const { account: accountId, arn } = await account.identity();
      const findings = await runChecks(account, accountId, plan, Date.now());
      if (options.json) printJson(io, { stage, account: accountId, principal: arn, findings });
      else print(io, `Stage ${stage}, account ${accountId}, as ${arn}`, findings);
      if (findings.some(({ verdict }) => verdict === 'fail' || verdict === 'unknown')) setExit(EXIT.failed);
    });
}

function choose(plans: readonly DeployPlan[], stage: string | undefined): DeployPlan {
  if (plans.length === 0)
    throw usage('this project deploys no Countersign stage: its CDK app adds no platform');
  const stages = plans.map((plan) => plan.stage).join(', ');
  const chosen = stage === undefined ? plans : plans.filter((plan) => plan.stage === stage);
  if (chosen.length === 0) throw usage(`--stage: this project has no stage ${stage}; it has ${stages}`);
  if (chosen.length > 1) throw usage(`this project has several stages: choose one with --stage: ${stages}`);
  return chosen[0]!;
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
