/** A Region's key and alarm topic, which tables, secrets and alarms need before they exist. */
import { type App, RemovalPolicy } from 'aws-cdk-lib';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { keyAlias } from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';
import { AlarmTopic, alarmTopicName } from '../operations/topic.ts';
import { PlatformStack } from './platform-stack.ts';

export interface BaseStackProps {
  readonly config: Config;
  readonly region: Pick<Config['regions'][number], 'name' | 'kmsKeyArn' | 'alarmTopicArn'>;
}

/** @returns whether there is anything to make: CloudFormation refuses an empty stack */
export const needsBase = ({ kmsKeyArn, alarmTopicArn }: BaseStackProps['region']): boolean =>
  kmsKeyArn === undefined || alarmTopicArn === undefined;

/** The key and the alarm topic of one Region, as far as the config does not name them. */
export class BaseStack extends PlatformStack {
  /** Encrypts the Region's tables and secrets. Undefined where the config names a key. */
  readonly key?: IKey;
  /** Notified by the Region's alarms. Undefined where the config names a topic. */
  readonly alarmTopic?: ITopic;

  constructor(app: App, id: string, { config, region }: BaseStackProps) {
    const stage = config.stage.name;
    super(app, id, {
      config,
      region: region.name,
      description: `Countersign ${stage}: key and alarm topic of ${region.name}`,
      keeps: true,
    });
    if (region.kmsKeyArn === undefined) {
      const key = new Key(this, 'Key', {
        description: `Countersign ${stage}: registrations, clients and keys`,
        enableKeyRotation: true,
        // Tables and secrets that are kept can only be read with the key.
        removalPolicy: RemovalPolicy.RETAIN,
      });
      // Roles need the alias. It stays while stacks change to another key, in any order.
      this.key = key;
      key.addAlias(keyAlias(stage)).applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
    }
    if (region.alarmTopicArn === undefined)
      this.alarmTopic = new AlarmTopic(this, 'Alarms', alarmTopicName(stage));
  }
}
