/**
 * The questions that preflight asks about an AWS account. A thing that does not exist is undefined; other
 * failures throw.
 */
import type { PlannedNetwork } from '../../lambda/contract/deploy-plan.ts';

export interface Account {
  /** The credentials' owner. @throws CliError where there are no credentials, or AWS cannot be reached */
  identity(): Promise<{ readonly account: string; readonly arn: string }>;
  trails(): Promise<readonly Trail[]>;
  hostedZone(id: string): Promise<HostedZone | undefined>;
  /** Name servers to which the public DNS delegates a name; none if it does not delegate it. */
  delegation(name: string): Promise<readonly string[]>;
  region(name: string): Region;
}

export interface Region {
  readonly name: string;
  /** The account's limit on concurrent executions of functions. */
  concurrency(): Promise<number>;
  /** The CDK's bootstrap stacks. */
  bootstraps(): Promise<readonly Bootstrap[]>;
  /** The resource that has this name, or undefined. */
  find(kind: Kind, name: string): Promise<Found | undefined>;
  /** The stack that has a resource of this id, or undefined. */
  owner(id: string): Promise<string | undefined>;
  certificate(arn: string): Promise<Certificate | undefined>;
  /** @param arn of a key or an alias */
  key(arn: string): Promise<Key | undefined>;
  topic(arn: string): Promise<Topic | undefined>;
  /** The named parts of a network that exist. */
  network(ids: PlannedNetwork): Promise<Network>;
  /** ARN of the role that API Gateway writes logs with. An account has one per Region. */
  apiGatewayRole(): Promise<string | undefined>;
}

export type Kind = 'table' | 'secret' | 'function' | 'alias';

export interface Trail {
  readonly name: string;
  readonly multiRegion: boolean;
  readonly logging: boolean;
}

export interface HostedZone {
  /** Without the final dot. */
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
  /** Physical id, as CloudFormation knows it. */
  readonly id: string;
  /** For a deleted secret, when it was deleted: it still holds its name. Epoch milliseconds. */
  readonly deletedMs?: number;
  /** Of a table. */
  readonly states?: TableView;
}

/** A table as one Region describes it: its state there, then that of each Region which it replicates to. */
export type TableView = readonly [own: TableState, ...others: TableState[]];

export interface TableState {
  readonly region: string;
  readonly status: string;
}

export interface Certificate {
  /** Only an `ISSUED` certificate serves. */
  readonly status: string;
  readonly names: readonly string[];
  /** Epoch milliseconds. */
  readonly notAfterMs?: number;
}

export interface Key {
  readonly arn: string;
  /** Only an `Enabled` key encrypts. */
  readonly state: string;
  readonly isSymmetric: boolean;
  /** False for a key of AWS's own, whose policy nobody can change. */
  readonly isCustomers: boolean;
}

export interface Topic {
  /** Access policy, as JSON text. */
  readonly policy: string;
  /** Id, ARN or alias of the key that encrypts it. */
  readonly key?: string;
}

export interface Network {
  readonly vpcs: readonly string[];
  /** By id, the VPC of each. */
  readonly subnets: ReadonlyMap<string, string>;
  readonly securityGroups: ReadonlyMap<string, string>;
}
