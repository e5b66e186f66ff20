import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, CfnResource, Stack } from 'aws-cdk-lib';
import { afterAll, expect, it } from 'vitest';
import cdkJson from '../../../cdk.json' with { type: 'json' };
import dev from '../../../examples/config/dev.ts';
import threeRegions from '../../../examples/config/three-regions.ts';
import twoRegions from '../../../examples/config/two-regions.ts';
import { LOCK_CONTEXT } from '../../../lib/config/lock.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { RegistrationPlatform } from '../../../lib/platform.ts';
import { ACKNOWLEDGED, type AcceptedFinding } from '../../../lib/policy/acknowledged.ts';
import { addDeployRules, faults } from '../../../lib/policy/deploy-rules.ts';
import { acknowledgement, addPolicyChecks } from '../../../lib/policy/nag.ts';
import { PROD } from '../synth.ts';

const directory = mkdtempSync(join(tmpdir(), 'countersign-policy-'));
afterAll(() => rmSync(directory, { recursive: true }));
let apps = 0;

/** With the context that the CDK CLI gives an app, and no source of credentials. */
function newApp(builtinCloudFormationValidation: boolean): App {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  const outdir = join(directory, String(apps++));
  const context = { ...cdkJson.context, [LOCK_CONTEXT]: 'write' };
  return new App({ outdir, context, analyticsReporting: false, builtinCloudFormationValidation });
}

function platformApp(config: ConfigInput, validation: boolean): App {
  const app = newApp(validation);
  new RegistrationPlatform(app, 'Countersign', { ...config, lockFile: join(directory, `${apps}.json`) });
  return app;
}

/** The largest first: the validation restarts, slowly, for each new type of resource. */
const EXAMPLES: Record<string, ConfigInput> = {
  'three-regions': threeRegions,
  'two-regions': twoRegions,
  dev,
};
const used = new Set<AcceptedFinding>();

it.each(Object.keys(EXAMPLES))(
  "the example %s synthesises without credentials and passes the CDK's validation, AwsSolutions and our rules",
  (name) => {
    const config = EXAMPLES[name]!;
    const app = platformApp(config, true);
    const checks = addPolicyChecks(app, config.stage.kind);
    // The examples differ in size.
    expect(app.synth().stacks).toHaveLength({ dev: 2, 'two-regions': 8, 'three-regions': 8 }[name]!);
    for (const row of checks.used) used.add(row);
  },
);

it('each acknowledged finding has a reason, really occurs, and is acknowledged individually', () => {
  expect(ACKNOWLEDGED.filter((row) => !used.has(row))).toEqual([]);
  for (const { reason } of ACKNOWLEDGED) expect(reason).toMatch(/^[A-Z].{20,}\.$/);
});

it('a finding without acknowledgement fails synthesis: another wildcard, a prod stage without access logs', () => {
  const role = 'AWS::IAM::Role';
  expect(
    acknowledgement(
      'AwsSolutions-IAM5[Resource::*]',
      role,
      'prod',
      'countersign-live-region-eu-west-1/register/Role/Resource',
    ),
  ).toBeUndefined();
  expect(
    acknowledgement(
      'AwsSolutions-IAM5[Action::kms:*]',
      role,
      'prod',
      'countersign-live-region-eu-west-1/register/Role/Resource',
    ),
  ).toBeUndefined();
  expect(
    acknowledgement(
      'AwsSolutions-IAM5[Resource::arn:aws:s3:::x/key/*]',
      role,
      'prod',
      'countersign-live-region-eu-west-1/register/Role/Resource',
    ),
  ).toBeUndefined();
  const stage = 'AWS::ApiGateway::Stage';
  expect(acknowledgement('AwsSolutions-APIG1', stage, 'dev', 'any')).toBeDefined();
  expect(acknowledgement('AwsSolutions-APIG1', stage, 'prod', 'any')).toBeUndefined();

  const app = platformApp(dev, false);
  // Checked as prod, so that the parts a dev stage lacks are reported.
  addPolicyChecks(app, 'prod');
  expect(() => app.synth()).toThrow(/AwsSolutions-APIG1/);
});

it("a template that AWS would refuse is an error of the CDK's own validation", () => {
  const app = newApp(true);
  new CfnResource(new Stack(app, 'countersign-faulty'), 'Table', {
    type: 'AWS::DynamoDB::Table',
    properties: {
      BillingMode: 'SOMETIMES',
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
    },
  });
  expect(() => app.synth()).toThrow(/BillingMode/);
});

it.each([
  ['directly', (one: Stack, other: Stack) => one.addStackDependency(other)],
  [
    "by way of a team's own stack",
    (one: Stack, other: Stack) => {
      const between = new Stack(App.of(one) as App, 'own', { env: { region: 'eu-west-1' } });
      one.addStackDependency(between);
      between.addStackDependency(other);
    },
  ],
])('a stack that depends on one of another Region, %s, fails the synthesis', (_, connect) => {
  const app = newApp(true);
  const lockFile = join(directory, `${apps}.json`);
  const { regions } = new RegistrationPlatform(app, 'Countersign', { ...PROD, lockFile });
  connect(regions[0]!, regions[1]!);
  expect(() => app.synth()).toThrow(/stack-depends-within-its-region/);
});

const replica = (Region: string) => ({
  Region,
  DeletionProtectionEnabled: true,
  PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
  SSESpecification: { KMSMasterKeyId: 'key' },
});
const strongTable = {
  MultiRegionConsistency: 'STRONG',
  Replicas: [replica('eu-west-1'), replica('eu-central-1')],
  GlobalTableWitnesses: [{ Region: 'eu-west-3' }],
};
const permission = {
  Principal: 'secretsmanager.amazonaws.com',
  FunctionName: 'f',
  Action: 'lambda:InvokeFunction',
};
const GLOBAL = 'AWS::DynamoDB::GlobalTable';
const BYTES = { BinaryMediaTypes: ['*/*'] };
const TEXT = { ContentHandling: 'CONVERT_TO_TEXT' };
const TLS = { SecurityPolicy: 'SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09' };

it.each<[string, string, object, string | undefined]>([
  ['a strong table', GLOBAL, strongTable, undefined],
  ['one with TTL', GLOBAL, { ...strongTable, TimeToLiveSpecification: {} }, 'strong-table-without-ttl'],
  ['one with an index', GLOBAL, { ...strongTable, LocalSecondaryIndexes: [{}] }, 'strong-table-without-lsi'],
  [
    'one in two Regions',
    GLOBAL,
    { ...strongTable, GlobalTableWitnesses: [] },
    'strong-table-in-three-regions',
  ],
  ['a kept replica bare of a key', GLOBAL, without('SSESpecification'), 'kept-table-protected'],
  [
    'a kept replica that cannot be restored',
    GLOBAL,
    without('PointInTimeRecoverySpecification'),
    'kept-table-protected',
  ],
  [
    'a kept replica that can be deleted',
    GLOBAL,
    without('DeletionProtectionEnabled'),
    'kept-table-protected',
  ],
  ['a permission for every account', 'AWS::Lambda::Permission', permission, 'permission-of-one-account'],
  [
    'for one account',
    'AWS::Lambda::Permission',
    { ...permission, SourceAccount: { Ref: 'AWS::AccountId' } },
    undefined,
  ],
  [
    'by an ARN without it',
    'AWS::Lambda::Permission',
    { ...permission, SourceArn: 'arn:aws:s3:::b' },
    'permission-of-one-account',
  ],
  [
    'by an ARN with it',
    'AWS::Lambda::Permission',
    { ...permission, SourceArn: 'arn:aws:x:r:123456789012:y' },
    undefined,
  ],
  ['for a role', 'AWS::Lambda::Permission', { ...permission, Principal: 'arn:aws:iam::1:role/r' }, undefined],
  ['/ping', 'AWS::ApiGateway::Resource', path('ping', 'RootResourceId'), 'path-not-reserved'],
  ['/sping', 'AWS::ApiGateway::Resource', path('sping', 'RootResourceId'), 'path-not-reserved'],
  ['/v1/ping', 'AWS::ApiGateway::Resource', path('ping', 'ResourceId'), undefined],
  ['TLS without an access mode', 'AWS::ApiGateway::RestApi', { ...TLS, ...BYTES }, 'tls-policy-complete'],
  ['an API that takes bytes', 'AWS::ApiGateway::RestApi', BYTES, undefined],
  ['one that takes text', 'AWS::ApiGateway::RestApi', {}, 'bodies-as-bytes'],
  [
    'one that takes JSON as bytes, and all else as text',
    'AWS::ApiGateway::RestApi',
    { BinaryMediaTypes: ['application/json'] },
    'bodies-as-bytes',
  ],
  ['a MOCK integration of text', 'AWS::ApiGateway::Method', mock(TEXT, TEXT), undefined],
  ['one of bytes', 'AWS::ApiGateway::Method', mock({}, TEXT), 'mock-answers-text'],
  ['one that answers bytes', 'AWS::ApiGateway::Method', mock(TEXT, {}), 'mock-answers-text'],
  ['a function', 'AWS::ApiGateway::Method', { Integration: { Type: 'AWS_PROXY' } }, undefined],
  [
    'TLS with mutual TLS',
    'AWS::ApiGateway::DomainName',
    { ...TLS, EndpointAccessMode: 'STRICT', MutualTlsAuthentication: {} },
    'tls-policy-complete',
  ],
  ['a name that fits', 'AWS::Lambda::Function', { FunctionName: 'f'.repeat(64) }, undefined],
  ['one that does not', 'AWS::Lambda::Function', { FunctionName: 'f'.repeat(65) }, 'name-not-too-long'],
  [
    'an entry too long for a certificate',
    'AWS::CertificateManager::Certificate',
    { DomainName: 'a'.repeat(65) },
    'name-not-too-long',
  ],
])('our own rules detect %s', (_, Type, Properties, rule) => {
  expect(faults({ Type, Properties, DeletionPolicy: 'Retain' }).map(([name]) => name)).toEqual(
    rule ? [rule] : [],
  );
});

function without(name: keyof ReturnType<typeof replica>) {
  const { [name]: _, ...rest } = replica('eu-west-1');
  return { ...strongTable, Replicas: [rest, replica('eu-central-1')] };
}

function mock(request: object, response: object) {
  return { Integration: { Type: 'MOCK', ...request, IntegrationResponses: [response] } };
}

function path(PathPart: string, attribute: string) {
  return { PathPart, ParentId: { 'Fn::GetAtt': ['Api', attribute] } };
}

it('a function that sends to the queue that calls it must say so', () => {
  const app = platformApp(PROD, false);
  const deliver = app.node
    .findAll()
    .find(({ node }) => node.path.endsWith('/Delivery/Deliver/Function/Resource')) as CfnResource;
  deliver.addPropertyDeletionOverride('RecursiveLoop');
  expect(() => app.synth()).toThrow(/own-queue-on-purpose/);
});

it("our own rules fail the platform's synthesis, and ignore the rest of the app", () => {
  const app = platformApp(PROD, false);
  const table = app.node
    .findAll()
    .find((each) => CfnResource.isCfnResource(each) && each.cfnResourceType === GLOBAL) as CfnResource;
  table.addPropertyOverride('TimeToLiveSpecification', { AttributeName: 'ttl', Enabled: true });
  expect(() => app.synth()).toThrow(/strong-table-without-ttl|a strongly consistent table takes no TTL/);

  const other = newApp(false);
  addDeployRules(other);
  new CfnResource(new Stack(other, 'theirs'), 'Permission', {
    type: 'AWS::Lambda::Permission',
    properties: permission,
  });
  expect(() => other.synth()).not.toThrow();
});
