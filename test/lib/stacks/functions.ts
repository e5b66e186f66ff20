import { expect, it } from 'vitest';
import { ENVIRONMENT } from '../../../lambda/contract/environment.ts';
import {
  type BaseFunctionName,
  FUNCTIONS,
  type FunctionName,
  functionName,
} from '../../../lambda/contract/names.ts';
import { PURPOSES } from '../../../lambda/contract/purposes.ts';
import { ROUTES } from '../../../lambda/contract/routes.ts';
import { CONFIG, flat, type Stack, synthesise } from '../synth.ts';

const { region } = synthesise();

function functionOf(stack: Stack, name: FunctionName) {
  const found = stack
    .ofType('AWS::Lambda::Function')
    .find(({ Properties }) => Properties.FunctionName === functionName('dev', name));
  return found!.Properties;
}

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
}

/** The statements of a function's role as `action resource`, sorted. */
function allowed(name: FunctionName): string[] {
  const { Role } = functionOf(region, name);
  const { Properties } = region.resources[Role['Fn::GetAtt'][0]]!;
  expect(Object.keys(Properties).sort()).toEqual(['AssumeRolePolicyDocument', 'Description', 'Policies']);
  const statements: Statement[] = Properties.Policies.flatMap(
    (policy: { PolicyDocument: { Statement: Statement[] } }) => policy.PolicyDocument.Statement,
  );
  return statements
    .flatMap(({ Effect, Action, Resource }) => {
      expect(Effect).toBe('Allow');
      return [Action].flat().map((action) => `${action} ${flat(Resource)}`);
    })
    .sort();
}

const table = (name: string) =>
  `arn:\${AWS::Partition}:dynamodb:eu-west-1:\${AWS::AccountId}:table/countersign-dev-${name}-1`;
const secret = (purpose: string) =>
  `secretsmanager:GetSecretValue arn:\${AWS::Partition}:secretsmanager:eu-west-1:\${AWS::AccountId}:secret:countersign/dev/keys/${purpose}-??????`;

const WITH_PROOF = [
  `dynamodb:GetItem ${table('limits')}`,
  `dynamodb:UpdateItem ${table('limits')}`,
  `dynamodb:PutItem ${table('ledger')}`,
  `dynamodb:PutItem ${table('registry')}`,
  `dynamodb:GetItem ${table('registry')}`,
  `dynamodb:Query ${table('clients')}`,
  secret('nonce'),
  secret('client-root'),
];
const RIGHTS: Record<BaseFunctionName, string[]> = {
  nonce: [`dynamodb:GetItem ${table('limits')}`, secret('nonce')],
  register: WITH_PROOF,
  registration: WITH_PROOF,
  events: [
    `dynamodb:GetItem ${table('limits')}`,
    `dynamodb:GetItem ${table('events')}`,
    `dynamodb:PutItem ${table('events')}`,
    `dynamodb:Query ${table('events')}`,
    `dynamodb:Query ${table('clients')}`,
    secret('nonce'),
    secret('client-root'),
  ],
  keys: [
    ...WITH_PROOF.filter((right) => right !== `dynamodb:GetItem ${table('registry')}`),
    `dynamodb:PutItem ${table('clients')}`,
  ],
  discovery: [],
  jwks: [`dynamodb:GetItem ${table('limits')}`, secret('webhook')],
  health: [
    `dynamodb:GetItem ${table('limits')}`,
    `dynamodb:UpdateItem ${table('limits')}`,
    `dynamodb:PutItem ${table('ledger')}`,
    `dynamodb:PutItem ${table('registry')}`,
    secret('nonce'),
    secret('client-root'),
  ],
  'admin-read': [
    `dynamodb:GetItem ${table('clients')}`,
    `dynamodb:GetItem ${table('events')}`,
    `dynamodb:GetItem ${table('limits')}`,
    `dynamodb:Query ${table('clients')}`,
    `dynamodb:Scan ${table('clients')}`,
    `dynamodb:GetItem ${table('registry')}`,
  ],
  'admin-write': [
    `dynamodb:GetItem ${table('clients')}`,
    `dynamodb:Query ${table('events')}`,
    secret('webhook-root'),
    `sqs:SendMessage arn:\${AWS::Partition}:sqs:eu-west-1:\${AWS::AccountId}:countersign-dev-deliver-wake-ups`,
    `dynamodb:GetItem ${table('limits')}`,
    `dynamodb:UpdateItem ${table('limits')}`,
    `dynamodb:PutItem ${table('limits')}`,
    `dynamodb:DeleteItem ${table('limits')}`,
    `dynamodb:PutItem ${table('clients')}`,
    `dynamodb:DeleteItem ${table('clients')}`,
    `dynamodb:Query ${table('clients')}`,
    `dynamodb:UpdateItem ${table('clients')}`,
    `dynamodb:Scan ${table('clients')}`,
    `dynamodb:Scan ${table('registry')}`,
    `dynamodb:GetItem ${table('events')}`,
    `dynamodb:PutItem ${table('events')}`,
    `dynamodb:UpdateItem ${table('events')}`,
    `dynamodb:PutItem ${table('ledger')}`,
    `dynamodb:DeleteItem ${table('registry')}`,
    `dynamodb:GetItem ${table('registry')}`,
    `dynamodb:PutItem ${table('registry')}`,
    secret('client-root'),
  ],
};

it.each(FUNCTIONS)('%s has the permissions that it needs, writes its own log, and has no others', (name) => {
  const log = functionOf(region, name).LoggingConfig.LogGroup.Ref;
  const ownLog = [`logs:CreateLogStream \${${log}.Arn}`, `logs:PutLogEvents \${${log}.Arn}`];
  expect(allowed(name)).toEqual([...RIGHTS[name], ...ownLog].sort());
  expect(region.resources[log]!.Properties).toEqual({
    LogGroupName: `/aws/lambda/${functionName('dev', name)}`,
    RetentionInDays: 7,
  });
});

/** Three rotate keys, one watches, and two are for events. */
const ALL = FUNCTIONS.length + PURPOSES.length + 4;

it('every function has its own role, and no policy elsewhere grants it anything', () => {
  const functions = region.ofType('AWS::Lambda::Function');
  const roles = functions.map(({ Properties }) => Properties.Role['Fn::GetAtt'][0]);
  expect(new Set(roles).size).toBe(ALL);
  expect(region.ofType('AWS::IAM::Role')).toHaveLength(ALL);
  expect(region.ofType('AWS::IAM::Policy')).toEqual([]);
  expect(region.ofType('AWS::IAM::ManagedPolicy')).toEqual([]);
});

it.each(FUNCTIONS)('%s has the variables of the contract, each with a value', (name) => {
  const { Variables } = functionOf(region, name).Environment;
  expect(Object.keys(Variables).sort()).toEqual([...ENVIRONMENT[name]].sort());
  for (const value of Object.values(Variables)) expect(flat(value)).not.toBe('');
});

it('functions run on Node 24 and arm64', () => {
  for (const { Properties } of region.ofType('AWS::Lambda::Function'))
    expect(Properties).toMatchObject({
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Handler: 'index.handler',
      MemorySize: 1024,
    });
  expect(region.ofType('AWS::Lambda::Function')).toHaveLength(ALL);
});

it("functions on a client's request path end within ten seconds", () => {
  for (const name of FUNCTIONS) expect(functionOf(region, name).Timeout).toBe(10);
});

it("without a domain, issuer, entry and base URL are the API's own, without a slash at the end", () => {
  const [api] = Object.entries(region.resources).find(([, { Type }]) => Type === 'AWS::ApiGateway::RestApi')!;
  const url = `https://\${${api}}.execute-api.eu-west-1.\${AWS::URLSuffix}/live`;
  const { Variables } = functionOf(region, 'register').Environment;
  expect(flat(Variables.COUNTERSIGN_BASE_URL)).toBe(url);
  expect(flat(Variables.COUNTERSIGN_ENTRY_URL)).toBe(url);
  expect(flat(Variables.COUNTERSIGN_ISSUER)).toBe(url);
  expect(flat(Variables.COUNTERSIGN_ERROR_DOCS_URL)).toBe(`${url}/errors`);
  const { COUNTERSIGN_REGIONS } = functionOf(region, 'discovery').Environment.Variables;
  expect(JSON.parse(flat(COUNTERSIGN_REGIONS))).toEqual([{ name: 'eu-west-1', url }]);
  expect(flat((region.template.Outputs as Record<string, { Value: unknown }>).BaseUrl!.Value)).toBe(url);
});

it('settings become variables, each in the unit of its name', () => {
  const { region } = synthesise({
    ...CONFIG,
    regions: [{ name: 'eu-west-1', baseUrl: 'https://eu.example.com/api' }],
    issuer: 'https://example.com',
    errorDocsUrl: 'https://docs.example.com',
    nonceLife: 'PT1M',
    clockError: 'PT3S',
    clientKeyLife: 'P30D',
    keys: { keysetMaxAge: 'PT6H' },
  });
  const { Variables } = functionOf(region, 'register').Environment;
  expect(Variables).toMatchObject({
    COUNTERSIGN_BASE_URL: 'https://eu.example.com/api',
    COUNTERSIGN_ENTRY_URL: 'https://eu.example.com/api',
    COUNTERSIGN_ISSUER: 'https://example.com',
    COUNTERSIGN_ERROR_DOCS_URL: 'https://docs.example.com',
    COUNTERSIGN_NONCE_LIFE_MS: '60000',
    COUNTERSIGN_CLOCK_ERROR_MS: '3000',
    COUNTERSIGN_KEYSET_MAX_AGE_MS: String(6 * 3600 * 1000),
    COUNTERSIGN_CONSISTENCY: 'single',
  });
  const admin = functionOf(region, 'admin-write').Environment.Variables;
  expect(admin.COUNTERSIGN_CLIENT_KEY_LIFE_S).toBe(String(30 * 24 * 3600));
});

it('a strict key in a request raises an alarm', () => {
  const filters = region.ofType('AWS::Logs::MetricFilter').map(({ Properties }) => Properties);
  const logOf = (name: FunctionName) => functionOf(region, name).LoggingConfig.LogGroup.Ref;
  const answering = [...new Set(ROUTES.map((route) => route.function))];
  expect(filters.map(({ LogGroupName }) => LogGroupName.Ref)).toEqual(answering.map(logOf));
  for (const filter of filters)
    expect(filter).toMatchObject({
      FilterPattern: '{ ($.exposed_key = "*") || ($.reason = "strict_key_as_bearer") }',
      MetricTransformations: [
        { MetricNamespace: 'Countersign/dev', MetricName: 'StrictKeyExposed', MetricValue: '1' },
      ],
    });
  expect(region.ofType('AWS::CloudWatch::Alarm')[0]!.Properties).toMatchObject({
    Namespace: 'Countersign/dev',
    MetricName: 'StrictKeyExposed',
    Statistic: 'Sum',
    Threshold: 1,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    TreatMissingData: 'notBreaching',
  });
});
