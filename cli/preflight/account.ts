/** What preflight asks of an AWS account, and nothing of how. */
export interface Account {
  /** Whose credentials these are. @throws CliError where there are none, or AWS cannot be reached */
  identity(): Promise<{ readonly account: string; readonly arn: string }>;
  trails(): Promise<readonly Trail[]>;
  /** @throws where there is none */
  hostedZone(id: string): Promise<HostedZone>;
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
  /** @throws where there is none */
  certificate(arn: string): Promise<Certificate>;
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
