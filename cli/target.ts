/** Which platform an operator's command is about: the local one, or a deployed stage in its Regions. */
import { type Command, Option } from 'commander';
import { type Io, usage } from './io.ts';
import { findLocalPlatform, LOCAL_FLAG, LOCAL_HELP } from './local.ts';

export interface TargetOptions {
  readonly stage?: string;
  readonly region?: readonly string[];
  readonly local?: string;
}

export interface Target {
  readonly stage: string;
  /** The first one is asked where one is enough. */
  readonly regions: readonly string[];
  /** How to reach AWS in a Region; nothing for the AWS SDK's own defaults. */
  aws(region: string): {
    readonly region: string;
    readonly endpoint?: string;
    readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
}

const collect = (value: string, before: readonly string[] = []): string[] => [
  ...before,
  ...value.split(',').map((name) => name.trim()),
];

export const addTargetOptions = (command: Command): Command =>
  command
    .option(
      '--stage <name>',
      'a deployed stage, with the AWS credentials of your environment; else the local platform',
    )
    .addOption(
      new Option(
        '--region <names>',
        'its Regions, the home Region first; repeatable, or with commas',
      ).argParser(collect),
    )
    .option(LOCAL_FLAG, LOCAL_HELP);

/** The same target once more, for a command that a person is to type. */
export const targetArguments = ({ stage, region, local }: TargetOptions): string =>
  [
    ...(stage === undefined ? [] : [` --stage ${stage}`]),
    ...(region === undefined ? [] : [` --region ${region.join(',')}`]),
    ...(local === undefined ? [] : [` --local ${local}`]),
  ].join('');

/** @throws CliError */
export function findTarget({ stage, region: regions, local: port }: TargetOptions, { cwd }: Io): Target {
  if (stage !== undefined) {
    if (port !== undefined) throw usage('--local goes without --stage');
    if (!regions) throw usage('--stage needs --region, e.g. --stage dev --region eu-west-1');
    if (!/^[a-z][a-z0-9-]{0,15}$/.test(stage)) throw usage('--stage must be 1 to 16 of a-z, 0-9 and -');
    for (const region of regions)
      if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(region))
        throw usage(`--region: ${JSON.stringify(region)} is no AWS Region`);
    return { stage, regions, aws: (region) => ({ region }) };
  }
  if (regions) throw usage('--region goes with --stage');
  const local = findLocalPlatform(cwd, 'name a deployed one with --stage and --region', port);
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  return {
    stage: 'local',
    regions: local.regions.map(({ name }) => name),
    aws: (region) => ({ region, endpoint: local.awsEndpoint, credentials }),
  };
}
