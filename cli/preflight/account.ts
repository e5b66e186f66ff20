/** What preflight asks of an AWS account, and nothing of how. What does not exist is undefined; all else throws. */
import type { PlannedNetwork } from '../../lambda/contract/deploy-plan.ts';

export interface Account {
  /** Whose credentials these are. @throws CliError where there are none, or AWS cannot be reached */
  identity(): Promise<{ readonly account: string; readonly arn: string }>;
  trails(): Promise<readonly Trail[]>;
  hostedZone(id: string): Promise<HostedZone | undefined>;
  /** Who the public DNS says answers for a name; nobody where it has no delegation. */
  delegation(name: string): Promise<readonly string[]>;
  region(name: string): Region;
}

export interface Region {
  readonly name: string;
  /** How many executions of functions this account may have at once. */
  concurrency(): Promise<number>;
  /** The CDK's bootstrap stacks. */
  bootstraps(): Promise<readonly Bootstrap[]>;
  /** What has this name, or undefined. */
  find(kind: Kind, name: string): Promise<Found | undefined>;
  /** The stack that has a resource of this id, or undefined. */
  owner(id: string): Promise<string | undefined>;
  certificate(arn: string): Promise<Certificate | undefined>;
  /** @param arn of a key or an alias */
  key(arn: string): Promise<Key | undefined>;
  topic(arn: string): Promise<Topic | undefined>;
  /** Of those that are named: what there is. */
  network(ids: PlannedNetwork): Promise<Network>;
  /** ARN of the role by which API Gateway writes logs, one for the account and Region. */
  apiGatewayRole(): Promise<string | undefined>;
}

export type Kind = 'table' | 'secret' | 'function';

export interface Trail {
  readonly name: string;
  readonly multiRegion: boolean;
  readonly logging: boolean;
}

export interface HostedZone {
  /** Without the dot at its end. */
  readonly name: string;
  readonly isPrivate: boolean;
  readonly nameServers: readonly string[];
}

export interface Bootstrap {
  readonly stack: string;
  readonly qualifier: string;
  readonly version: number;
}

export interface Found {
  /** As CloudFormation calls it. */
  readonly id: string;
  /** A secret that was deleted keeps its name until then. Epoch milliseconds. */
  readonly deletedMs?: number;
}

export interface Certificate {
  /** `ISSUED` is the one that serves. */
  readonly status: string;
  readonly names: readonly string[];
  /** Epoch milliseconds. */
  readonly notAfterMs?: number;
}

export interface Key {
  /** `Enabled` is the one that encrypts. */
  readonly state: string;
  readonly isSymmetric: boolean;
  /** AWS's own has a policy that nobody can change. */
  readonly isCustomers: boolean;
}

export interface Topic {
  /** JSON. */
  readonly policy: string;
  /** Id, ARN or alias of the key that encrypts it. */
  readonly key?: string;
}

export interface Network {
  readonly vpcs: readonly string[];
  /** With the VPC that each lies in. */
  readonly subnets: ReadonlyMap<string, string>;
  readonly securityGroups: ReadonlyMap<string, string>;
}
