import { expect, it } from 'vitest';
import { keyType, TABLES, type TableKind, tableName } from '../../../lambda/contract/names.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { CONFIG, eventual, flat, PROD, type Resource, type Stack, synthesise } from '../synth.ts';

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
      TABLES[kind].keys.map((name) => ({ AttributeName: name, AttributeType: keyType(name) })),
    );
    expect(Properties.BillingMode).toBe('PAY_PER_REQUEST');
  },
);

it('items of ledger, limits and registry expire by ttl; clients do not', () => {
  const ttl = { AttributeName: 'ttl', Enabled: true };
  const of = (kind: TableKind) => named(tableName('dev', kind)).Properties.TimeToLiveSpecification;
  expect([of('ledger'), of('limits'), of('registry'), of('clients')]).toEqual([ttl, ttl, ttl, undefined]);
});

it('a table has the stream of replicas before it has one, and after it lost the last: AWS takes one change at a time', () => {
  const [first, second] = PROD.regions;
  const streams = (regions: ConfigInput['regions']) => {
    const { witnessRegion: _, ...prod } = PROD;
    const several = regions.length > 1 && { consistency: 'eventual' as const };
    return synthesise({ ...prod, ...several, regions })
      .home.ofType('AWS::DynamoDB::GlobalTable')
      .map(({ Properties }) => [Properties.StreamSpecification, Properties.Replicas.length]);
  };
  const stream = { StreamViewType: 'NEW_AND_OLD_IMAGES' };
  expect(streams([first!])).toEqual(Array(2).fill([stream, 1]));
  expect(streams([first!, second!])).toEqual(Array(2).fill([stream, 2]));
});

it("shared tables are at home, and can gain replicas; a Region's own tables cannot", () => {
  const names = (stack: Stack, type: string) =>
    stack.ofType(type).map(({ Properties }) => Properties.TableName);
  expect(names(home, 'AWS::DynamoDB::GlobalTable')).toEqual([
    'countersign-dev-registry-1',
    'countersign-dev-clients-1',
  ]);
  expect(names(region, 'AWS::DynamoDB::Table')).toEqual([
    'countersign-dev-ledger-1',
    'countersign-dev-limits-1',
    'countersign-dev-events-1',
  ]);
  expect(tables(home)).toHaveLength(2);
  expect(tables(region)).toHaveLength(3);
});

it('a stage of kind dev leaves nothing behind, and has no key of its own, which would cost money', () => {
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

it('tables of two generations exist at once; a switch changes neither, and roles and functions then name the new ones', () => {
  const at = (tables: ConfigInput['tables']) => synthesise({ ...PROD, ...(tables && { tables }) });
  const one = at(undefined);
  const beside = at({ other: { generation: 2 } });
  const after = at({ generation: 2, other: { generation: 1 } });
  const tablesOf = ({ home }: typeof one) =>
    Object.fromEntries(
      Object.entries(home.resources).filter(([, { Type }]) => Type === 'AWS::DynamoDB::GlobalTable'),
    );
  expect(
    Object.values(tablesOf(beside))
      .map(({ Properties }) => Properties.TableName)
      .sort(),
  ).toEqual([
    'countersign-live-clients-1',
    'countersign-live-clients-2',
    'countersign-live-registry-1',
    'countersign-live-registry-2',
  ]);
  expect(tablesOf(beside)).toMatchObject(tablesOf(one));
  expect(tablesOf(after)).toEqual(tablesOf(beside));
  for (const { DeletionPolicy, UpdateReplacePolicy } of Object.values(tablesOf(after)))
    expect([DeletionPolicy, UpdateReplacePolicy]).toEqual(['Retain', 'Retain']);
  // Tables of another generation change nothing in the Region.
  expect(beside.region.resources).toEqual(one.region.resources);
  const named = ({ region: { resources } }: typeof one, besides = /^$/) => {
    const its = Object.entries(resources).filter(([id]) => !besides.test(id));
    return [...new Set(JSON.stringify(its).match(/countersign-live-(registry|clients)-\d/g))].sort();
  };
  expect(named(beside)).toEqual(['countersign-live-clients-1', 'countersign-live-registry-1']);
  // What reads the last changes of the tables before.
  const readers = /^Callbacks(OutboxRole|FindStreamRole|Stream(registry|clients)1)/;
  expect(named(after, readers)).toEqual(['countersign-live-clients-2', 'countersign-live-registry-2']);
});

it('tables of another generation have their own mode and Regions, and a Region that has only those gets a key', () => {
  const regions = ['eu-west-1', 'eu-west-2', 'eu-central-1'];
  const { home, stacks } = synthesise({
    ...eventual(PROD),
    tables: { other: { generation: 2, regions } },
  });
  const [old, next] = [1, 2].map(
    (n) =>
      home
        .ofType('AWS::DynamoDB::GlobalTable')
        .find(({ Properties }) => Properties.TableName === tableName('live', 'registry', n))!.Properties,
  );
  expect([old.MultiRegionConsistency, next.MultiRegionConsistency]).toEqual([undefined, 'STRONG']);
  expect([old, next].map(({ Replicas }) => Replicas.length)).toEqual([2, 3]);
  expect(next.TimeToLiveSpecification).toBeUndefined();
  for (const replica of next.Replicas)
    expect(flat(replica.SSESpecification.KMSMasterKeyId)).toContain(`${replica.Region}:`);
  expect(Object.keys(stacks)).toContain('countersign-live-base-eu-west-2');
  expect(Object.keys(stacks)).not.toContain('countersign-live-region-eu-west-2');
});

/**
 * The properties that CloudFormation cannot change in place (AWS resource reference, "Update requires:
 * Replacement").
 */
const REPLACING: Record<string, readonly string[]> = {
  'AWS::DynamoDB::GlobalTable': ['TableName', 'KeySchema', 'LocalSecondaryIndexes', 'MultiRegionConsistency'],
  'AWS::DynamoDB::Table': ['TableName', 'KeySchema', 'LocalSecondaryIndexes', 'ImportSourceSpecification'],
  'AWS::SecretsManager::Secret': ['Name', 'SecretString'],
};

/** Id, type and the properties whose change would replace the resource, and the value of a secret. */
function identity(config: ConfigInput): unknown[] {
  const { home, region } = synthesise(config);
  return [home, region].flatMap(({ resources }) =>
    Object.entries(resources).flatMap(([id, { Type, Properties }]) =>
      REPLACING[Type] ? [[id, Type, ...REPLACING[Type].map((name) => Properties[name])]] : [],
    ),
  );
}

const ANY_SETTINGS: Partial<ConfigInput> = {
  account: '123456789012',
  issuer: 'https://issuer.example.com',
  nonceLife: 'PT1M',
  clockError: 'PT1S',
  clientKeyLife: 'P30D',
  keys: { keysetMaxAge: 'PT2H', rotationPeriod: { nonce: 'P7D' } },
  quota: { signaturesPerMinute: 10 },
  errorDocsUrl: 'https://docs.example.com/errors',
  throttles: { nonce: { perSecond: 10 } },
  waf: { requestsPerIp: 100_000 },
  logRetentionDays: 30,
  runbookUrl: 'https://wiki.example.com/runbook',
  apiGatewayRole: 'existing',
  tags: { team: 'a' },
  permissionsBoundary: 'bounds',
  bootstrapQualifier: 'own1',
};

it('ids of tables and secrets are a contract, whatever the stage', () => {
  const ids = [
    'RegistryTableDB777839',
    'ClientsTable5BB59C73',
    'KeysnonceC55A5DDE',
    'Keysclientroot56A7FF04',
    'Keystoken98C4F0BE',
    'Keyswebhook4B6CA36B',
    'Keyswebhookroot7C7BED3E',
    'LedgerTable9343E4AA',
    'LimitsTableFEDA607B',
    'EventsTable4B7491D3',
  ];
  for (const config of [CONFIG, PROD, eventual(PROD)])
    expect(identity(config).map((each) => (each as string[])[0])).toEqual(ids);
});

const kms = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const topic = 'arn:aws:sns:eu-west-1:123456789012:alarms';
const IMPORTED: ConfigInput = {
  ...PROD,
  ...ANY_SETTINGS,
  regions: [{ name: 'eu-west-1', kmsKeyArn: kms, alarmTopicArn: topic }, { name: 'eu-central-1' }],
  domain: { entry: 'other.example.com', hostedZone: PROD.domain!.hostedZone! },
};
const ELSEWHERE: ConfigInput = {
  ...eventual(PROD),
  ...ANY_SETTINGS,
  regions: [{ name: 'eu-west-1' }, { name: 'us-east-1' }, { name: 'ap-southeast-1' }],
};

it.each<[string, ConfigInput, ConfigInput]>([
  ['of a stage of kind dev', CONFIG, { ...CONFIG, ...ANY_SETTINGS }],
  ['of a strong stage, its imported key and its domain included', PROD, IMPORTED],
  ['of an eventual stage, its Regions included', eventual(PROD), ELSEWHERE],
])(
  'no setting outside the frozen ones replaces a table or a secret, or overwrites a key: %s',
  (_, before, after) => {
    expect(identity(after)).toEqual(identity(before));
  },
);

// CloudFormation writes SecretString again whenever the resource changes, over live keys. So it never
// changes.
it('the secrets are frozen: a name, the empty keyset, nothing else', () => {
  const properties = home.ofType('AWS::SecretsManager::Secret').map(({ Properties }) => Properties);
  expect(properties).toEqual([
    { Name: 'countersign/dev/keys/nonce', SecretString: '{"keys":[]}' },
    { Name: 'countersign/dev/keys/client-root', SecretString: '{"keys":[]}' },
    { Name: 'countersign/dev/keys/token', SecretString: '{"keys":[]}' },
    { Name: 'countersign/dev/keys/webhook', SecretString: '{"keys":[]}' },
    { Name: 'countersign/dev/keys/webhook-root', SecretString: '{"keys":[]}' },
  ]);
});

it('no template holds a key, and a Region’s own stack holds no secret', () => {
  for (const { template } of [home, region])
    expect(JSON.stringify(template)).not.toMatch(/"(k|d)\\?":|PRIVATE KEY/);
  expect(region.ofType('AWS::SecretsManager::Secret')).toEqual([]);
});

const replicas = (config: ConfigInput, table: string): Resource['Properties'][] =>
  synthesise(config)
    .home.ofType('AWS::DynamoDB::GlobalTable')
    .find(({ Properties }) => Properties.TableName === table)!.Properties.Replicas;

it.each(['countersign-live-registry-1', 'countersign-live-clients-1'])(
  "%s is retained, encrypted with each Region's key, restorable, and protected from deletion",
  (name) => {
    const table = synthesise(PROD)
      .home.ofType('AWS::DynamoDB::GlobalTable')
      .find(({ Properties }) => Properties.TableName === name)!;
    expect([table.DeletionPolicy, table.UpdateReplacePolicy]).toEqual(['Retain', 'Retain']);
    expect(table.Properties.SSESpecification).toEqual({ SSEEnabled: true, SSEType: 'KMS' });
    expect(table.Properties.Replicas.map(({ Region }: { Region: string }) => Region).sort()).toEqual([
      'eu-central-1',
      'eu-west-1',
    ]);
    for (const replica of table.Properties.Replicas) {
      expect(replica).toMatchObject({
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      });
      expect(flat(replica.SSESpecification.KMSMasterKeyId)).toBe(
        `arn:\${AWS::Partition}:kms:${replica.Region}:\${AWS::AccountId}:alias/countersign-live`,
      );
    }
  },
);

it('tables are strongly consistent where the Regions allow it, and then have no TTL', () => {
  const mode = (config: ConfigInput) =>
    synthesise(config)
      .home.ofType('AWS::DynamoDB::GlobalTable')
      .map(({ Properties: { MultiRegionConsistency, GlobalTableWitnesses, TimeToLiveSpecification } }) => [
        MultiRegionConsistency,
        GlobalTableWitnesses?.[0].Region,
        TimeToLiveSpecification?.AttributeName,
      ]);
  expect(mode(PROD)).toEqual([
    ['STRONG', 'eu-west-3', undefined],
    ['STRONG', 'eu-west-3', undefined],
  ]);
  expect(mode(eventual(PROD))).toEqual([
    [undefined, undefined, 'ttl'],
    [undefined, undefined, undefined],
  ]);
});

it('each Region reads its own replica of the secrets, encrypted with its own key; the value stays the empty keyset', () => {
  const alias = (region: string) =>
    `arn:\${AWS::Partition}:kms:${region}:\${AWS::AccountId}:alias/countersign-live`;
  const secrets = synthesise(PROD).home.ofType('AWS::SecretsManager::Secret');
  expect(secrets).toHaveLength(5);
  for (const { Properties, DeletionPolicy } of secrets) {
    expect(DeletionPolicy).toBe('Retain');
    expect(flat(Properties.KmsKeyId)).toBe(alias('eu-west-1'));
    expect(
      Properties.ReplicaRegions.map((each: Record<string, string>) => [each.Region, flat(each.KmsKeyId)]),
    ).toEqual([['eu-central-1', alias('eu-central-1')]]);
    expect(Properties.SecretString).toBe('{"keys":[]}');
  }
});

it('the encryption key rotates yearly, is retained with its stack, and has the name that other stacks use', () => {
  const { resources } = synthesise(PROD).part('base-eu-west-1');
  const [key, alias] = ['AWS::KMS::Key', 'AWS::KMS::Alias'].map(
    (type) => Object.values(resources).find(({ Type }) => Type === type)!,
  );
  expect(key!.Properties.EnableKeyRotation).toBe(true);
  expect(key!.DeletionPolicy).toBe('Retain');
  expect(alias!.Properties.AliasName).toBe('alias/countersign-live');
});

it('an imported key is used unchanged, and none is created', () => {
  const { stacks } = synthesise(IMPORTED);
  expect(Object.keys(stacks).filter((name) => name.includes('-base-'))).toEqual([
    'countersign-live-base-eu-central-1',
  ]);
  const [home] = replicas(IMPORTED, 'countersign-live-registry-1').filter(
    ({ Region }) => Region === 'eu-west-1',
  );
  expect(home.SSESpecification.KMSMasterKeyId).toBe(kms);
});

it('tags reach the replicas of global tables, which stack tags do not', () => {
  for (const replica of replicas(IMPORTED, 'countersign-live-registry-1'))
    expect(replica.Tags).toEqual([{ Key: 'team', Value: 'a' }]);
});
