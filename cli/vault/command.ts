/** `countersign vault setup`: prepares Vault for a stage (docs/vault.md). */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { AWS_REGION, STAGE_NAME } from '../../lambda/contract/forms.ts';
import { vaultServerId } from '../../lambda/contract/vault.ts';
import { createVaultApi, type VaultApi } from '../../lambda/vault/api.ts';
import { VaultError } from '../../lambda/vault/vault-error.ts';
import { CliError, EXIT, EXIT_CODES_HELP, type Io, printJson, usage } from '../io.ts';
import type { VaultLogin } from './plan.ts';
import { SetupRefused, type StepResult, setUpVault, setupOfEmptyVault } from './setup.ts';

interface SetupFlags {
  readonly stage: string;
  readonly auth: VaultLogin['method'];
  readonly account?: string;
  readonly region?: readonly string[];
  readonly jwtIssuer?: string;
  readonly stsRegion?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

export function vaultCommand(io: Io): Command {
  const vault = new Command('vault').description('Prepare the Vault in which the keys are made.');
  vault
    .command('setup')
    .description(
      'Create the engine, keys, policies and roles that a stage needs. Run it again to fix what differs.',
    )
    .requiredOption(
      '--stage <name>',
      'name of the stage, as in the config',
      matching(STAGE_NAME, '1 to 16 of a-z, 0-9 and -'),
    )
    .addOption(
      new Option('--auth <method>', 'how the rotation functions log in')
        .choices(['aws', 'approle', 'jwt'])
        .default('aws'),
    )
    .option('--account <id>', 'aws, jwt: the AWS account of the stage', matching(/^\d{12}$/, '12 digits'))
    .option('--region <names>', "aws, jwt: the stage's Regions; repeatable, or with commas", collectRegions)
    .option(
      '--jwt-issuer <url>',
      'jwt: the issuer of the tokens',
      matching(/^https:\/\/\S+$/, 'an https URL'),
    )
    .option(
      '--sts-region <name>',
      'aws: the Region whose STS endpoint Vault uses, as vault.stsRegion in the config',
      matching(AWS_REGION, 'the name of an AWS Region'),
    )
    .option('--dry-run', 'print what the command would write, and write nothing')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action(setup);
  return vault;

  async function setup(flags: SetupFlags): Promise<void> {
    const token = io.env.VAULT_TOKEN;
    const dryRun = flags.dryRun === true;
    // With AppRole nothing in the plan depends on the address.
    const offline = dryRun && !token && flags.auth === 'approle' && !io.env.VAULT_ADDR;
    const address = offline ? '' : addressIn(io);
    const plan = { stage: flags.stage, auth: loginOf(flags, address) };
    const print = (result: StepResult) => printResult(io, result, dryRun);
    if (!token && !dryRun)
      throw usage('VAULT_TOKEN is not set: log in, then `export VAULT_TOKEN=$(vault print token)`');
    // Without a token Vault cannot be read: print what an empty Vault would get.
    const results = token
      ? await setUpVault({
          api: connect(io, address),
          token,
          plan,
          dryRun,
          ...(!flags.json && { onDone: print }),
        }).catch((error) => explain(error, address))
      : setupOfEmptyVault(plan);
    if (flags.json) printJson(io, { address: address || null, dry_run: dryRun, steps: results });
    else if (!token) results.forEach(print);
  }
}

const HELP = `
Environment, as for Vault's own command line: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE, VAULT_CACERT. A dry run without
VAULT_TOKEN does not contact Vault, and prints everything that an empty Vault would need; with --auth aws or jwt, VAULT_ADDR
is needed even then, since its host is part of the roles.

Examples:
  $ countersign vault setup --stage prod --account 123456789012 --region eu-west-1,eu-central-1
  $ countersign vault setup --stage dev --auth approle --dry-run
${EXIT_CODES_HELP}`;

function loginOf(
  { auth: method, account, region: regions, jwtIssuer: issuer, stsRegion }: SetupFlags,
  address: string,
): VaultLogin {
  if (stsRegion !== undefined && method !== 'aws') throw usage('--sts-region needs --auth aws');
  if (method === 'approle') return { method };
  if (account === undefined || regions === undefined)
    throw usage(`--auth ${method} needs --account and --region: they name the roles that may log in`);
  if (method === 'aws') {
    const serverId = vaultServerId(address);
    return { method, serverId, ...(stsRegion !== undefined && { stsRegion }), account, regions };
  }
  if (issuer === undefined) throw usage('--auth jwt needs --jwt-issuer');
  return { method, issuer, audience: vaultServerId(address), account, regions };
}

/** The form that the config demands: a token is sent unencrypted to this machine only. */
const ADDRESS = /^(https:\/\/[^\s/?#@]+|http:\/\/(127\.0\.0\.1|localhost)(:\d+)?)(\/[^\s/?#]+)*\/?$/;

function addressIn({ env }: Io): string {
  const address = env.VAULT_ADDR;
  if (!address) throw usage('VAULT_ADDR is not set, e.g. https://vault.example.com:8200');
  if (!ADDRESS.test(address) || !URL.canParse(address))
    throw usage('VAULT_ADDR must be an https URL (http on loopback only) without user, query or fragment');
  return address.replace(/\/$/, '');
}

function connect({ env, cwd }: Io, address: string): VaultApi {
  const { VAULT_NAMESPACE: namespace, VAULT_CACERT: file } = env;
  return createVaultApi({
    address,
    ...(namespace && { namespace }),
    ...(file && { caPem: readPem(resolve(cwd, file)) }),
  });
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw usage(`VAULT_CACERT: cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function printResult({ stdout }: Io, { what, state, path, data }: StepResult, dryRun: boolean): void {
  if (state === 'unchanged') stdout.write(`unchanged     ${what}\n`);
  else if (!dryRun) stdout.write(`${`${state}d`.padEnd(14)}${what}\n`);
  else {
    const { policy, ...rest } = data;
    const body = typeof policy === 'string' ? policy.trimEnd() : JSON.stringify(rest, undefined, 2);
    stdout.write(`would ${state.padEnd(8)}${what}\n`);
    stdout.write(`  write ${path}\n`);
    for (const line of body.split('\n')) stdout.write(`${line && `    ${line}`}\n`);
  }
}

function explain(error: unknown, address: string): never {
  if (error instanceof SetupRefused) throw new CliError(EXIT.failed, error.message);
  if (!(error instanceof VaultError)) throw error;
  // In Vault's own words these ask for this very command.
  if (error.code === 'forbidden')
    throw new CliError(
      EXIT.failed,
      `Vault at ${address} refuses VAULT_TOKEN: it has ended, or is of another Vault or namespace; log in again`,
    );
  if (error.code === 'not_found')
    throw new CliError(EXIT.failed, `at ${address} is no API of a Vault: is VAULT_ADDR right?`);
  const unreachable = error.code === 'unavailable' || error.code === 'sealed';
  throw new CliError(unreachable ? EXIT.unreachable : EXIT.failed, error.message);
}

const matching = (pattern: RegExp, right: string) => (value: string) => {
  if (pattern.test(value)) return value;
  throw new InvalidArgumentError(`It must be ${right}.`);
};

function collectRegions(value: string, before: readonly string[] = []): string[] {
  const region = matching(AWS_REGION, 'the name of an AWS Region');
  return [...before, ...value.split(',').map((name) => region(name.trim()))];
}
