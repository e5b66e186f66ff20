/** One function of the contract with its own role and log, and the rights and variables it needs, no more. */
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { type ILogGroup, LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { type FunctionName, functionName } from '../../lambda/contract/names.ts';
import { type EnvironmentValues, environmentOf } from './environment.ts';
import { type StatementsProps, statements } from './permissions.ts';

export interface PlatformFunctionProps extends StatementsProps {
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
    const { stage, name, bundle, values } = props;
    const fullName = functionName(stage, name);
    this.logGroup = new LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${fullName}`,
      retention: RetentionDays.ONE_WEEK,
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
        own: new PolicyDocument({ statements: [...statements(Stack.of(this), name, props), writeLog] }),
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
