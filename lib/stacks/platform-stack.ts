/** What all of the platform's stacks have from the config. */
import {
  type App,
  DefaultStackSynthesizer,
  type IStackSynthesizer,
  PermissionsBoundary,
  Stack,
} from 'aws-cdk-lib';
import type { Config } from '../config/read.ts';

export interface PlatformStackProps {
  readonly config: Config;
  readonly region: string;
  readonly description: string;
  /** Whether it holds what a stage of kind prod must not lose. @default false */
  readonly keeps?: boolean;
}

export class PlatformStack extends Stack {
  constructor(app: App, id: string, { config, region, description, keeps = false }: PlatformStackProps) {
    const { account, bootstrapQualifier: qualifier, permissionsBoundary, tags, stage } = config;
    super(app, id, {
      env: { region, ...(account !== undefined && { account }) },
      description,
      tags,
      terminationProtection: keeps && stage.kind === 'prod',
      ...(qualifier !== undefined && {
        synthesizer: new DefaultStackSynthesizer({ qualifier }) as IStackSynthesizer,
      }),
      ...(permissionsBoundary !== undefined && {
        permissionsBoundary: PermissionsBoundary.fromName(permissionsBoundary),
      }),
    });
  }
}
