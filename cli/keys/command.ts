/** `countersign keys`. */
import { Command } from 'commander';
import { EXIT_CODES_HELP, type Io, printJson, usage } from '../io.ts';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';
import { initKeysets } from './init.ts';

interface InitOptions extends TargetOptions {
  readonly dev?: true;
  readonly json?: true;
}

export function keysCommand(io: Io): Command {
  const keys = new Command('keys').description("Look after the platform's own keys.");
  addTargetOptions(keys.command('init').description("Fill a new stage's empty keysets with first keys."))
    .option('--dev', 'make the keys on this machine and write them with your own AWS credentials')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `
Provisional, for trying out: the keys are made here rather than in Vault, and nothing rotates them. A keyset that
holds keys is never touched. With several Regions name the home Region first; the others get replicas. An emulator is
reached by the AWS SDK's own AWS_ENDPOINT_URL.

Example:
  $ countersign keys init --dev --stage dev --region eu-west-1
${EXIT_CODES_HELP}`,
    )
    .action(async (options: InitOptions) => {
      if (!options.dev) throw usage('keys init needs --dev: the only way yet, and for trying out only');
      if (options.stage === undefined)
        throw usage('keys init needs --stage and --region: a local platform has its keys');
      const { stage, regions, aws } = findTarget(options, io);
      const region = regions[0]!;
      const keysets = await initKeysets(stage, aws(region), Date.now());
      if (options.json) printJson(io, { stage, region, keysets });
      else for (const { secret, kid } of keysets) io.stdout.write(`${secret}  key ${kid}\n`);
    });
  return keys;
}
