import { expect, it } from 'vitest';
import { TABLES, type TableKind, tableName } from '../../lambda/contract/names.ts';
import { CONFIG, type Resource, type Stack, synthesise } from './synth.ts';

const { home, region } = synthesise();

const tables = (stack: Stack): Resource[] => [
  ...stack.ofType('AWS::DynamoDB::GlobalTable'),
  ...stack.ofType('AWS::DynamoDB::Table'),
];
const named = (name: string): Resource =>
  [...tables(home), ...tables(region)].find(({ Properties }) => Properties.TableName === name)!;

it.each(Object.keys(TABLES) as TableKind[])(
  '%s has the keys of the contract and is paid by request',
  (kind) => {
    const { Properties } = named(tableName('dev', kind));
    const types = ['HASH', 'RANGE'];
    expect(Properties.KeySchema).toEqual(
      TABLES[kind].keys.map((name, i) => ({ AttributeName: name, KeyType: types[i] })),
    );
    expect(Properties.AttributeDefinitions).toEqual(
      TABLES[kind].keys.map((name) => ({ AttributeName: name, AttributeType: 'S' })),
    );
    expect(Properties.BillingMode).toBe('PAY_PER_REQUEST');
  },
);

it('rows of ledger, limits and registry go by their ttl; clients have none', () => {
  const ttl = { AttributeName: 'ttl', Enabled: true };
  const of = (kind: TableKind) => named(tableName('dev', kind)).Properties.TimeToLiveSpecification;
  expect([of('ledger'), of('limits'), of('registry'), of('clients')]).toEqual([ttl, ttl, ttl, undefined]);
});

it("what all Regions share is at home, and can become more than one replica; what is a Region's own is not", () => {
  const names = (stack: Stack, type: string) =>
    stack.ofType(type).map(({ Properties }) => Properties.TableName);
  expect(names(home, 'AWS::DynamoDB::GlobalTable')).toEqual([
    'countersign-dev-registry-1',
    'countersign-dev-clients-1',
  ]);
  expect(names(region, 'AWS::DynamoDB::Table')).toEqual([
    'countersign-dev-ledger-1',
    'countersign-dev-limits-1',
  ]);
  expect(tables(home)).toHaveLength(2);
  expect(tables(region)).toHaveLength(2);
});

it('a stage of kind dev leaves nothing behind and has no key of its own to pay for', () => {
  for (const stack of [home, region])
    for (const { Type, DeletionPolicy = 'Delete', UpdateReplacePolicy = 'Delete' } of Object.values(
      stack.resources,
    )) {
      expect([Type, DeletionPolicy, UpdateReplacePolicy]).toEqual([Type, 'Delete', 'Delete']);
      expect(Type).not.toMatch(/^AWS::KMS::|^AWS::WAFv2::|^AWS::Route53::|^AWS::EC2::/);
    }
});

it('a lost ledger is replaced under a new name, by the same resource', () => {
  const next = synthesise({ ...CONFIG, regions: [{ name: 'eu-west-1', ledgerGeneration: 2 }] });
  const [before, after] = [region, next.region].map(
    (stack) =>
      Object.entries(stack.resources).find(
        ([, { Type, Properties }]) => Type === 'AWS::DynamoDB::Table' && /ledger/.test(Properties.TableName),
      )!,
  );
  expect(before![0]).toBe(after![0]);
  expect(after![1].Properties.TableName).toBe('countersign-dev-ledger-2');
  const writes = JSON.stringify(next.region.resources);
  expect(writes).not.toContain('ledger-1');
});

it('ids of tables and secrets are a contract: no setting changes one, and so replaces what it holds', () => {
  const kept = /^AWS::(DynamoDB::|SecretsManager::)/;
  const ids = ({ home, region }: typeof synthesised) =>
    [home, region].flatMap(({ resources }) =>
      Object.entries(resources)
        .filter(([, { Type }]) => kept.test(Type))
        .map(([id, { Properties }]) => [id, Properties]),
    );
  const synthesised = { home, region };
  expect(ids(synthesised).map(([id]) => id)).toEqual([
    'RegistryTableDB777839',
    'ClientsTable5BB59C73',
    'KeysnonceC55A5DDE',
    'Keysclientroot56A7FF04',
    'Keystoken98C4F0BE',
    'LedgerTable9343E4AA',
    'LimitsTableFEDA607B',
  ]);
  const others = synthesise({
    ...CONFIG,
    account: '123456789012',
    regions: [{ name: 'eu-west-1', baseUrl: 'https://eu.api.example.com' }],
    issuer: 'https://api.example.com',
    nonceTtl: 'PT1M',
    clockError: 'PT1S',
    clientKeyLife: 'P30D',
    keys: { verifierMaxAge: 'PT2H', rotationPeriod: { nonce: 'P7D' } },
    quota: { signaturesPerMinute: 10 },
    errorDocsUrl: 'https://docs.example.com/errors',
  });
  expect(ids(others)).toEqual(ids(synthesised));
});

// CloudFormation writes SecretString again whenever the resource changes: over live keys. So this never changes.
it('the secrets are frozen: a name, the empty keyset, nothing else', () => {
  const properties = home.ofType('AWS::SecretsManager::Secret').map(({ Properties }) => Properties);
  expect(properties).toEqual([
    { Name: 'countersign/dev/keys/nonce', SecretString: '{"keys":[]}' },
    { Name: 'countersign/dev/keys/client-root', SecretString: '{"keys":[]}' },
    { Name: 'countersign/dev/keys/token', SecretString: '{"keys":[]}' },
  ]);
});

it('no template holds a key, and no other one a secret', () => {
  for (const { template } of [home, region])
    expect(JSON.stringify(template)).not.toMatch(/"(k|d)\\?":|PRIVATE KEY/);
  expect(region.ofType('AWS::SecretsManager::Secret')).toEqual([]);
});
