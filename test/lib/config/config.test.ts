import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { KEYSETS } from '../../../lambda/contract/purposes.ts';
import { discoveryHandler } from '../../../lambda/handlers/discovery.ts';
import { keyLags } from '../../../lib/config/key-lags.ts';
import { ConfigError, examplesOf, readConfig } from '../../../lib/config/read.ts';
import { MAX_SCHEMA_BYTES } from '../../../lib/config/registration-schema.ts';
import { type ConfigInput, configSchema } from '../../../lib/config/schema.ts';
import { LONGEST_NONCE_LIFE_MS } from '../../../protocol/nonce.ts';
import { exchange } from '../../../sdk/typescript/http.ts';
import { CONFIG, eventual, PROD } from '../synth.ts';

/** @returns the lines that the operator sees */
function faults(config: unknown): string[] {
  try {
    readConfig(config as ConfigInput);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const [first, ...lines] = error.message.split('\n');
    expect(first).toBe('The config cannot be used:');
    return lines.map((line) => line.trim());
  }
  throw new Error('the config was accepted');
}

it('needs a stage and a Region, and uses defaults for the rest', () => {
  const config = readConfig(CONFIG);
  expect(config.homeRegion).toBe('eu-west-1');
  expect(config.regions).toEqual([{ name: 'eu-west-1', ledgerGeneration: 1 }]);
  expect(config.nonceLife.toMilliseconds()).toBe(300_000);
  expect(config.clockError.toMilliseconds()).toBe(2_000);
  expect(config.clientKeyLife.toDays()).toBe(90);
  expect(config.quota).toEqual({ signaturesPerMinute: 6000 });
  expect(config.consistency).toBe('single');
  expect(config.logRetentionDays).toBe(7);
  expect(config.registrationSchema).toMatchObject({ required: ['user_id'] });
});

it('lists all faults at once: where each is, what is wrong and a right value', () => {
  expect(
    faults({
      stage: { name: 'Dev', kind: 'test' },
      account: 123456789012,
      regions: [{ name: 'eu-west-1' }, { name: 'europe' }],
      nonceLife: '5m',
      clockError: 'PT2H',
      vault: { address: 'http://vault.example.com', auth: 'token' },
    }),
  ).toEqual([
    'stage.name: must be 1 to 16 of a-z, 0-9 and -, and begin with a letter, got "Dev"; for example name: "dev"',
    'stage.kind: must be "dev" or "prod", got "test"; for example kind: "dev"',
    'account: must be a string, since it may begin with 0, got 123456789012; for example account: "123456789012"',
    'regions[1].name: must be the name of an AWS Region, got "europe"; for example name: "eu-west-1"',
    'nonceLife: must be an ISO 8601 duration in days, hours, minutes and seconds, got "5m"; for example nonceLife: "PT5M"',
    'clockError: must be at most 1 minute, got "PT2H"; for example clockError: "PT2S"',
    expect.stringMatching(/^vault\.address: must be an https URL .*; for example address: "https:/),
    'vault.auth: must be "aws" or "approle" or "jwt", got "token"; for example auth: "aws"',
  ]);
});

it('names the missing settings', () => {
  expect(faults({})).toEqual([
    'stage: is missing; for example stage: {"name":"dev","kind":"dev"}',
    'regions: is missing; for example regions: [{"name":"eu-west-1"}]',
    'vault: is missing; for example vault: {"address":"https://vault.example.com:8200"}',
  ]);
  expect(faults(undefined)).toEqual(['config: is missing']);
});

it('refuses an unknown setting, at any depth', () => {
  expect(faults({ ...CONFIG, noncettl: 'PT5M' })[0]).toMatch(
    /^noncettl: is unknown; the settings here are stage, /,
  );
  expect(faults({ ...CONFIG, regions: [{ name: 'eu-west-1', url: 'x' }] })).toEqual([
    'regions[0].url: is unknown; the settings here are name, baseUrl, ledgerGeneration, kmsKeyArn, previousKmsKeyArn, certificateArn, alarmTopicArn, vaultNetwork',
  ]);
});

/** @returns the path of each group of settings */
function groups(schema: unknown, path: readonly string[] = []): string[][] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return groups(schema.unwrap(), path);
  if (!(schema instanceof z.ZodObject)) return [];
  const inner = Object.entries(schema.shape).flatMap(([key, each]) => groups(each, [...path, key]));
  return path.length === 0 ? inner : [[...path], ...inner];
}

it.each(groups(configSchema).map((path) => path.join('.')))('names an unknown setting in %s', (name) => {
  const path = name.split('.');
  const nested = path.reduceRight<object>((value, key) => ({ [key]: value }), { mistyped: 1 });
  expect(faults({ ...CONFIG, ...nested })).toContainEqual(
    expect.stringMatching(
      new RegExp(`^${path.join('\\.')}\\.mistyped: is unknown; the settings here are \\w`),
    ),
  );
});

it('refuses a Region whose name does not fit into a nonce', () => {
  expect(faults({ ...CONFIG, regions: [{ name: 'us-northwest-gov-1' }] })[0]).toMatch(
    /^regions\[0\]\.name: must have at most 15 characters/,
  );
});

it('refuses more Regions than an alarm and a policy take', () => {
  const regions = Array.from({ length: 11 }, (_, i) => ({ name: `eu-west-${i + 1}` }));
  const of = (some: typeof regions) =>
    faults({ ...PROD, consistency: 'eventual', witnessRegion: undefined, regions: some });
  const many = 'regions: must name at most ten Regions';
  expect(of(regions)).toContainEqual(expect.stringContaining(many));
  expect(of(regions.slice(1))).not.toContainEqual(expect.stringContaining(many));
});

it.each(['P', 'PT', 'P1M', 'P1Y', 'PT0S', 'P1.5D', '300', 'PT5M ', '-PT5M'])(
  'refuses a duration like %j',
  (text) => {
    expect(faults({ ...CONFIG, clientKeyLife: text })[0]).toMatch(/^clientKeyLife: must be /);
  },
);

it.each([
  'https://api.example.com/',
  'https://api.example.com/v1',
  'http://api.example.com',
  'https://api.example.com?x=1',
  'https://user@api.example.com',
  'api.example.com',
])('refuses a base URL like %j', (baseUrl) => {
  expect(faults({ ...CONFIG, regions: [{ name: 'eu-west-1', baseUrl }] })[0]).toMatch(
    /^regions\[0\]\.baseUrl: must /,
  );
});

describe('OAuth', () => {
  const of = (oauth: object, more: object = {}) => faults({ ...PROD, ...more, oauth } as never);
  it('needs a domain, and says why', () => {
    expect(faults({ ...CONFIG, oauth: {} })).toEqual([
      expect.stringMatching(/^oauth: needs a domain: standard clients ask for \/\.well-known\//),
    ]);
    expect(readConfig({ ...PROD, oauth: {} }).oauth?.tokenLife.toSeconds()).toBe(600);
  });
  it('has the entry as its issuer', () => {
    const issuer = 'https://api.example.com';
    expect(readConfig({ ...PROD, oauth: {}, issuer }).issuer).toBe(issuer);
    expect(of({}, { issuer: 'https://id.example.com' })).toEqual([
      expect.stringMatching(/^issuer: must be left out with oauth, or be https:\/\/api\.example\.com: /),
    ]);
  });
  it.each<[string, object, RegExp]>([
    [
      'a token that lives longer than an hour',
      { tokenLife: 'PT61M' },
      /^oauth\.tokenLife: must be 1 minute to 1 hour/,
    ],
    ['what is no scope', { scopes: ['orders read'] }, /^oauth\.scopes\[0\]: must be 1 to 64 printable/],
    [
      'a scope of the platform',
      { scopes: ['tokens:introspect'] },
      /^oauth\.scopes\[0\]: is one of the platform's own/,
    ],
    ['a scope twice', { scopes: ['a', 'a'] }, /^oauth\.scopes\[1\]: is named twice/],
    [
      'the platform as a resource',
      { resources: [{ url: 'https://api.example.com' }] },
      /^oauth\.resources\[0\]\.url: is the platform itself/,
    ],
    [
      'what is no client',
      { resources: [{ url: 'https://o.example.com', client: '@' }] },
      /^oauth\.resources\[0\]\.client: must be the name/,
    ],
  ])('refuses %s', (_, oauth, fault) => {
    expect(of(oauth)).toEqual([expect.stringMatching(fault)]);
  });
});

it('shows the sum if a rotation period is too short for the windows of its keys', () => {
  expect(faults({ ...CONFIG, keys: { rotationPeriod: { nonce: 'P2D' } } })).toEqual([
    expect.stringMatching(
      /^keys\.rotationPeriod\.nonce: 2 days is not longer than the key's windows, 2 days 4 hours: .*replicationLag \+ keysetMaxAge \+ 1 hour 1 minute \+ clockError/,
    ),
  ]);
  expect(faults({ ...CONFIG, clientKeyLife: 'P178D' })).toEqual([
    expect.stringMatching(/^keys\.rotationPeriod\["client-root"\]: .*clientKeyLife .*; for example "P181D"$/),
  ]);
});

it('a nonce key covers its longest use: a nonce that outlives a token by a minute, and any nonce of a proof', () => {
  expect(KEYSETS.nonce.life).toBe(KEYSETS.token.life + 60_000);
  const longest = readConfig({ ...CONFIG, nonceLife: 'PT1H' }).nonceLife.toMilliseconds();
  expect(longest).toBe(LONGEST_NONCE_LIFE_MS);
  expect(longest).toBeLessThan(KEYSETS.nonce.life);
  expect(faults({ ...CONFIG, nonceLife: 'PT1H1S' })[0]).toMatch(/^nonceLife: must be 10 seconds to 1 hour/);
});

it('a function verifies and signs from one copy of a keyset, so one setting limits both ages', () => {
  const config = readConfig({ ...CONFIG, keys: { keysetMaxAge: 'PT6H' } });
  const sixHours = 6 * 3600 * 1000;
  expect(keyLags(config, 'nonce')).toMatchObject({ verifierAgeMs: sixHours, signerAgeMs: sixHours });
});

it("accepts rotation periods that a schedule can express and that do not use up a secret's versions", () => {
  const lags = { replicationLag: 'PT1M', keysetMaxAge: 'PT1M', rotationTime: 'PT1M' };
  const period = (nonce: string) => () =>
    faults({ ...CONFIG, nonceLife: 'PT1M', keys: { ...lags, rotationPeriod: { nonce } } });
  expect(period('PT4H')).toThrow('the config was accepted');
  for (const [text, message] of [
    ['PT4H30M', 'must be whole hours'],
    ['PT3H', 'must be 4 hours or more'],
    ['P1000D', 'must be 999 days at most'],
  ] as const)
    expect(period(text)()).toEqual([expect.stringContaining(`keys.rotationPeriod.nonce: ${message}`)]);
});

it('accepts the Region of an STS endpoint only for a login by IAM', () => {
  const vault = { address: 'https://vault.example.com:8200', stsRegion: 'eu-west-1' };
  expect(() => faults({ ...CONFIG, vault })).toThrow('the config was accepted');
  expect(faults({ ...CONFIG, vault: { ...vault, auth: 'jwt' as const } })).toEqual([
    'vault.stsRegion: needs vault.auth: "aws", and not "jwt"',
  ]);
  expect(faults({ ...CONFIG, vault: { ...vault, stsRegion: 'sts.amazonaws.com' } })[0]).toMatch(
    /^vault\.stsRegion: must be the name of an AWS Region/,
  );
});

it('a Vault in a VPC needs a VPC in each Region, and a matching certificate authority', () => {
  const network = {
    vpcId: 'vpc-0a1b2c3d',
    subnetIds: ['subnet-0a1b2c3d'],
    securityGroupIds: ['sg-0a1b2c3d'],
  };
  const vault = { address: 'https://vault.example.com:8200', network };
  expect(faults({ ...PROD, vault })).toEqual([
    expect.stringMatching(
      /^regions\[1\]\.vaultNetwork: is missing: the VPC of vault\.network lies in the home/,
    ),
  ]);
  const [home, other] = PROD.regions;
  const regions = [home!, { ...other!, vaultNetwork: network }];
  expect(() => faults({ ...PROD, regions, vault })).toThrow('the config was accepted');
  expect(() => faults({ ...CONFIG, vault })).toThrow('the config was accepted');
  const wrong = { ...network, subnetIds: [] };
  expect(faults({ ...CONFIG, vault: { ...vault, network: wrong } })[0]).toMatch(
    /^vault\.network\.subnetIds: must name at least one/,
  );
  const caPem = `-----BEGIN CERTIFICATE-----\n${'A'.repeat(3000)}`;
  expect(faults({ ...CONFIG, vault: { ...vault, caPem } })[0]).toMatch(
    /^vault\.caPem: must have at most 3000/,
  );
});

it('refuses a home Region that does not serve, and a Region that is listed twice', () => {
  expect(faults({ ...PROD, keys: { managedBy: 'us-east-1' } })).toEqual([
    'keys.managedBy: must be one of the Regions: eu-west-1, eu-central-1',
  ]);
  expect(faults({ ...CONFIG, keys: { managedBy: 'eu-west-1' } })).toEqual([
    'keys.managedBy: has no meaning with stage.kind: "dev", which has one Region: leave it out',
  ]);
  expect(faults({ ...CONFIG, homeRegion: 'us-east-1' })[0]).toBe(
    'homeRegion: must be one of the Regions: eu-west-1; for example homeRegion: "eu-west-1"',
  );
  expect(faults({ ...CONFIG, regions: [{ name: 'eu-west-1' }, { name: 'eu-west-1' }] })[0]).toMatch(
    /^regions\[1\]\.name: is named twice/,
  );
});

it('refuses AWS partitions without tests', () => {
  const gov = { ...PROD, regions: [{ name: 'us-gov-west-1' }], witnessRegion: undefined };
  expect(faults(gov)).toEqual([expect.stringMatching(/^regions\[0\]\.name: lies outside the aws partition/)]);
});

it('a stage of kind dev has one Region, and nothing that costs money or outlives it', () => {
  const kmsKeyArn = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
  const paths = faults({
    ...CONFIG,
    regions: [{ name: 'eu-west-1', kmsKeyArn }, { name: 'eu-central-1' }],
    domain: PROD.domain,
  }).map((line) => line.split(':')[0]);
  expect(paths).toEqual(['regions', 'domain', 'regions[0].kmsKeyArn']);
});

const regions = (...names: string[]) => ({ regions: names.map((name) => ({ name })) });
it.each([
  ['eu-west-1', undefined, 'single'],
  ['eu-west-1 eu-central-1', undefined, 'eventual'],
  ['eu-west-1 eu-central-1', 'eu-west-2', 'strong'],
  ['eu-west-1 eu-central-1 eu-west-3', undefined, 'strong'],
  ['us-east-1 us-east-2 us-west-2', undefined, 'strong'],
  ['ap-northeast-1 ap-northeast-2 ap-northeast-3', undefined, 'strong'],
  ['eu-west-1 us-east-1 ap-northeast-1', undefined, 'eventual'],
  ['eu-west-1 eu-west-2 eu-west-3 eu-central-1', undefined, 'eventual'],
])('Regions %s with witness %s are %s by default', (names, witnessRegion, consistency) => {
  const config = {
    ...eventual(PROD),
    ...regions(...names.split(' ')),
    ...(witnessRegion && { witnessRegion }),
  };
  expect(readConfig(config as ConfigInput).consistency).toBe(consistency);
});

it('strong needs exactly three Regions of one set, and the message lists the sets', () => {
  expect(faults({ ...eventual(PROD), consistency: 'strong' })).toEqual([
    'consistency: strong tables take exactly three Regions of one set, three that serve or two and a witnessRegion, got ' +
      '2 (eu-west-1, eu-central-1); the sets are US (us-east-1, us-east-2, us-west-2), EU (eu-west-1, eu-west-2, eu-west-3, ' +
      'eu-central-1), AP (ap-northeast-1, ap-northeast-2, ap-northeast-3)',
  ]);
  expect(faults({ ...PROD, witnessRegion: 'us-east-1' })[0]).toMatch(
    /^witnessRegion: strong tables take .* got 2 \+ 1 \(eu-west-1, eu-central-1, us-east-1 as witness\)/,
  );
  expect(faults({ ...PROD, ...regions('eu-west-1', 'eu-west-2', 'eu-central-1') })[0]).toMatch(/got 3 \+ 1/);
  expect(faults({ ...PROD, witnessRegion: 'eu-west-1' })[0]).toMatch(
    /^witnessRegion: must be a Region that does not serve/,
  );
  expect(faults({ ...PROD, consistency: 'eventual' })[0]).toMatch(/^witnessRegion: has no meaning/);
  expect(faults({ ...CONFIG, consistency: 'strong' })[0]).toMatch(
    /^consistency: has no meaning with one Region/,
  );
  expect(faults({ ...CONFIG, witnessRegion: 'eu-west-3' })[0]).toMatch(
    /^witnessRegion: has no meaning with one Region/,
  );
});

it('tables of another generation need another number, the home Region, and a mode that their Regions allow', () => {
  const other = (settings: object, config: ConfigInput = PROD) =>
    faults({ ...config, tables: { other: { generation: 2, ...settings } } });
  expect(other({ generation: 1 })).toEqual([
    'tables.other.generation: is 1, which tables.generation is as well',
  ]);
  expect(other({ generation: 0 })[0]).toMatch(/^tables\.other\.generation: must be 1 or more/);
  expect(other({ regions: ['eu-west-2'] })).toEqual([
    'tables.other.regions: lacks the home Region, eu-west-1, whose stack makes the tables',
  ]);
  expect(other({ regions: ['eu-west-1', 'eu-west-1'] })).toContain(
    'tables.other.regions: eu-west-1 is named twice',
  );
  expect(other({ regions: ['eu-west-1', 'us-east-1'], consistency: 'strong' })[0]).toMatch(
    /^tables\.other\.consistency: strong tables take exactly three Regions of one set/,
  );
  expect(other({ regions: ['eu-west-1', 'eu-west-2'] }, CONFIG)).toEqual([
    'tables.other.regions: more than one needs stage.kind: "prod"',
  ]);
  readConfig({ ...CONFIG, tables: { other: { generation: 2 } } });
});

it('host names lie in the zone, and come either from the domain or from the config', () => {
  const zone = { id: 'Z0123456789ABCDEFGHIJ', name: 'example.org' };
  expect(faults({ ...PROD, domain: { entry: 'api.example.com', hostedZone: zone } })[0]).toMatch(
    /^domain\.entry: must lie in the hosted zone: example\.org, or a name that ends in \.example\.org; for example/,
  );
  expect(faults({ ...PROD, domain: undefined })).toEqual([
    expect.stringMatching(/^regions\[0\]\.baseUrl: is missing: without a domain/),
    expect.stringMatching(/^regions\[1\]\.baseUrl: is missing: without a domain/),
  ]);
  const [eu, central] = PROD.regions;
  expect(faults({ ...PROD, regions: [{ ...eu, baseUrl: 'https://eu.example.com' }, central] })).toEqual([
    'regions[0].baseUrl: must be left out where there is a domain: the Region is reached at https://eu-west-1.api.example.com',
  ]);
  expect(faults({ ...PROD, domain: { entry: 'api.example.com' } })[1]).toMatch(
    /^regions\[1\]\.certificateArn: is missing: .* bring one for api\.example\.com and eu-central-1\.api\.example\.com/,
  );
});

it('an imported resource must lie in the Region that uses it', () => {
  const kmsKeyArn = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
  const alarmTopicArn = 'arn:aws:sns:eu-west-1:123456789012:alarms';
  expect(
    faults({
      ...PROD,
      regions: [
        { name: 'eu-west-1', kmsKeyArn },
        { name: 'eu-central-1', alarmTopicArn },
      ],
      watchAlarmTopicArn: alarmTopicArn,
    }),
  ).toEqual([
    'regions[0].kmsKeyArn: must lie in eu-west-1, got one in us-east-1',
    'regions[1].alarmTopicArn: must lie in eu-central-1, got one in eu-west-1',
    'watchAlarmTopicArn: must lie in us-east-1, got one in eu-west-1',
  ]);
  expect(
    faults({
      ...PROD,
      regions: [{ name: 'eu-west-1', kmsKeyArn: 'alias/mine' }, { name: 'eu-central-1' }],
    })[0],
  ).toMatch(/^regions\[0\]\.kmsKeyArn: must be an ARN like arn:aws:kms:eu-west-1:123456789012:key\//);
});

it('the firewall lets one client sign up to its quota', () => {
  expect(faults({ ...PROD, quota: { signaturesPerMinute: 20_000 } })).toEqual([
    'waf.requestsPerIp: 60000 in 5 minutes is less than one client may sign in that time: 5 × quota.signaturesPerMinute = 100000',
  ]);
  expect(readConfig({ ...CONFIG, quota: { signaturesPerMinute: 20_000 } }).waf.requestsPerIp).toBe(60_000);
});

it('log retention must be a period that CloudWatch offers', () => {
  expect(faults({ ...CONFIG, logRetentionDays: 10 })[0]).toMatch(
    /^logRetentionDays: must be one of 1, 3, 5, 7, .*, got 10; for example/,
  );
});

it('reads a registration schema from a file, and says why a bad one is refused', () => {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-schema-'));
  try {
    const path = join(directory, 'schema.json');
    const schema = { type: 'object', required: ['user_id'], properties: { user_id: { type: 'string' } } };
    writeFileSync(path, JSON.stringify(schema));
    expect(readConfig({ ...CONFIG, registrationSchema: path }).registrationSchema).toEqual(schema);
    expect(readConfig({ ...CONFIG, registrationSchema: schema }).registrationSchema).toEqual(schema);
    expect(faults({ ...CONFIG, registrationSchema: `${path}.gone` })[0]).toMatch(
      /^registrationSchema: cannot be used: ENOENT/,
    );
    expect(faults({ ...CONFIG, registrationSchema: { type: 'object' } })[0]).toMatch(
      /^registrationSchema: cannot be used: .*user_id/,
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it('a registration schema is at most as large as clients accept within discovery', async () => {
  const schema = (bytes: number) => {
    const about = (description: string) => ({
      type: 'object',
      required: ['user_id'],
      properties: { user_id: { type: 'string', description } },
    });
    return about('é'.repeat(100) + 'x'.repeat(bytes - 200 - JSON.stringify(about('')).length));
  };
  const largest = schema(MAX_SCHEMA_BYTES);
  expect(readConfig({ ...CONFIG, registrationSchema: largest }).registrationSchema).toEqual(largest);
  expect(faults({ ...CONFIG, registrationSchema: schema(MAX_SCHEMA_BYTES + 1) })).toEqual([
    expect.stringMatching(
      /^registrationSchema: cannot be used: it has 1000001 bytes as JSON, and clients read/,
    ),
  ]);
  // With the rest of the document, and more Regions than exist, the SDK still reads it.
  const url = 'https://countersign-production.eu-west-1.example-company.example.com';
  const handler = discoveryHandler({
    http: { region: 'eu-west-1', errorDocsUrl: url, nowMs: () => 0, log: () => {} },
    issuer: url,
    entryUrl: url,
    regions: Array(100).fill({ name: 'ap-northeast-1', url }),
    nonceLifeMs: 1,
    schema: largest,
  });
  const resource = '/.well-known/countersign';
  const event = { resource, path: resource, httpMethod: 'GET' } as APIGatewayProxyEvent;
  const { body } = await handler(event);
  const { json } = await exchange(
    { method: 'GET', url },
    {
      fetch: async () => new Response(body),
      timeoutMs: 10_000,
      signals: [],
    },
  );
  expect(json).toMatchObject({ registration_schema: largest });
});

it('each setting has an example, and the example is valid', () => {
  expect(settings(configSchema, 'config').flatMap(check)).toEqual([]);
  function check([path, schema]: [string, z.ZodType]): string[] {
    const examples = examplesOf(schema);
    if (examples.length === 0) return [`${path} has no example`];
    return examples.every((example) => schema.safeParse(example).success) ? [] : [`${path}: wrong example`];
  }
});

it('docs/deploy-config.md has every setting with its default, and no other', () => {
  const text = readFileSync(new URL('../../../docs/deploy-config.md', import.meta.url), 'utf8');
  const rows = new Map(
    [...text.matchAll(/^\| `([^`]+)` \|(?:[^|]*\|){4}$/gm)].map(([row, path]) => [path!, row]),
  );
  const documented = settings(configSchema, '').map(([path, schema]) => [path.slice(1), schema] as const);
  expect([...rows.keys()].sort()).toEqual(documented.map(([path]) => path).sort());
  for (const [path, schema] of documented) {
    const { def } = schema as unknown as { def: { defaultValue?: unknown } };
    if (def.defaultValue === undefined || JSON.stringify(def.defaultValue) === '{}') continue;
    const value = typeof def.defaultValue === 'string' ? def.defaultValue : JSON.stringify(def.defaultValue);
    expect(rows.get(path)).toContain(`| \`${value}\` |`);
  }
});

it('docs/deploy-config.md marks the settings that accept a CDK object', () => {
  const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
  const types = read('lib/config/input.ts').matchAll(/^ {2}readonly (\w+)\??: .*\bI[A-Z]\w+\b/gm);
  const named = /these settings also take([^.]+)\./.exec(read('docs/deploy-config.md'))![1]!;
  const settings = [...named.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  expect(settings.sort()).toEqual([...types].map(([, name]) => name).sort());
});

function settings(schema: z.ZodType, path: string): [string, z.ZodType][] {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault)
    inner = inner.unwrap() as z.ZodType;
  if (inner instanceof z.ZodArray) inner = inner.element as z.ZodType;
  const members =
    inner instanceof z.ZodObject ? Object.entries(inner.shape as Record<string, z.ZodType>) : [];
  return members.flatMap(([name, member]) => [
    [`${path}.${name}`, member],
    ...settings(member, `${path}.${name}`),
  ]);
}
