/** One function of the contract with its own role and log, and the rights and variables it needs, no more. */
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { type ILogGroup, LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { type FunctionName, functionName, TABLES, type TableKind } from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';
import { decryptStatements } from '../data/encryption.ts';
import { type EnvironmentValues, environmentOf } from './environment.ts';
import { PERMISSIONS, statements } from './permissions.ts';

export interface PlatformFunctionProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  readonly name: FunctionName;
  /** Directory with `index.mjs`. */
  readonly bundle: string;
  readonly values: EnvironmentValues;
}

export class PlatformFunction extends Construct {
  readonly function: LambdaFunction;
  readonly logGroup: ILogGroup;

  constructor(scope: Construct, id: string, props: PlatformFunctionProps) {
    super(scope, id);
    const { config, region, name, bundle, values } = props;
    const stage = config.stage.name;
    const fullName = functionName(stage, name);
    this.logGroup = new LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${fullName}`,
      retention: config.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const writeLog = new PolicyStatement({
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [this.logGroup.logGroupArn],
    });
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `What ${fullName} may do`,
      inlinePolicies: {
        own: new PolicyDocument({
          statements: [
            ...statements(Stack.of(this), name, { stage, ledgerGeneration: region.ledgerGeneration }),
            ...decryptStatements(this, config, region, encryptedServices(name)),
            writeLog,
          ],
        }),
      },
    });
    this.function = new LambdaFunction(this, 'Function', {
      functionName: fullName,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code: Code.fromAsset(bundle),
      handler: 'index.handler',
      role: role.withoutPolicyUpdates(),
      logGroup: this.logGroup,
      environment: environmentOf(name, values),
      // Memory buys processor time, which a cold start is made of.
      memorySize: 1024,
      timeout: Duration.seconds(10),
    });
  }
}

/** What a function reads is encrypted with the Region's key: all secrets, and the tables that all Regions share. */
function encryptedServices(name: FunctionName): ('secretsmanager' | 'dynamodb')[] {
  const { tables = {}, secrets = [] } = PERMISSIONS[name];
  const global = Object.keys(tables).some((kind) => TABLES[kind as TableKind].scope === 'global');
  return [
    ...(secrets.length > 0 ? ['secretsmanager' as const] : []),
    ...(global ? ['dynamodb' as const] : []),
  ];
}
