import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, readConfig } from '../../lib/config/read.ts';
import { type ConfigInput, configSchema } from '../../lib/config/schema.ts';
import { CONFIG } from './synth.ts';

/** @returns the lines that the operator reads */
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

it('needs a stage and a Region, and fills in the rest', () => {
  const config = readConfig(CONFIG);
  expect(config.homeRegion).toBe('eu-west-1');
  expect(config.regions).toEqual([{ name: 'eu-west-1', ledgerGeneration: 1 }]);
  expect(config.nonceTtl.toMilliseconds()).toBe(300_000);
  expect(config.clockError.toMilliseconds()).toBe(2_000);
  expect(config.clientKeyLife.toDays()).toBe(90);
  expect(config.quota).toEqual({ signaturesPerMinute: 6000 });
  expect(config.registrationSchema).toMatchObject({ required: ['user_id'] });
});

it('says of every fault at once where it is, what is wrong and what would be right', () => {
  expect(
    faults({
      stage: { name: 'Dev', kind: 'test' },
      account: 123456789012,
      regions: [{ name: 'eu-west-1' }, { name: 'europe' }],
      nonceTtl: '5m',
      clockError: 'PT2H',
    }),
  ).toEqual([
    'stage.name: must be 1 to 16 of a-z, 0-9 and -, and begin with a letter, got "Dev"; for example name: "dev"',
    'stage.kind: must be "dev" or "prod", got "test"; for example kind: "dev"',
    'account: must be a string, since it may begin with 0, got 123456789012; for example account: "123456789012"',
    'regions[1].name: must be the name of an AWS Region, got "europe"; for example name: "eu-west-1"',
    'nonceTtl: must be an ISO 8601 duration in days, hours, minutes and seconds, got "5m"; for example nonceTtl: "PT5M"',
    'clockError: must be at most 1 minute, got "PT2H"; for example clockError: "PT2S"',
  ]);
});

it('names what is missing', () => {
  expect(faults({})).toEqual([
    'stage: is missing; for example stage: {"name":"dev","kind":"dev"}',
    'regions: is missing; for example regions: [{"name":"eu-west-1"}]',
  ]);
  expect(faults(undefined)).toEqual(['config: is missing']);
});

it('refuses a setting that it does not know, at any depth', () => {
  expect(faults({ ...CONFIG, noncettl: 'PT5M' })[0]).toMatch(
    /^noncettl: is unknown; the settings here are stage, /,
  );
  expect(faults({ ...CONFIG, regions: [{ name: 'eu-west-1', url: 'x' }] })).toEqual([
    'regions[0].url: is unknown; the settings here are name, baseUrl, ledgerGeneration',
  ]);
});

it('takes no Region whose name does not fit into a nonce', () => {
  expect(faults({ ...CONFIG, regions: [{ name: 'us-northwest-gov-1' }] })[0]).toMatch(
    /^regions\[0\]\.name: must have at most 15 characters/,
  );
});

it.each(['P', 'PT', 'P1M', 'P1Y', 'PT0S', 'P1.5D', '300', 'PT5M ', '-PT5M'])(
  'takes no duration like %j',
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
])('takes no base URL like %j', (baseUrl) => {
  expect(faults({ ...CONFIG, regions: [{ name: 'eu-west-1', baseUrl }] })[0]).toMatch(
    /^regions\[0\]\.baseUrl: must /,
  );
});

it('shows the sum where a rotation period is too short for the windows of its keys', () => {
  expect(faults({ ...CONFIG, keys: { rotationPeriod: { nonce: 'P2D' } } })).toEqual([
    expect.stringMatching(
      /^keys\.rotationPeriod\.nonce: 2 days is not longer than the key's windows, 2 days 3 hours: .*replicationLag/,
    ),
  ]);
  expect(faults({ ...CONFIG, clientKeyLife: 'P178D' })).toEqual([
    expect.stringMatching(/^keys\.rotationPeriod\["client-root"\]: .*clientKeyLife .*; for example "P181D"$/),
  ]);
});

it('names a home Region that serves nothing, and a Region that is named twice', () => {
  expect(faults({ ...CONFIG, homeRegion: 'us-east-1' })[0]).toBe(
    'homeRegion: must be one of the Regions: eu-west-1; for example homeRegion: "eu-west-1"',
  );
  expect(faults({ ...CONFIG, regions: [{ name: 'eu-west-1' }, { name: 'eu-west-1' }] })[0]).toMatch(
    /^regions\[1\]\.name: is named twice/,
  );
});

it('refuses what has its final form but no effect yet', () => {
  const refused = faults({
    ...CONFIG,
    stage: { name: 'live', kind: 'prod' },
    regions: [{ name: 'eu-west-1' }, { name: 'eu-central-1' }],
    domain: { entry: 'api.example.com', hostedZone: { id: 'Z0123456789', name: 'example.com' } },
    consistency: 'strong',
    vault: { address: 'https://vault.example.com:8200' },
  });
  expect(refused.map((line) => line.split(':')[0])).toEqual([
    'stage.kind',
    'regions',
    'domain',
    'consistency',
    'vault',
  ]);
});

it('reads a registration schema from a file, and says why one cannot be used', () => {
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

it('gives an example of every setting, which is itself accepted', () => {
  expect(settings(configSchema, 'config').flatMap(check)).toEqual([]);
  function check([path, schema]: [string, z.ZodType]): string[] {
    const { examples = [] } = (schema.meta() ?? {}) as { examples?: unknown[] };
    if (examples.length === 0) return [`${path} has no example`];
    return examples.every((example) => schema.safeParse(example).success) ? [] : [`${path}: wrong example`];
  }
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
