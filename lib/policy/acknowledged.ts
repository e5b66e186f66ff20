/**
 * Findings of cdk-nag's AwsSolutions that are accepted, by rule and type of resource, each with its reason.
 */
export interface AcceptedFinding {
  readonly rule: string;
  /** Which finding, for rules that report several for one resource. */
  readonly finding?: RegExp;
  readonly type: string;
  /** Construct paths, where only some resources are accepted. */
  readonly at?: RegExp;
  /** Set if only one kind of stage is accepted. */
  readonly kind?: 'dev' | 'prod';
  readonly reason: string;
}

export const ACKNOWLEDGED: readonly AcceptedFinding[] = [
  {
    rule: 'AwsSolutions-APIG4',
    type: 'AWS::ApiGateway::Method',
    reason:
      'The function verifies a proof over method, URL and body; an authorizer does not see the body. Nonces are public.',
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
      'The function validates after the signature. An earlier refusal would show the schema to strangers.',
  },
  {
    rule: 'AwsSolutions-APIG6',
    type: 'AWS::ApiGateway::Stage',
    reason:
      'Execution logs hold all that a caller sends. Access logs and the functions log an allow-list of fields.',
  },
  {
    rule: 'AwsSolutions-APIG1',
    type: 'AWS::ApiGateway::Stage',
    kind: 'dev',
    reason: "Access logs need the account's role, which a stage of kind dev does not have.",
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
      'Items of ledger and limits are worthless after a while. A lost ledger is replaced, never restored.',
  },
  {
    rule: 'AwsSolutions-SMG4',
    type: 'AWS::SecretsManager::Secret',
    reason:
      'The schedule is in the stack of the Region that makes the keys, beside the function that it calls.',
  },
  {
    rule: 'AwsSolutions-IAM4',
    finding: /^Policy::.*\/service-role\/AmazonAPIGatewayPushToCloudWatchLogs$/,
    type: 'AWS::IAM::Role',
    kind: 'prod',
    reason: 'API Gateway requires this very policy before it accepts the role for the whole account.',
  },
  {
    rule: 'AwsSolutions-IAM5',
    finding: /^Resource::\*$/,
    type: 'AWS::IAM::Role',
    at: /\/Rotation\/[\w-]+\/Role\/Resource$/,
    reason:
      'The actions to join a VPC and to get a token for Vault take no resource. Conditions narrow both.',
  },
  {
    rule: 'AwsSolutions-IAM5',
    finding: /^Resource::\*$/,
    type: 'AWS::IAM::Role',
    at: /\/Evacuation\/Keeper\/Role\/Resource$/,
    kind: 'prod',
    reason: "The action that puts a metric takes no resource. A condition names the stage's namespace.",
  },
  {
    rule: 'AwsSolutions-IAM5',
    finding: /^Resource::arn:.+:table\/.+\/stream\/\*$/,
    type: 'AWS::IAM::Role',
    at: /\/Callbacks\/Outbox\/Role\/Resource$/,
    reason: "A stream's name is the time at which DynamoDB made it. The table is named.",
  },
  {
    rule: 'AwsSolutions-IAM5',
    finding: /^Resource::\*$/,
    type: 'AWS::IAM::Role',
    at: /\/Callbacks\/Outbox\/Role\/Resource$/,
    reason: 'The action that lists streams takes no resource. It shows names, and no record.',
  },
  {
    rule: 'AwsSolutions-SQS3',
    type: 'AWS::SQS::Queue',
    at: /\/Callbacks\/Failed\/Resource$/,
    reason: 'It is where records go that could not be handled. An operator reads it, and no function.',
  },
  {
    rule: 'AwsSolutions-SQS3',
    type: 'AWS::SQS::Queue',
    at: /\/Delivery\/WakeUps\/Resource$/,
    reason: 'A wake-up that is lost costs a minute: the schedule finds what is due.',
  },
  {
    rule: 'AwsSolutions-IAM5',
    finding: /^Resource::arn:.+:kms:.+:key\/\*$/,
    type: 'AWS::IAM::Role',
    kind: 'prod',
    reason:
      "A key that another stack makes is known by its alias only. The statement's condition asks for that alias.",
  },
];
