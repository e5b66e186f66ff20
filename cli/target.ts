/** The platform that an operator's command works on: the local one, or a deployed stage in its Regions. */
import { type Command, Option } from 'commander';
import type { DeployPlan } from '../lambda/contract/deploy-plan.ts';
import { AWS_REGION, STAGE_NAME } from '../lambda/contract/forms.ts';
import { type Io, usage } from './io.ts';
import { findLocalPlatform, LOCAL_FLAG, LOCAL_HELP } from './local.ts';

export interface TargetOptions {
  readonly stage?: string;
  readonly region?: readonly string[];
  readonly local?: string;
}

export interface Target {
  readonly stage: string;
  /** The home Region first. A command that needs only one Region uses the first. */
  readonly regions: readonly string[];
  /** The options that name this target, as they continue a command that a person is to type. */
  readonly args: string;
  /** The one on this machine, which has no stacks. */
  readonly local?: true;
  /** Client options for AWS in a Region. A member that is absent means the AWS SDK's own default. */
  aws(region: string): {
    readonly region: string;
    readonly endpoint?: string;
    readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
}

/** An option that is repeatable, and takes several with commas. */
export const collect = (value: string, before: readonly string[] = []): string[] => [
  ...before,
  ...value.split(',').map((name) => name.trim()),
];

export const addTargetOptions = (command: Command): Command =>
  command
    .option(
      '--stage <name>',
      'a deployed stage, reached with the AWS credentials of your environment (default: the local platform)',
    )
    .addOption(
      new Option(
        '--region <names>',
        'its Regions, the home Region first; separate with commas, or repeat the option',
      ).argParser(collect),
    )
    .option(LOCAL_FLAG, LOCAL_HELP);

const targetArguments = ({ stage, region, local }: TargetOptions): string =>
  [
    ...(stage === undefined ? [] : [` --stage ${stage}`]),
    ...(region === undefined ? [] : [` --region ${region.join(',')}`]),
    ...(local === undefined ? [] : [` --local ${local}`]),
  ].join('');

/** @returns the options that name a project's stage, as they continue an operator's command */
export const stageArguments = ({
  stage,
  homeRegion,
  regions,
}: Pick<DeployPlan, 'stage' | 'homeRegion' | 'regions'>): string => {
  const others = regions.flatMap(({ name }) => (name === homeRegion ? [] : [name]));
  return targetArguments({ stage, region: [homeRegion, ...others] });
};

/** @throws CliError where the options do not fit together, or no local platform runs */
export function findTarget(options: TargetOptions, { cwd }: Io): Target {
  const { stage, region: regions, local: port } = options;
  const args = targetArguments(options);
  if (stage !== undefined) {
    if (port !== undefined) throw usage('--local cannot be combined with --stage');
    if (!regions) throw usage('--stage needs --region, e.g. --stage dev --region eu-west-1');
    if (!STAGE_NAME.test(stage))
      throw usage('--stage must be 1 to 16 characters of a-z, 0-9 and -, and begin with a letter');
    for (const region of regions)
      if (!AWS_REGION.test(region))
        throw usage(`--region: ${JSON.stringify(region)} is not the name of an AWS Region`);
    return { stage, regions, args, aws: (region) => ({ region }) };
  }
  if (regions) throw usage('--region needs --stage');
  const local = findLocalPlatform(cwd, 'use --stage and --region for a deployed platform', port);
  return localTarget(
    local.awsEndpoint,
    local.regions.map(({ name }) => name),
    args,
  );
}

/** The local platform asks for credentials and accepts any. */
export const localTarget = (endpoint: string, regions: readonly string[], args = ''): Target => ({
  stage: 'local',
  regions,
  args,
  local: true,
  aws: (region) => ({
    region,
    endpoint,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  }),
});
