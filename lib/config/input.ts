/**
 * Every setting that an operator writes, with its meaning, its unit and its default. Durations are ISO 8601,
 * in days to seconds: `PT5M`, `P90D`. docs/deploy-config.md has the same as tables; `configSchema` checks the
 * values.
 */
import type { ICertificate } from 'aws-cdk-lib/aws-certificatemanager';
import type { ISecurityGroup, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IHostedZone } from 'aws-cdk-lib/aws-route53';
import type { ITopic } from 'aws-cdk-lib/aws-sns';

/**
 * The settings of one stage. Where a setting takes an object of the CDK, the resource must exist already:
 * imported, or looked up. No stack of the platform imports anything from another stack.
 */
export interface ConfigInput {
  /** Which deployment this is. An account can hold several. */
  readonly stage: StageSettings;

  /** The Regions that serve, in the order that clients should prefer. */
  readonly regions: RegionSettings[];

  /** Where every key of the platform is made: docs/vault.md. */
  readonly vault: VaultSettings;

  /**
   * The AWS account, 12 digits.
   *
   * @default the account of the credentials that deploy
   */
  readonly account?: string;

  /**
   * Where tables and keys are created and replicated from. Frozen after the first deployment.
   *
   * @default the first Region
   */
  readonly homeRegion?: string;

  /**
   * Third Region of a strongly consistent pair, of the same set as the two. It holds the data that
   * replication needs, serves no client and costs no writes. Frozen after the first deployment.
   *
   * @default none
   */
  readonly witnessRegion?: string;

  /**
   * How registrations and clients are replicated. `strong`: what was acknowledged survives the loss of a
   * Region. `eventual`: the last writer wins. Frozen after the first deployment.
   *
   * @default 'strong' for three Regions of one set, or two and a `witnessRegion`; else 'eventual'
   */
  readonly consistency?: 'strong' | 'eventual';

  /**
   * Generations of the tables that all Regions share. They change by a copy: docs/upgrade.md, "Other tables".
   *
   * @default generation 1, and no other
   */
  readonly tables?: TableSettings;

  /**
   * Your own names for the entry and the Regions. `prod` only.
   *
   * @default none: each Region has its `execute-api` URL
   */
  readonly domain?: DomainSettings;

  /**
   * The platform's identity: `aud` of every proof. A URL. If it changes, clients have to change with it.
   *
   * @default the entry's URL
   */
  readonly issuer?: string;

  /**
   * Access tokens for standard clients: docs/oauth.md. It needs a `domain`.
   *
   * @default none
   */
  readonly oauth?: OAuthConfig;

  /**
   * Workloads that get a key by their platform's identity token: docs/enrolment.md. At most 30 policies, and
   * one a client. It needs `oauth`.
   *
   * @default none
   */
  readonly enrolment?: EnrolmentPolicyConfig[];

  /**
   * Life of a nonce, 10 seconds to 1 hour.
   *
   * @default 'PT5M'
   */
  readonly nonceLife?: string;

  /**
   * E: how wrong a machine's clock may be, at most 1 minute.
   *
   * @default 'PT2S'
   */
  readonly clockError?: string;

  /**
   * Longest life of a client's key, and its default.
   *
   * @default 'P90D'
   */
  readonly clientKeyLife?: string;

  /**
   * Lags and periods of the platform's own keys. The windows of the keys follow from them:
   * docs/key-life-cycle.md.
   *
   * @default each setting's own
   */
  readonly keys?: KeySettings;

  /**
   * Limit of a client that has none of its own.
   *
   * @default 6000 signatures a minute
   */
  readonly quota?: QuotaSettings;

  /**
   * JSON Schema (2020-12) of a registration: an object, or the path of a JSON file, relative to where `cdk`
   * runs. It must make `user_id` a required string, and have at most 1,000,000 bytes.
   *
   * @default `user_id`, and optionally `email`, `display_name` and `attributes`
   */
  readonly registrationSchema?: string | Record<string, unknown>;

  /**
   * The `type` of a problem is this URL, `/`, and the code.
   *
   * @default '<entry URL>/errors'
   */
  readonly errorDocsUrl?: string;

  /**
   * Limits of each Region's API, for all callers together.
   *
   * @default 1000 a second for nonces, 1000 for registrations, 200 for each other method
   */
  readonly throttles?: ThrottleSettings;

  /**
   * Lambda's quota "Concurrent executions" of the account in each Region. An alarm fires at 80 % of it. A new
   * account may have 10.
   *
   * @default 1000, which is AWS's
   */
  readonly concurrencyQuota?: number;

  /**
   * The web application firewall. `prod` only.
   *
   * @default 60000 requests per address in 5 minutes
   */
  readonly waf?: WafSettings;

  /**
   * Health checks of the Regions, by which DNS decides. They exist with a `domain` and two Regions.
   *
   * @default every 30 seconds, from three Regions
   */
  readonly healthChecks?: HealthCheckSettings;

  /**
   * How long logs are kept, in days: one of CloudWatch's periods.
   *
   * @default 7 for `dev`, 90 for `prod`
   */
  readonly logRetentionDays?: number;

  /**
   * The runbook that alarms link to: this URL, `#`, and the section.
   *
   * @default the stage's dashboard, which then shows docs/runbook.md; `dev` names the file
   */
  readonly runbookUrl?: string;

  /**
   * SNS topic in us-east-1 for the alarms on the Regions' health: its ARN, or the topic.
   *
   * @default `prod` makes one without subscribers
   */
  readonly watchAlarmTopicArn?: string | ITopic;

  /**
   * The role by which API Gateway writes logs; an account has one in each Region. `create`: a stack that all
   * stages share makes it. `existing`: it is there already.
   *
   * @default 'create'; `dev` needs none
   */
  readonly apiGatewayRole?: 'create' | 'existing';

  /**
   * Tags of all stacks, and so of their resources.
   *
   * @default none
   */
  readonly tags?: Record<string, string>;

  /**
   * Name of the managed policy that bounds every role.
   *
   * @default none
   */
  readonly permissionsBoundary?: string;

  /**
   * The qualifier of `cdk bootstrap --qualifier`.
   *
   * @default the CDK's own
   */
  readonly bootstrapQualifier?: string;
}

/** Which deployment it is. */
export interface StageSettings {
  /**
   * Part of every name, `countersign-<name>-…`: 1 to 16 of a-z, 0-9 and -. Frozen after the first deployment.
   */
  readonly name: string;

  /**
   * `dev`: one Region, no domain, about 2 USD a month at rest; `cdk destroy` removes everything, data and
   * keys included. `prod`: registrations, clients, secrets and keys are protected and stay; used nonces,
   * quotas, evacuation flags and the events of 30 days go.
   */
  readonly kind: 'dev' | 'prod';
}

/** One Region that serves. */
export interface RegionSettings {
  /** The AWS Region, at most 15 characters: it is part of every nonce. */
  readonly name: string;

  /**
   * Where clients reach this Region: the URL that every proof names. Each of several Regions without a
   * `domain` needs it.
   *
   * @default its own name under `domain`, else its `execute-api` URL
   */
  readonly baseUrl?: string;

  /**
   * Raise it by one when the ledger was lost. The new ledger has another name, and no nonce that was issued
   * for the old one is valid.
   *
   * @default 1
   */
  readonly ledgerGeneration?: number;

  /**
   * Customer key that encrypts this Region's tables and secrets: its ARN, or the key. `prod` only.
   *
   * @default the stage makes one
   */
  readonly kmsKeyArn?: string | IKey;

  /**
   * The key that encrypted them before, while a live stage changes to another key: docs/upgrade.md. Roles may
   * use both. The same as `kmsKeyArn` while a stage is adopted again: docs/deploy.md.
   *
   * @default none
   */
  readonly previousKmsKeyArn?: string | IKey;

  /**
   * Certificate of the entry's and this Region's name: its ARN, or the certificate. Needed without
   * `domain.hostedZone`.
   *
   * @default one is issued, and validated in the hosted zone
   */
  readonly certificateArn?: string | ICertificate;

  /**
   * SNS topic that this Region's alarms notify: its ARN, or the topic.
   *
   * @default `prod` makes one without subscribers, `dev` has none
   */
  readonly alarmTopicArn?: string | ITopic;

  /**
   * VPC of this Region from which its rotation functions reach Vault.
   *
   * @default `vault.network`
   */
  readonly vaultNetwork?: NetworkSettings;
}

/** The names that the platform is reached by. */
export interface DomainSettings {
  /**
   * Host name of the entry, which leads to the nearest healthy Region. Each Region gets `<region>.<entry>`.
   */
  readonly entry: string;

  /**
   * The public Route 53 hosted zone that the names lie in, of the same account.
   *
   * @default none: the stacks print the records to make, and every Region needs a `certificateArn`
   */
  readonly hostedZone?: HostedZoneSettings | IHostedZone;
}

/** A hosted zone, by its id and name. */
export interface HostedZoneSettings {
  /** For example `Z0123456789ABCDEFGHIJ`. */
  readonly id: string;

  /** The entry must be in this zone. */
  readonly name: string;
}

/** Access tokens for standard clients. `{}` switches them on. */
export interface OAuthConfig {
  /**
   * Life of an access token, 1 minute to 1 hour.
   *
   * @default 'PT10M'
   */
  readonly tokenLife?: string;

  /**
   * Whether every DPoP proof must name the body (`fingerprint`), which standard clients do not do.
   *
   * @default 'optional'
   */
  readonly bodyBinding?: 'optional' | 'required';

  /**
   * Scopes for APIs of your own, besides the platform's: 1 to 64 printable ASCII characters each.
   *
   * @default none
   */
  readonly scopes?: string[];

  /**
   * APIs of your own that tokens may be for (`resource`, RFC 8707).
   *
   * @default none: every token is for the platform itself
   */
  readonly resources?: OAuthResourceConfig[];
}

/** An API of your own that tokens may be for. */
export interface OAuthResourceConfig {
  /** Its URL, which is the `aud` of its tokens. */
  readonly url: string;

  /**
   * The client that may ask whether its tokens are active (introspection). It needs the scope
   * `tokens:introspect`.
   *
   * @default nobody
   */
  readonly client?: string;
}

/** Which workloads get a client's key, and what that client may do. */
export interface EnrolmentPolicyConfig {
  /**
   * The client that they are: its registrations belong to it, and it is what an operator disables. Frozen: a
   * tighter `match` changes no identity.
   */
  readonly client: string;

  /** Who signs their tokens, as `iss` has it. An https URL. */
  readonly issuer: string;

  /**
   * Where the issuer's keys are, if the issuer does not say it itself. The keys may then be on another host.
   *
   * @default `jwks_uri` of `<issuer>/.well-known/openid-configuration`, on the issuer's own host
   */
  readonly jwksUri?: string;

  /**
   * The issuer's public keys themselves, for a cluster that cannot be reached. When they change, deploy
   * again.
   *
   * @default they are fetched
   */
  readonly jwks?: { readonly keys: Record<string, unknown>[] };

  /**
   * What the issuer signs with: `RS256`, `ES256` or `ES384`.
   *
   * @default ['RS256']
   */
  readonly algorithms?: ('RS256' | 'ES256' | 'ES384')[];

  /**
   * Whose tokens: JSON Pointers (RFC 6901) into the claims, each with the string that must be there. All must
   * fit.
   */
  readonly match: Record<string, string>;

  /**
   * What the client's access tokens may be for.
   *
   * @default ['registrations:write', 'registrations:read']
   */
  readonly scopes?: string[];

  /**
   * Signatures a minute and Region, of all its instances together.
   *
   * @default the platform's
   */
  readonly limit?: number;

  /**
   * Life of an instance's key, 5 minutes to `clientKeyLife`. Instances renew it in time.
   *
   * @default 'PT1H'
   */
  readonly keyLife?: string;

  /**
   * How many instances there are at most. More live keys cause an alarm, and no refusal.
   *
   * @default 100
   */
  readonly instances?: number;

  /**
   * `key`: the token's audience names the instance's key, so a stolen token is worth nothing. `once`: the
   * audience is a Region's URL, and that Region takes the token once, from whoever sends it first. Only for
   * platforms whose audience is fixed.
   *
   * @default 'key'
   */
  readonly binding?: 'key' | 'once';
}

/** Lags and periods of the platform's own keys. */
export interface KeySettings {
  /**
   * The Region that makes the platform's keys. Set it only after `countersign keys promote`, and never remove
   * it again: since then no stack makes or changes the secrets.
   *
   * @default the home Region, whose stack makes the secrets
   */
  readonly managedBy?: string;

  /**
   * L: how late a replica of a secret may be.
   *
   * @default 'PT1H'
   */
  readonly replicationLag?: string;

  /**
   * V and S: oldest copy of a keyset that may verify or sign. Beyond it a request waits for a fresh copy.
   *
   * @default 'P1D'
   */
  readonly keysetMaxAge?: string;

  /**
   * X: longest time that one rotation may take.
   *
   * @default 'PT1H'
   */
  readonly rotationTime?: string;

  /**
   * From one rotation to the next, for each purpose.
   *
   * @default each purpose's own
   */
  readonly rotationPeriod?: RotationPeriods;
}

/** Whole hours, 4 hours to 999 days, and longer than the windows of the purpose's keys together. */
export interface RotationPeriods {
  /**
   * The period of the keys that nonces are made with.
   *
   * @default 'P30D'
   */
  readonly nonce?: string;

  /**
   * The period of the keys that API keys are derived from. Their windows include `clientKeyLife`.
   *
   * @default 'P180D'
   */
  readonly 'client-root'?: string;

  /**
   * The period of the keys that sign tokens.
   *
   * @default 'P30D'
   */
  readonly token?: string;

  /**
   * The period of the keys that sign callbacks.
   *
   * @default 'P30D'
   */
  readonly webhook?: string;

  /**
   * The period of the keys that the secrets of callback endpoints are derived from.
   *
   * @default 'P180D'
   */
  readonly 'webhook-root'?: string;
}

/** How rotation functions reach Vault, and log in. */
export interface VaultSettings {
  /** URL of Vault's API. */
  readonly address: string;

  /**
   * Vault Enterprise namespace.
   *
   * @default none
   */
  readonly namespace?: string;

  /**
   * PEM certificates of the authority that issued Vault's own, at most 3000 characters.
   *
   * @default the public authorities
   */
  readonly caPem?: string;

  /**
   * How rotation functions log in: by their IAM role, an AppRole, or a JWT.
   *
   * @default 'aws'
   */
  readonly auth?: 'aws' | 'approle' | 'jwt';

  /**
   * With `auth: 'aws'`: the Region of the STS endpoint that Vault asks who signed. Vault's `sts_endpoint` and
   * `sts_region` must name it as well.
   *
   * @default the global endpoint, which is Vault's own default
   */
  readonly stsRegion?: string;

  /**
   * The way to Vault: over the internet, or from a VPC of the home Region. Each other Region then needs a
   * `vaultNetwork` of its own.
   *
   * @default 'public'
   */
  readonly network?: 'public' | NetworkSettings;
}

/** A VPC from which functions reach Vault. All of these are in one Region. */
export interface NetworkSettings {
  /** Its id, or the VPC. */
  readonly vpcId: string | IVpc;

  /**
   * Private subnets with a way to Secrets Manager (an endpoint or a NAT gateway): their ids, or the subnets.
   */
  readonly subnetIds: (string | ISubnet)[];

  /** They must allow outgoing traffic to Vault's port: their ids, or the security groups. */
  readonly securityGroupIds: (string | ISecurityGroup)[];
}

/** Limit of a client that has none of its own. */
export interface QuotaSettings {
  /**
   * Signatures per client, Region and minute.
   *
   * @default 6000
   */
  readonly signaturesPerMinute?: number;
}

/**
 * Nonces and registrations have limits of their own: a flood of nonces must not starve those who register.
 */
export interface ThrottleSettings {
  /**
   * The limit of `GET /v1/nonce`.
   *
   * @default 1000 a second, 1000 at once
   */
  readonly nonce?: Throttle;

  /**
   * The limit of `POST /v1/register`.
   *
   * @default 1000 a second, 1000 at once
   */
  readonly register?: Throttle;

  /**
   * The limit of each other method.
   *
   * @default 200 a second, 400 at once
   */
  readonly other?: Throttle;
}

/** A limit of API Gateway. */
export interface Throttle {
  /**
   * Requests a second, over time.
   *
   * @default 1000; 200 in `other`
   */
  readonly perSecond?: number;

  /**
   * Requests at once.
   *
   * @default 1000; 400 in `other`
   */
  readonly burst?: number;
}

/** Generations of `registry` and `clients`. */
export interface TableSettings {
  /**
   * The generation that the stage uses: part of the tables' names. A whole number.
   *
   * @default 1
   */
  readonly generation?: number;
  /**
   * Tables of another generation, which exist as well but are not in use: the next ones, until they are
   * filled, or the ones before, while they are kept.
   *
   * @default none
   */
  readonly other?: OtherTableSettings;
}

/** Tables that are not in use. With only `generation` set, they are like those in use. */
export interface OtherTableSettings {
  /** A whole number, other than the one in use. */
  readonly generation: number;
  /**
   * As the stage's `consistency`, of these tables.
   *
   * @default by their Regions
   */
  readonly consistency?: 'strong' | 'eventual';
  /**
   * Names of the Regions that have a replica, the home Region among them.
   *
   * @default those that serve
   */
  readonly regions?: string[];
  /**
   * As the stage's `witnessRegion`, of these tables.
   *
   * @default none
   */
  readonly witnessRegion?: string;
}

/** The web application firewall. */
export interface WafSettings {
  /**
   * Requests of one IP address in 5 minutes, 10 to 2,000,000,000, and at least 5 ×
   * `quota.signaturesPerMinute`. Beyond it the address is refused until it sends fewer.
   *
   * @default 60000
   */
  readonly requestsPerIp?: number;
}

/** Health checks of the Regions. More and faster checks cost more. */
export interface HealthCheckSettings {
  /**
   * From one request of a checker to its next: `PT10S` or `PT30S`.
   *
   * @default 'PT30S'
   */
  readonly interval?: string;

  /**
   * The Regions from which Route 53 asks: at least three.
   *
   * @default ['us-east-1', 'eu-west-1', 'ap-southeast-1']
   */
  readonly checkerRegions?: CheckerRegion[];

  /**
   * A Region that was unhealthy stays so until it has been good for this long: 1 minute to 1 hour.
   *
   * @default 'PT3M'
   */
  readonly holdDown?: string;
}

/** A Region in which Route 53 has health checkers. */
export type CheckerRegion =
  | 'us-east-1'
  | 'us-west-1'
  | 'us-west-2'
  | 'eu-west-1'
  | 'ap-southeast-1'
  | 'ap-southeast-2'
  | 'ap-northeast-1'
  | 'sa-east-1';
