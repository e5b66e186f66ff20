/** Settings and alarms that all stacks of the platform have in common. */
import {
  type App,
  DefaultStackSynthesizer,
  type IStackSynthesizer,
  PermissionsBoundary,
  Stack,
} from 'aws-cdk-lib';
import type { Alarm, IAlarmAction } from 'aws-cdk-lib/aws-cloudwatch';
import type { Config } from '../config/read.ts';
import { PlatformAlarm } from '../operations/alarm.ts';

export interface PlatformStackProps {
  readonly config: Config;
  readonly region: string;
  readonly description: string;
  /** Whether it holds data that a stage of kind prod must not lose. @default false */
  readonly keeps?: boolean;
}

/** One of the platform's stacks. */
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

  /** The stack's alarms. docs/runbook.md says what to do about each. */
  get alarms(): readonly Alarm[] {
    return this.node.findAll().filter((each) => each instanceof PlatformAlarm);
  }

  /**
   * Adds actions of your own to every alarm of the stack, beside the message to its topic. CloudWatch takes
   * only actions of the alarm's own Region.
   */
  addAlarmAction(...actions: IAlarmAction[]): void {
    for (const alarm of this.alarms) alarm.addAlarmAction(...actions);
  }
}
