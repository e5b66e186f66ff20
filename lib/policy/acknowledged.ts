/** Findings of cdk-nag's AwsSolutions that stand, by rule and type of resource, each with its reason. */
export interface Acknowledged {
  readonly rule: string;
  /** Of rules that report several findings a resource: which of them. */
  readonly finding?: RegExp;
  readonly type: string;
  /** Where it stands for some resources only: their construct paths. */
  readonly at?: RegExp;
  /** Where it stands for one kind of stage only. */
  readonly kind?: 'dev' | 'prod';
  readonly reason: string;
}

export const ACKNOWLEDGED: readonly Acknowledged[] = [
  {
    rule: 'AwsSolutions-APIG4',
    type: 'AWS::ApiGateway::Method',
    reason:
      'The function verifies a proof over method, URL and body, which no authorizer sees; nonces are for everybody.',
  },
  {
    rule: 'AwsSolutions-COG4',
    type: 'AWS::ApiGateway::Method',
    reason: 'Clients are programs with keys of their own, not users of a Cognito pool.',
  },
  {
    rule: 'AwsSolutions-APIG2',
    type: 'AWS::ApiGateway::RestApi',
    reason:
      'The function validates, after the signature: a body that is refused before tells strangers the schema.',
  },
  {
    rule: 'AwsSolutions-APIG6',
    type: 'AWS::ApiGateway::Stage',
    reason:
      'Execution logs hold whatever a caller sends. Access logs and the functions log an allow-list of fields.',
  },
  {
    rule: 'AwsSolutions-APIG1',
    type: 'AWS::ApiGateway::Stage',
    kind: 'dev',
    reason: "Access logs need the account's role, which a stage of kind dev does without.",
  },
  {
    rule: 'AwsSolutions-APIG3',
    type: 'AWS::ApiGateway::Stage',
    kind: 'dev',
    reason: 'A firewall costs more than the rest of a stage of kind dev.',
  },
  {
    rule: 'AwsSolutions-DDB3',
    type: 'AWS::DynamoDB::Table',
    reason:
      'Ledger and limits hold what time makes worthless, and a lost ledger is replaced, never restored.',
  },
  {
    rule: 'AwsSolutions-SMG4',
    type: 'AWS::SecretsManager::Secret',
    reason: 'The schedule is in the stack of the home Region, beside the function that it calls.',
  },
  {
    rule: 'AwsSolutions-IAM4',
    finding: /^Policy::.*\/service-role\/AmazonAPIGatewayPushToCloudWatchLogs$/,
    type: 'AWS::IAM::Role',
    kind: 'prod',
    reason: 'API Gateway tries this very policy before it takes the role for the whole account.',
  },
  {
    rule: 'AwsSolutions-IAM5',
    finding: /^Resource::\*$/,
    type: 'AWS::IAM::Role',
    at: /\/Rotation\/[\w-]+\/Role\/Resource$/,
    reason:
      'Neither what Lambda needs to join a VPC nor a token for Vault knows a resource: conditions narrow both.',
  },
  {
    rule: 'AwsSolutions-IAM5',
    finding: /^Resource::arn:.+:kms:.+:key\/\*$/,
    type: 'AWS::IAM::Role',
    kind: 'prod',
    reason:
      "A key made by another stack has no name but its alias: the statement's condition asks for that alias.",
  },
];
