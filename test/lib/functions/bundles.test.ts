import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { ENVIRONMENT } from '../../../lambda/contract/environment.ts';
import { BUNDLES, type BundleName } from '../../../lambda/contract/names.ts';
import defaultSchema from '../../../lambda/schema/default.json' with { type: 'json' };
import { buildBundles } from '../../../lib/functions/bundles.ts';

const outdir = mkdtempSync(join(tmpdir(), 'countersign-bundles-'));
afterAll(() => rmSync(outdir, { recursive: true }));

const bundles = buildBundles({ outdir, registrationSchema: defaultSchema });
const files = (directory: string) => readdirSync(directory).sort();

it('each function is one module; functions that need the registration schema have it in a second file', () => {
  for (const name of BUNDLES) {
    const schema = ['register', 'register-oauth', 'discovery'].includes(name)
      ? ['registration-schema.mjs']
      : [];
    const enrolment = name === 'oauth-register' ? ['enrolment.mjs'] : [];
    expect(files(bundles[name])).toEqual([...enrolment, 'index.mjs', ...schema]);
  }
});

it('the same sources give the same bytes', async () => {
  const again = mkdtempSync(join(outdir, 'again-'));
  // Build results are cached in memory: a fresh module builds again.
  vi.resetModules();
  const fresh = await import('../../../lib/functions/bundles.ts');
  expect(fresh.buildBundles).not.toBe(buildBundles);
  const second = fresh.buildBundles({ outdir: again, registrationSchema: defaultSchema });
  for (const name of BUNDLES)
    for (const file of files(bundles[name]))
      expect(readFileSync(join(second[name], file)).equals(readFileSync(join(bundles[name], file)))).toBe(
        true,
      );
});

it("an operator's schema changes the schema's module and no bundle", () => {
  const other = mkdtempSync(join(outdir, 'other-'));
  const registrationSchema = {
    type: 'object',
    required: ['user_id'],
    properties: { user_id: { type: 'string' } },
  };
  const changed = buildBundles({ outdir: other, registrationSchema });
  const differ = (name: BundleName, file: string) =>
    !readFileSync(join(changed[name], file)).equals(readFileSync(join(bundles[name], file)));
  expect(BUNDLES.filter((name) => differ(name, 'index.mjs'))).toEqual([]);
  expect(differ('register', 'registration-schema.mjs')).toBe(true);
});

it("bundles omit the SDK's search for credentials, and so each is small", () => {
  for (const name of BUNDLES) {
    const text = readFileSync(join(bundles[name], 'index.mjs'), 'utf8');
    expect(text).not.toMatch(/fromContainerMetadata|AWS_WEB_IDENTITY_TOKEN_FILE|sso_start_url/);
  }
});

it('bundles omit parts of node-vault that the functions never call: axios, tv4, mustache, debug', () => {
  for (const name of BUNDLES) {
    const text = readFileSync(join(bundles[name], 'index.mjs'), 'utf8');
    expect(text).not.toMatch(/axios\/|application\/vnd\.|not in schema|Unclosed section|process\.env\.DEBUG/);
  }
});

it('functions on the request path omit the AWS SDK, and the others have it', () => {
  const holds = (name: BundleName) =>
    /smithy|aws-sdk/i.test(readFileSync(join(bundles[name], 'index.mjs'), 'utf8'));
  expect(BUNDLES.filter(holds)).toEqual([
    'admin-read',
    'admin-write',
    'rotate',
    'keys-watch',
    'evacuation',
    'outbox',
    'find-stream',
    'deliver',
  ]);
});

/** The size of `index.mjs`, unpacked: a cold start reads all of it. */
const BUDGET: Record<BundleName, number> = {
  nonce: 80_000,
  register: 130_000,
  registration: 130_000,
  events: 130_000,
  keys: 160_000,
  discovery: 40_000,
  jwks: 80_000,
  'oauth-token': 130_000,
  'oauth-metadata': 40_000,
  'oauth-register': 145_000,
  'oauth-revocation': 130_000,
  'events-oauth': 135_000,
  'enrolment-sweep': 90_000,
  'register-oauth': 145_000,
  'registration-oauth': 145_000,
  health: 90_000,
  'admin-read': 360_000,
  'admin-write': 520_000,
  // These are not on the request path.
  rotate: 480_000,
  'keys-watch': 300_000,
  evacuation: 350_000,
  outbox: 420_000,
  'find-stream': 330_000,
  // An HTTP client of its own: undici checks addresses where the built-in one cannot.
  deliver: 1_100_000,
};
it.each(BUNDLES)('%s is within its budget', (name) => {
  expect(statSync(join(bundles[name], 'index.mjs')).size).toBeLessThan(BUDGET[name]);
});

it('bundles omit the table of all variables, which only lib needs', () => {
  const text = (name: BundleName) => readFileSync(join(bundles[name], 'index.mjs'), 'utf8');
  const own = 'COUNTERSIGN_ROTATION_PERIODS';
  expect(BUNDLES.filter((name) => text(name).includes(own))).toEqual(['keys-watch']);
});

it('without OAuth a function holds nothing of it', () => {
  const holds = (name: BundleName) =>
    /dpop|at\+jwt|private_key_jwt/.test(readFileSync(join(bundles[name], 'index.mjs'), 'utf8'));
  expect(BUNDLES.filter(holds)).toEqual(
    BUNDLES.filter((name) => /oauth/.test(name) && name !== 'events-oauth'),
  );
});

it('bundles omit transactions, which a strongly consistent table does not support', () => {
  for (const name of BUNDLES)
    expect(readFileSync(join(bundles[name], 'index.mjs'), 'utf8')).not.toMatch(/Transact(Write|Get)Items?"/);
});

const OAUTH = '{"tokenLifeMs":600000,"bodyBinding":false,"scopes":[],"resources":[]}';

it.each(BUNDLES)(
  'the handler of %s has two parameters, event and context: Lambda on Node 24 refuses a third',
  async (name) => {
    for (const variable of ENVIRONMENT[name]) process.env[variable] ??= '1';
    Object.assign(process.env, {
      POWERTOOLS_LOG_LEVEL: 'SILENT',
      AWS_REGION: 'eu-west-1',
      // What a function reads at its start is not there.
      AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
      COUNTERSIGN_REGIONS: '[]',
      COUNTERSIGN_OAUTH: OAUTH,
      COUNTERSIGN_ENROLMENT: '[]',
      COUNTERSIGN_INSTANCES: '{}',
      COUNTERSIGN_REGION_NAMES: '["eu-west-1"]',
      COUNTERSIGN_REGION: 'eu-west-1',
      COUNTERSIGN_PURPOSE: 'nonce',
      COUNTERSIGN_KEY_LAGS: '{}',
      COUNTERSIGN_VAULT: '{"address":"https://vault.example.com","auth":"aws"}',
      COUNTERSIGN_ROTATION_PERIODS: '{}',
    });
    const { handler } = await import(/* @vite-ignore */ join(bundles[name], 'index.mjs'));
    expect(handler.length).toBeLessThan(3);
  },
);

it('a bundle holds no trace of the machine that built it', () => {
  for (const name of BUNDLES) {
    const text = readFileSync(join(bundles[name], 'index.mjs'), 'utf8');
    expect(text).not.toContain(process.cwd());
    expect(text).not.toContain(outdir);
  }
});

it('a bundle needs no other file: it answers discovery with only the schema beside it', async () => {
  const alone = mkdtempSync(join(tmpdir(), 'countersign-alone-'));
  try {
    cpSync(bundles.discovery, alone, { recursive: true });
    Object.assign(process.env, {
      POWERTOOLS_LOG_LEVEL: 'SILENT',
      COUNTERSIGN_STAGE: 'test',
      COUNTERSIGN_REGION: 'eu-west-1',
      COUNTERSIGN_ERROR_DOCS_URL: 'https://docs.example.com',
      COUNTERSIGN_ISSUER: 'https://api.example.com',
      COUNTERSIGN_REGIONS: '[]',
      COUNTERSIGN_ENTRY_URL: 'https://api.example.com',
      COUNTERSIGN_NONCE_LIFE_MS: '300000',
    });
    const { handler } = await import(/* @vite-ignore */ join(alone, 'index.mjs'));
    const resource = '/.well-known/countersign';
    const answer = await handler({ resource, path: resource, httpMethod: 'GET', headers: {} });
    expect(answer.statusCode).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({
      issuer: 'https://api.example.com',
      registration_schema: defaultSchema,
    });
  } finally {
    rmSync(alone, { recursive: true });
  }
});
