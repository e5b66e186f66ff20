/** The SNS topic that alarms notify: the config's, or one that the stage makes. */
import { CfnOutput, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { Config } from '../config/read.ts';

export const alarmTopicName = (stage: string): string => `countersign-${stage}-alarms`;

/** Accepts messages of this account's alarms, over TLS only. Operators subscribe to it. */
export class AlarmTopic extends Topic {
  constructor(scope: Construct, id: string, topicName: string) {
    super(scope, id, { topicName, enforceSSL: true });
    // A policy of its own replaces the default one, which lets the account's alarms publish.
    this.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AllowAlarms',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [this.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    );
    const output = { value: this.topicArn, description: 'Alarms go here: subscribe to it' };
    new CfnOutput(this, 'Arn', output).overrideLogicalId('AlarmTopic');
  }
}

/** @returns a Region's topic, by name; undefined for a stage of kind dev whose config names none */
export function alarmTopic(
  scope: Construct,
  { stage }: Config,
  { alarmTopicArn }: Config['regions'][number],
): ITopic | undefined {
  if (alarmTopicArn === undefined && stage.kind === 'dev') return undefined;
  const own = { service: 'sns', resource: alarmTopicName(stage.name) };
  return Topic.fromTopicArn(scope, 'AlarmTopic', alarmTopicArn ?? Stack.of(scope).formatArn(own));
}
