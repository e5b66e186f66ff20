import type { Consistency } from './serving-environment.ts';

/**
 * The AWS resources that a stage's stacks expect. `RegistrationPlatform` leaves this file beside the
 * templates, which `countersign preflight`, `deploy`, `destroy` and `region` read: the commands need neither
 * the CDK nor the config.
 */
export interface DeployPlan {
  readonly stage: string;
  readonly kind: 'dev' | 'prod';
  /** Absent: the account of the credentials. */
  readonly account?: string;
  /** Qualifier of the CDK's bootstrap. Absent: the CDK's own. */
  readonly qualifier?: string;
  readonly homeRegion: string;
  /**
   * The Region that the keys were promoted to: no stack has the secrets since. Absent: the home stack makes
   * them.
   */
  readonly keysManagedBy?: string;
  /** Every stack, in the order in which they are deployed. */
  readonly stacks: readonly PlannedStack[];
  /** Every Region that has a stack, the watch stack included: `cdk deploy` needs a bootstrap in each. */
  readonly stackRegions: readonly string[];
  /** Of the tables that all Regions share. */
  readonly consistency: Consistency;
  /** Their generation. */
  readonly tableGeneration: number;
  /** Tables of another generation, which serve nobody, and the Regions that have them. */
  readonly otherTables?: { readonly generation: number; readonly regions: readonly string[] };
  /** Whether the stage has OAuth, and so more functions. */
  readonly oauth?: true;
  /** Whether instances enrol: the home Region then sweeps their keys. */
  readonly enrols?: true;
  /** The Regions that serve. */
  readonly regions: readonly PlannedRegion[];
  readonly domain?: {
    readonly entry: string;
    readonly hostedZone?: { readonly id: string; readonly name: string };
  };
  /** The limit on concurrent executions that the alarms in every Region go by. */
  readonly concurrencyQuota: number;
  /** By Region, names of the alarms of all its stacks. */
  readonly alarms: Readonly<Record<string, readonly string[]>>;
  readonly watchAlarmTopicArn?: string;
  /** Absent for a stage of kind dev, which writes no access log. */
  readonly apiGatewayRole?: 'create' | 'existing';
}

export interface PlannedStack {
  readonly name: string;
  readonly region: string;
  /** `account` serves every stage of the account; `base` and `home` hold what a stage of kind prod keeps. */
  readonly part: 'account' | 'base' | 'home' | 'region' | 'watch';
}

export interface PlannedRegion {
  readonly name: string;
  readonly ledgerGeneration: number;
  readonly kmsKeyArn?: string;
  /** The stage says that it made the key which the config names: it is adopted again. */
  readonly namesMadeKey?: true;
  readonly certificateArn?: string;
  readonly alarmTopicArn?: string;
  /** The VPC of the rotation functions. Absent: they are in none. */
  readonly network?: PlannedNetwork;
}

export interface PlannedNetwork {
  readonly vpcId: string;
  readonly subnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
}

const SUFFIX = '.deploy-plan.json';

/** Name of a stage's file, in the directory of the templates. */
export const deployPlanFile = (stage: string): string => `countersign-${stage}${SUFFIX}`;

export const isDeployPlanFile = (name: string): boolean => name.endsWith(SUFFIX);
