/** A function with a role and a log of its own, and no more rights and variables than it needs. */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Code,
  Function as LambdaFunction,
  type RecursiveLoop,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { type ILogGroup, LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Config } from '../config/read.ts';

export interface PlatformFunctionProps {
  readonly config: Config;
  readonly functionName: string;
  /** Directory with `index.mjs`. */
  readonly bundle: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Its rights, without those on its own log. */
  readonly statements: readonly PolicyStatement[];
  /** @default CloudFormation makes a name */
  readonly roleName?: string;
  /** @default 10 seconds */
  readonly timeout?: Duration;
  /** @default Lambda stops a function that calls itself about 16 times in a row, also by way of a queue */
  readonly recursiveLoop?: RecursiveLoop;
}

/** Of every function. */
export const MEMORY_MB = 1024;

export class PlatformFunction extends Construct {
  readonly function: LambdaFunction;
  readonly logGroup: ILogGroup;

  constructor(scope: Construct, id: string, props: PlatformFunctionProps) {
    super(scope, id);
    const { config, functionName, bundle, environment, statements, roleName, timeout, recursiveLoop } = props;
    this.logGroup = new LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: config.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const writeLog = new PolicyStatement({
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [this.logGroup.logGroupArn],
    });
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `The rights of ${functionName}`,
      ...(roleName !== undefined && { roleName }),
      inlinePolicies: { own: new PolicyDocument({ statements: [...statements, writeLog] }) },
    });
    this.function = new LambdaFunction(this, 'Function', {
      functionName,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code: Code.fromAsset(bundle),
      handler: 'index.handler',
      role: role.withoutPolicyUpdates(),
      logGroup: this.logGroup,
      environment: { ...environment },
      // Processor time comes with memory, and a cold start needs it (docs/performance.md).
      memorySize: MEMORY_MB,
      timeout: timeout ?? Duration.seconds(10),
      ...(recursiveLoop && { recursiveLoop }),
    });
  }
}
