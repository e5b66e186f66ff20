/** `countersign preflight`. */
import { Command } from 'commander';
import { CliError, EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, usage } from '../io.ts';
import { addTargetOptions, findTarget, type Target, type TargetOptions } from '../target.ts';
import type { Account } from './account.ts';
import { awsAccount } from './aws-account.ts';
import { DEFAULT_QUALIFIER, type Finding, type Plan, runChecks } from './checks.ts';
import type { Verdict } from './outcome.ts';

interface PreflightOptions extends TargetOptions {
  readonly qualifier: string;
  readonly domain?: string;
  readonly hostedZone?: string;
  readonly certificate?: readonly string[];
  readonly json?: true;
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, ...value.split(',')];

/** @param connect to the account; a test has one of its own */
export function preflightCommand(
  io: Io,
  setExit: SetExit,
  connect: (aws: Target['aws'], home: string) => Account = awsAccount,
): Command {
  return addTargetOptions(new Command('preflight'))
    .description('Look, Region by Region, for what would make a deployment fail. Changes nothing.')
    .option('--qualifier <text>', "of the CDK's bootstrap", DEFAULT_QUALIFIER)
    .option('--domain <name>', "the entry's host name, where there is one")
    .option('--hosted-zone <id>', 'the public zone that it lies in')
    .option('--certificate <arn>', 'one that is brought along; repeatable, or with commas', collect)
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `
Warnings leave the exit code at 0; one failure makes it 1.

Example:
  $ countersign preflight --stage prod --region eu-west-1,eu-central-1 --domain api.example.com --hosted-zone Z0123456789
${EXIT_CODES_HELP}`,
    )
    .action(async (options: PreflightOptions) => {
      if (options.stage === undefined)
        throw usage('preflight needs --stage and --region: a local platform needs none');
      if (options.domain !== undefined && !options.hostedZone && !options.certificate)
        throw usage('--domain needs --hosted-zone or --certificate, to have something to check');
      const { stage, regions, aws } = findTarget(options, io);
      const { qualifier, domain, hostedZone, certificate: certificates = [] } = options;
      for (const arn of certificates) requireRegion(arn, regions);
      const plan: Plan = {
        ...{ stage, regions, qualifier, certificates },
        ...(domain !== undefined && { domain }),
        ...(hostedZone !== undefined && { hostedZone }),
      };
      const account = connect(aws, regions[0]!);
      const { account: accountId, arn } = await account.identity();
      const findings = await runChecks(account, accountId, plan, Date.now());
      if (options.json) printJson(io, { stage, account: accountId, principal: arn, findings });
      else print(io, `Account ${accountId}, as ${arn}`, findings);
      if (findings.some(({ verdict }) => verdict === 'fail')) setExit(EXIT.failed);
    });
}

function requireRegion(arn: string, regions: readonly string[]): void {
  if (!/^arn:[\w-]+:acm:[\w-]+:\d{12}:certificate\/[\w-]+$/.test(arn))
    throw new CliError(EXIT.usage, `--certificate: ${JSON.stringify(arn)} is no ARN of a certificate`);
  const region = arn.split(':')[3]!;
  if (!regions.includes(region))
    throw new CliError(
      EXIT.usage,
      `--certificate: ${arn} lies in ${region}, which is none of ${regions.join(', ')}`,
    );
}

function print({ stdout }: Io, title: string, findings: readonly Finding[]): void {
  stdout.write(`${title}\n\n`);
  for (const { check, region, verdict, detail, mend } of findings) {
    stdout.write(`${verdict.padEnd(4)}  ${region === null ? '' : `${region}  `}${check}: ${detail}\n`);
    if (mend !== undefined) stdout.write(`      -> ${mend}\n`);
  }
  const count = (which: Verdict) => findings.filter(({ verdict }) => verdict === which).length;
  stdout.write(`\n${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} to mend first\n`);
}
