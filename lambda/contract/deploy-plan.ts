/**
 * What a stage's stacks expect of the AWS account. `RegistrationPlatform` leaves it beside the templates, and `countersign
 * preflight` reads it there: the command needs neither the CDK nor the config's form.
 */
export interface DeployPlan {
  readonly stage: string;
  readonly kind: 'dev' | 'prod';
  /** Absent where it is that of the credentials. */
  readonly account?: string;
  /** Of the CDK's bootstrap. Absent: the CDK's own. */
  readonly qualifier?: string;
  readonly homeRegion: string;
  /** Where any stack goes, the watch stack included: `cdk deploy` needs a bootstrap in each. */
  readonly stackRegions: readonly string[];
  /** Those that serve. */
  readonly regions: readonly PlannedRegion[];
  readonly domain?: {
    readonly entry: string;
    readonly hostedZone?: { readonly id: string; readonly name: string };
  };
  readonly watchAlarmTopicArn?: string;
  /** A stage of kind dev writes no access log, and so needs none. */
  readonly apiGatewayRole?: 'create' | 'existing';
}

export interface PlannedRegion {
  readonly name: string;
  readonly ledgerGeneration: number;
  readonly kmsKeyArn?: string;
  readonly certificateArn?: string;
  readonly alarmTopicArn?: string;
  /** Of the rotation functions. Absent: they are in no VPC. */
  readonly network?: PlannedNetwork;
}

export interface PlannedNetwork {
  readonly vpcId: string;
  readonly subnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
}

const SUFFIX = '.deploy-plan.json';

/** In the directory of the templates, one for each stage of the app. */
export const deployPlanFile = (stage: string): string => `countersign-${stage}${SUFFIX}`;

export const isDeployPlanFile = (name: string): boolean => name.endsWith(SUFFIX);
