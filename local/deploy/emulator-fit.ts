/** Changes an app where the emulator needs it: docs/emulator.md has a row for each. */
import { CfnResource, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnFunction } from 'aws-cdk-lib/aws-lambda';
import type { IConstruct } from 'constructs';

/** Each has a template test in its place. */
const REFUSED: readonly string[] = [
  'AWS::ApplicationAutoScaling::ScalableTarget',
  'AWS::ApplicationAutoScaling::ScalingPolicy',
  'AWS::CloudWatch::CompositeAlarm',
  'AWS::KMS::ReplicaKey',
  'AWS::Route53::HealthCheck',
  'AWS::SecretsManager::ResourcePolicy',
  'AWS::SecretsManager::RotationSchedule',
  'AWS::WAFv2::LoggingConfiguration',
  'AWS::WAFv2::WebACLAssociation',
];

/** Many functions at once share one small machine. In seconds. */
const TIMEOUT = 60;

/** @param app with all its stacks */
export function fitToEmulator(app: IConstruct): void {
  for (const each of app.node.findAll()) {
    if (Stack.isStack(each)) each.terminationProtection = false;
    if (!CfnResource.isCfnResource(each)) continue;
    if (isRefused(each)) each.node.scope!.node.tryRemoveChild(each.node.id);
    // Of a stage on an emulator nothing is worth keeping.
    else each.applyRemovalPolicy(RemovalPolicy.DESTROY);
    if (each instanceof CfnFunction) each.timeout = TIMEOUT;
  }
}

const isRefused = (resource: CfnResource): boolean =>
  REFUSED.includes(resource.cfnResourceType) ||
  // An alarm on an expression rather than on one metric.
  (resource instanceof CfnAlarm && resource.metrics !== undefined);
