/** The role by which API Gateway writes logs. An account has one in each Region, which all stages share. */
import { type App, RemovalPolicy } from 'aws-cdk-lib';
import { CfnAccount } from 'aws-cdk-lib/aws-apigateway';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Config } from '../config/read.ts';
import { PlatformStack } from './platform-stack.ts';

export interface AccountStackProps {
  readonly config: Config;
  readonly region: string;
}

/** Neither its name nor its template depends on a stage: all stages deploy the same (docs/decisions/0009). */
export class AccountStack extends PlatformStack {
  constructor(app: App, id: string, { config, region }: AccountStackProps) {
    super(app, id, {
      config,
      region,
      description: 'Countersign, all stages: the role of API Gateway for logs',
    });
    const role = new Role(this, 'Role', {
      description: 'API Gateway writes its logs',
      assumedBy: new ServicePrincipal('apigateway.amazonaws.com'),
      managedPolicies: [
        ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonAPIGatewayPushToCloudWatchLogs'),
      ],
    });
    const account = new CfnAccount(this, 'Account', { cloudWatchRoleArn: role.roleArn });
    // Another stage or product may use them, so they stay when this stage is removed.
    for (const resource of [role, account]) resource.applyRemovalPolicy(RemovalPolicy.RETAIN);
  }
}
