/**
 * Rules on the templates that AWS checks only during a deployment, half an hour in, and that no other checker
 * knows. A fault is an error of the synthesis.
 */
import { readFileSync } from 'node:fs';
import {
  type App,
  type IPolicyValidationContext,
  type IPolicyValidationPlugin,
  type PolicyValidationPluginReport,
  type PolicyViolation,
  type Stack,
  Validations,
} from 'aws-cdk-lib';

interface Resource {
  readonly Type: string;
  readonly DeletionPolicy?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is JSON of any form
  readonly Properties?: any;
}

type Resources = Readonly<Record<string, Resource>>;

interface Rule {
  readonly name: string;
  readonly type: string;
  /** @param all of the template, by their ids @returns what is wrong */
  readonly fault: (
    properties: NonNullable<Resource['Properties']>,
    resource: Resource,
    all: Resources,
  ) => string | undefined;
}

const strong = (properties: Resource['Properties']): boolean =>
  properties.MultiRegionConsistency === 'STRONG';

export const DEPLOY_RULES: readonly Rule[] = [
  {
    name: 'strong-table-without-ttl',
    type: 'AWS::DynamoDB::GlobalTable',
    fault: (table) =>
      strong(table) && table.TimeToLiveSpecification ? 'a strongly consistent table takes no TTL' : undefined,
  },
  {
    name: 'strong-table-without-lsi',
    type: 'AWS::DynamoDB::GlobalTable',
    fault: (table) =>
      strong(table) && table.LocalSecondaryIndexes
        ? 'a strongly consistent table takes no local secondary index'
        : undefined,
  },
  {
    name: 'strong-table-in-three-regions',
    type: 'AWS::DynamoDB::GlobalTable',
    fault(table) {
      const regions = table.Replicas.length + (table.GlobalTableWitnesses?.length ?? 0);
      return strong(table) && regions !== 3
        ? `a strongly consistent table has exactly three Regions, this one has ${regions}`
        : undefined;
    },
  },
  {
    // Other checkers know AWS::DynamoDB::Table only.
    name: 'kept-table-protected',
    type: 'AWS::DynamoDB::GlobalTable',
    fault(table, { DeletionPolicy }) {
      if (DeletionPolicy === 'Delete') return undefined;
      const bare = table.Replicas.filter(
        (replica: Resource['Properties']) =>
          !replica.SSESpecification?.KMSMasterKeyId ||
          !replica.PointInTimeRecoverySpecification?.PointInTimeRecoveryEnabled ||
          !replica.DeletionProtectionEnabled,
      );
      return bare.length === 0
        ? undefined
        : `a replica that is kept needs a customer key, point-in-time recovery and deletion protection: ${bare
            .map(({ Region }: { Region: string }) => Region)
            .join(', ')}`;
    },
  },
  {
    name: 'permission-of-one-account',
    type: 'AWS::Lambda::Permission',
    fault({ Principal, SourceAccount, SourceArn }) {
      const service = typeof Principal === 'string' && Principal.endsWith('.amazonaws.com');
      // A resource of the stack is in the stack's account.
      const ofStack = SourceArn?.['Fn::GetAtt'] !== undefined;
      const own =
        SourceAccount !== undefined || ofStack || /:(\d{12}|[^:]*AWS::AccountId[^:]*):/.test(text(SourceArn));
      return service && !own
        ? `any account's ${Principal} may call the function: it needs SourceAccount, or a SourceArn with the account`
        : undefined;
    },
  },
  {
    name: 'path-not-reserved',
    type: 'AWS::ApiGateway::Resource',
    fault: ({ ParentId, PathPart }) =>
      ['ping', 'sping'].includes(PathPart) && ParentId?.['Fn::GetAtt']?.[1] === 'RootResourceId'
        ? `API Gateway reserves /${PathPart}`
        : undefined,
  },
  {
    name: 'bodies-as-bytes',
    type: 'AWS::ApiGateway::RestApi',
    fault: ({ BinaryMediaTypes = [] }) =>
      BinaryMediaTypes.includes('*/*')
        ? undefined
        : 'without the binary media type */*, API Gateway alters a body that is not UTF-8',
  },
  {
    name: 'mock-answers-text',
    type: 'AWS::ApiGateway::Method',
    fault({ Integration }) {
      if (Integration?.Type !== 'MOCK') return undefined;
      const sides = [Integration, ...(Integration.IntegrationResponses ?? [])];
      return sides.every(({ ContentHandling }) => ContentHandling === 'CONVERT_TO_TEXT')
        ? undefined
        : 'with binary media types a MOCK integration answers 500, unless it and its responses have CONVERT_TO_TEXT';
    },
  },
  {
    name: 'own-queue-on-purpose',
    type: 'AWS::Lambda::EventSourceMapping',
    fault({ EventSourceArn, FunctionName }, _, all) {
      const queue = EventSourceArn?.['Fn::GetAtt']?.[0];
      const called = all[FunctionName?.Ref]?.Properties;
      const role = all[called?.Role?.['Fn::GetAtt']?.[0]]?.Properties;
      const sends = (role?.Policies ?? []).some(({ PolicyDocument }: Resource['Properties']) =>
        PolicyDocument.Statement.some(
          ({ Action, Resource: on }: Resource['Properties']) =>
            [Action].flat().includes('sqs:SendMessage') && JSON.stringify(on).includes(`"${queue}"`),
        ),
      );
      return sends && called.RecursiveLoop === undefined
        ? 'a function that sends to the queue that calls it is stopped after about 16 calls in a row, unless its RecursiveLoop says otherwise'
        : undefined;
    },
  },
  ...['AWS::ApiGateway::RestApi', 'AWS::ApiGateway::DomainName'].map(
    (type): Rule => ({
      name: 'tls-policy-complete',
      type,
      fault({ SecurityPolicy, EndpointAccessMode, MutualTlsAuthentication }) {
        if (!SecurityPolicy?.startsWith('SecurityPolicy_')) return undefined;
        if (!EndpointAccessMode) return `${SecurityPolicy} needs an endpoint access mode`;
        return MutualTlsAuthentication ? `${SecurityPolicy} and mutual TLS exclude each other` : undefined;
      },
    }),
  ),
  ...(
    [
      ['AWS::Lambda::Function', 'FunctionName', 64],
      ['AWS::DynamoDB::GlobalTable', 'TableName', 255],
      ['AWS::DynamoDB::Table', 'TableName', 255],
      ['AWS::SecretsManager::Secret', 'Name', 512],
      ['AWS::CloudWatch::Alarm', 'AlarmName', 255],
      ['AWS::SNS::Topic', 'TopicName', 256],
      ['AWS::WAFv2::WebACL', 'Name', 128],
      ['AWS::ApiGateway::DomainName', 'DomainName', 253],
      // The common name of a certificate. Alternative names may be longer.
      ['AWS::CertificateManager::Certificate', 'DomainName', 64],
    ] as const
  ).map(
    ([type, property, most]): Rule => ({
      name: 'name-not-too-long',
      type,
      fault(properties) {
        const { length } = text(properties[property]);
        return length > most
          ? `${property} has ${length} characters; at most ${most} are allowed`
          : undefined;
      },
    }),
  ),
];

/** Checks the platform's own stacks only, not the app's others. */
export class DeployRules implements IPolicyValidationPlugin {
  readonly name = 'Countersign';

  validate({ appConstruct, stackTemplates }: IPolicyValidationContext): PolicyValidationPluginReport {
    const violations = stackTemplates
      .filter(({ stackConstructPath }) => isOwn(stackConstructPath))
      .flatMap(({ stackConstructPath, templatePath }): PolicyViolation[] => {
        const { Resources } = JSON.parse(readFileSync(templatePath, 'utf8'));
        const joined = otherRegions(appConstruct.node.findChild(stackConstructPath) as Stack);
        const violation = (ruleName: string, description: string, resourceLogicalId: string, at: string) => ({
          ruleName,
          description,
          severity: 'error',
          violatingResources: [{ resourceLogicalId, templatePath, locations: [at] }],
        });
        return [
          ...joined.map((other) =>
            violation(
              'stack-depends-within-its-region',
              `it depends on ${other}: \`cdk destroy\` of that one would select it, and it could not be deployed while that Region is down`,
              stackConstructPath,
              'DependsOn',
            ),
          ),
          ...Object.entries(Resources as Resources).flatMap(([id, resource]) =>
            faults(resource, Resources).map(([rule, fault]) => violation(rule, fault, id, 'Properties')),
          ),
        ];
      });
    return { success: violations.length === 0, violations };
  }
}

const isOwn = (path: string): boolean => path.startsWith('countersign-');

/**
 * @returns names of the platform's stacks in other Regions that a stack depends on, directly or by way of
 * others
 */
function otherRegions(stack: Stack): string[] {
  const found = new Set<Stack>();
  const follow = (each: Stack): void => {
    for (const next of each.dependencies)
      if (!found.has(next)) {
        found.add(next);
        follow(next);
      }
  };
  follow(stack);
  return [...found]
    .filter(({ node, region }) => isOwn(node.path) && region !== stack.region)
    .map(({ stackName }) => stackName);
}

/** @param all resources of its template @returns `[rule, fault]` of each rule that a resource breaks */
export function faults(resource: Resource, all: Resources = {}): [string, string][] {
  return DEPLOY_RULES.filter(({ type }) => type === resource.Type).flatMap(({ name, fault }) => {
    const found = fault(resource.Properties ?? {}, resource, all);
    return found === undefined ? [] : [[name, found] as [string, string]];
  });
}

const checked = new WeakSet<App>();

/** Adds the rules once, however many platforms an app holds. */
export function addDeployRules(app: App): void {
  if (checked.has(app)) return;
  checked.add(app);
  Validations.of(app).addPlugins(new DeployRules());
}

/** @returns a value as text, with a reference as its logical id */
function text(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  const { 'Fn::Join': join, Ref: ref } = value as { 'Fn::Join'?: [string, unknown[]]; Ref?: string };
  return join ? join[1].map(text).join(join[0]) : (ref ?? '');
}
