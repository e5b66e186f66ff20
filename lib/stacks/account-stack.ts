/** The role by which API Gateway writes logs: one for an account and Region, so one for all stages in it. */
import { type App, RemovalPolicy } from 'aws-cdk-lib';
import { CfnAccount } from 'aws-cdk-lib/aws-apigateway';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Config } from '../config/read.ts';
import { PlatformStack } from './platform-stack.ts';

export interface AccountStackProps {
  readonly config: Config;
  readonly region: string;
}

/** Its name has no stage, and its template nothing of one: every stage deploys the same (docs/decisions/0009). */
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
    // Another stage may use it, or another product: neither goes when this stage does.
    for (const resource of [role, account]) resource.applyRemovalPolicy(RemovalPolicy.RETAIN);
  }
}
