/** Changes the app where the emulator needs it: docs/emulator.md has a row for each change. */
import { CfnResource, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnFunction } from 'aws-cdk-lib/aws-lambda';
import type { IConstruct } from 'constructs';

/** Resource types that the emulator refuses. A template test covers each of them instead. */
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

/** Timeout of the functions, in seconds: many functions share one small machine. */
const TIMEOUT = 60;

/** @param app with all its stacks */
export function fitToEmulator(app: IConstruct): void {
  for (const each of app.node.findAll()) {
    if (Stack.isStack(each)) each.terminationProtection = false;
    if (!CfnResource.isCfnResource(each)) continue;
    if (isRefused(each)) each.node.scope!.node.tryRemoveChild(each.node.id);
    // A stage on an emulator holds nothing that is worth keeping.
    else each.applyRemovalPolicy(RemovalPolicy.DESTROY);
    if (each instanceof CfnFunction) each.timeout = TIMEOUT;
  }
}

const isRefused = (resource: CfnResource): boolean =>
  REFUSED.includes(resource.cfnResourceType) ||
  // An alarm on an expression instead of one metric.
  (resource instanceof CfnAlarm && resource.metrics !== undefined);
