import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { App } from 'aws-cdk-lib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LOCK_CONTEXT, LOCK_FILE } from '../../lib/config/lock.ts';
import { RegistrationPlatform } from '../../lib/platform.ts';
import { startPlatform } from '../../local/platform.ts';
import { DIRECTORY, installOnce } from '../../local/real/install.ts';
import { production, readDocument } from '../../scripts/reference.ts';
import { installPackages, type Project } from './installed.ts';

/** The longest time that a test waits for two apps. */
const SYNTH_MS = 300_000;
const CONFIG = production('prod');
/** As `cdk synth -c countersign:lock=write` does. */
const LOCK = { [LOCK_CONTEXT]: 'write' };
const APP = `
  import { App } from 'aws-cdk-lib';
  import { RegistrationPlatform, type RegistrationPlatformProps } from 'countersign';

  const props: RegistrationPlatformProps = ${JSON.stringify(CONFIG)};
  const { regions } = new RegistrationPlatform(new App({ analyticsReporting: false }), 'Countersign', props);
  if (regions[0]!.region !== 'eu-west-1') throw new Error(regions[0]!.region);
`;
const CLIENT = `
  import { CountersignClient } from '@countersign/sdk';

  await using client = new CountersignClient({ url: process.env.URL!, apiKey: process.env.API_KEY! });
  const { user_id } = await client.register({ user_id: 'installed' });
  console.log(user_id);
`;

let project: Project;
beforeAll(() => {
  project = installPackages();
  project.write('app.ts', APP);
  project.write('client.ts', CLIENT);
});
afterAll(() => project?.remove());

/** Each template, and each file of each asset, by its path. */
function assembly(outdir: string): Record<string, string> {
  const paths = readdirSync(outdir, { recursive: true, withFileTypes: true, encoding: 'utf8' });
  const files = paths.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const wanted = files
    .map((path) => path.slice(outdir.length + 1))
    .filter((path) => /^asset\.|template\.json$/.test(path));
  return Object.fromEntries(wanted.sort().map((path) => [path, readFileSync(join(outdir, path), 'utf8')]));
}

it(
  'an empty CDK app that installs the tarball synthesises what the sources do, byte for byte',
  async () => {
    const installed = join(project.directory, 'cdk.out');
    const outdir = mkdtempSync(join(tmpdir(), 'countersign-sources-'));
    try {
      // As the CDK CLI runs an app.
      const env = { CDK_OUTDIR: installed, CDK_CONTEXT_JSON: JSON.stringify(LOCK) };
      await project.run(['app.ts'], { env });
      const app = new App({ outdir, analyticsReporting: false, context: LOCK });
      new RegistrationPlatform(app, 'Countersign', { ...CONFIG, lockFile: join(outdir, LOCK_FILE) });
      app.synth();
      const sources = assembly(outdir);
      expect(Object.keys(sources).length).toBeGreaterThan(2);
      expect(assembly(installed)).toEqual(sources);
    } finally {
      rmSync(outdir, { recursive: true });
    }
  },
  SYNTH_MS,
);

it('the apps that docs/deploy.md and the README of the package show are apps', async () => {
  const [, deploy] = readDocument('deploy.md').match(/<!-- synthesised[^>]*-->\n```ts\n(.*?)```/s) ?? [];
  const [, readme] =
    project.read('node_modules/countersign/README.md').match(/```ts [^\n]*\n(.*?)```/s) ?? [];
  for (const [name, app] of Object.entries({ deploy, readme })) {
    project.write(`${name}.ts`, app!);
    await project.run([`${name}.ts`], { env: { CDK_OUTDIR: join(project.directory, name) } });
    expect(readdirSync(join(project.directory, name))).toContain('countersign-dev-home.template.json');
  }
  // Blank lines aside, it fits into fifteen.
  expect(readme!.split('\n').filter(Boolean).length).toBeLessThanOrEqual(15);
  expect(project.read('node_modules/countersign/docs/constructs.md')).toBe(readDocument('constructs.md'));
});

it('each page that the command names is in the package, and so is each page and file that these link to', () => {
  const directory = join(project.directory, 'node_modules/countersign');
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const named = files
    .filter((name) => /^(cli|lib|lambda|protocol)\/.*\.js$/.test(name))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').match(/\bdocs\/[\w/-]+\.md/g) ?? []);
  expect(new Set(named).size).toBeGreaterThan(5);
  expect([...new Set(named)].filter((page) => !files.includes(page))).toEqual([]);
  const links = files
    .filter((name) => name.endsWith('.md'))
    .flatMap((page) =>
      [...readFileSync(join(directory, page), 'utf8').matchAll(/\]\(([^)#\s]+)/g)]
        .map(([, target]) => target!)
        .filter((target) => !/^https?:/.test(target))
        .map((target) => ({ page, target, to: join(dirname(page), target) })),
    );
  expect(links.length).toBeGreaterThan(100);
  expect(links.filter(({ to }) => !existsSync(join(directory, to)))).toEqual([]);
});

it('the command offers no drill, which needs the local platform of the project', async () => {
  const help = await project.run(['node_modules/countersign/bin/countersign.js', '--help']);
  expect(help).toMatch(/^ {2}evacuate /m);
  expect(help).not.toMatch(/^ {2}drill /m);
});

it('holds JavaScript and declarations, and no TypeScript that Node would have to strip', () => {
  for (const name of ['countersign', '@countersign/sdk']) {
    const files = readdirSync(join(project.directory, 'node_modules', name), {
      recursive: true,
      encoding: 'utf8',
    });
    expect(files.filter((path) => /\.ts$/.test(path) && !path.endsWith('.d.ts'))).toEqual([]);
    expect(files.some((path) => path.endsWith('.d.ts'))).toBe(true);
  }
});

it('takes the CDK from the app, so that there is one, and everything else along', () => {
  const manifest = JSON.parse(project.read('node_modules/countersign/package.json'));
  expect(Object.keys(manifest.peerDependencies)).toEqual(['aws-cdk-lib', 'constructs']);
  expect(manifest.dependencies).toMatchObject({
    '@countersign/sdk': manifest.version,
    esbuild: expect.any(String),
  });
  expect(manifest.private).toBeUndefined();
});

it('the installed SDK receives callbacks, and loads the AWS SDK only for a store in DynamoDB', async () => {
  project.write(
    'webhooks.ts',
    `
    import { createWebhookHandler, memoryStore, signWebhook } from '@countersign/sdk/webhooks';

    const keys = 'whsec_' + btoa('a secret of at least 24 bytes');
    const store = memoryStore();
    const webhooks = createWebhookHandler({ keys, store, on: { 'client.disabled': ({ data }) => console.log(data.client_id) } });
    const event = { id: 'evt_1', type: 'client.disabled', timestamp: new Date().toISOString(), data: { client_id: 'dev', version: '1' } } as const;
    const { status } = await webhooks.fetch(new Request('https://example.com', await signWebhook(event, keys)));
    console.log(status);
    `,
  );
  const hook = `
    import { registerHooks } from 'node:module';
    const resolve = (name, context, next) => {
      if (name.startsWith('@aws-sdk/')) throw new Error('loads ' + name);
      return next(name, context);
    };
    registerHooks({ resolve });`;
  project.write('without-aws.mjs', hook);
  expect(await project.run(['--import', './without-aws.mjs', 'webhooks.ts'])).toBe('dev\n204\n');
  const dynamodb = ['--input-type=module', '--eval', "await import('@countersign/sdk/webhooks/dynamodb')"];
  await expect(project.run(['--import', './without-aws.mjs', ...dynamodb])).rejects.toThrow(
    'loads @aws-sdk/',
  );
  await project.run(dynamodb);
  const manifest = JSON.parse(project.read('node_modules/@countersign/sdk/package.json'));
  expect(manifest.peerDependenciesMeta).toEqual({
    '@aws-sdk/client-dynamodb': { optional: true },
    '@aws-sdk/client-sts': { optional: true },
    '@opentelemetry/api': { optional: true },
    ajv: { optional: true },
    'ajv-formats': { optional: true },
  });
  expect(Object.keys(manifest.dependencies).sort()).toEqual(['jose', 'undici']);
});

it.each([
  ['publint', 'publint@0.3.25', ['--strict'], 'All good!'],
  // CommonJS reaches it by `import()`, and by `require` in each Node that is supported.
  [
    'attw',
    '@arethetypeswrong/cli@0.18.5',
    ['--pack', '--profile', 'esm-only', '--no-emoji'],
    'node16 (from ESM): OK (ESM)',
  ],
])('%s finds nothing wrong with the SDK', async (name, spec, args, message) => {
  const prefix = join(DIRECTORY, name);
  await installOnce(spec.replace('/', '-'), async () => {
    const options = ['--prefix', prefix, '--no-audit', '--no-fund', '--no-save'];
    await promisify(execFile)('npm', ['install', ...options, spec]);
  });
  const command = join(prefix, 'node_modules/.bin', name);
  const directory = join(project.directory, 'node_modules/@countersign/sdk');
  expect(await project.run([...args, directory], { command })).toContain(message);
});

it('types what it exports: right code compiles, and a wrong setting and a wrong use do not', async () => {
  project.write(
    'wrong.ts',
    `
    import { CountersignClient } from '@countersign/sdk';
    import type { RegistrationPlatformProps } from 'countersign';

    // @ts-expect-error a stage has a kind
    export const props: RegistrationPlatformProps = { stage: { name: 'dev' }, regions: [{ name: 'eu-west-1' }], vault: { address: 'https://v' } };
    const client = new CountersignClient({ url: 'https://api.example.com', apiKey: 'csk_a_1_b_c' });
    // @ts-expect-error an id is a string
    export const id: number = (await client.register({ user_id: 'a' })).id;
    `,
  );
  const types = fileURLToPath(new URL('../../node_modules/@types', import.meta.url));
  const tsc = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url));
  const options = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--skipLibCheck'];
  const environment = ['--lib', 'es2024,esnext.disposable,dom', '--types', 'node', '--typeRoots', types];
  await project.run(
    [...options, ...environment, 'app.ts', 'readme.ts', 'client.ts', 'webhooks.ts', 'wrong.ts'],
    {
      command: tsc,
    },
  );
});

it('the installed SDK registers a user, and the installed command lists the clients', async () => {
  const platform = await startPlatform({ port: 0 });
  try {
    const { url } = platform.info.regions[0]!;
    const { api_key: API_KEY } = platform.info.clients[0]!;
    expect(await project.run(['client.ts'], { env: { URL: url, API_KEY } })).toBe('installed\n');

    mkdirSync(join(project.directory, '.countersign'));
    project.write('.countersign/local.json', JSON.stringify(platform.info));
    const command = 'node_modules/countersign/bin/countersign.js';
    expect(await project.run([command, 'clients', 'list'])).toMatch(/^dev +operator +strict +enabled/m);
  } finally {
    await platform.stop();
  }
});

it('the installed command brings the policies that it writes into Vault, and those that it names', async () => {
  const command = 'node_modules/countersign/bin/countersign.js';
  const args = [command, 'vault', 'setup', '--stage', 'dev', '--auth', 'approle', '--dry-run'];
  const out = await project.run(args, { env: { VAULT_ADDR: 'https://vault.example.com' } });
  expect(out).toContain('path "transit/keys/countersign-dev-nonce/trim" {');
  for (const name of ['setup.hcl', 'upkeep.hcl'])
    expect(project.read(`node_modules/countersign/cli/vault/${name}`)).toBe(
      readFileSync(new URL(`../../cli/vault/${name}`, import.meta.url), 'utf8'),
    );
});

/** The oldest Node that they claim to support: npm's `node` package holds the binary. */
const OLDEST = JSON.parse(
  readFileSync(new URL('../../sdk/typescript/package.json', import.meta.url), 'utf8'),
).engines.node.slice('>='.length);

it('the packages run on the oldest Node that they name', async () => {
  const prefix = join(DIRECTORY, `node-${OLDEST}`);
  await installOnce(`node ${OLDEST}`, async () => {
    const options = ['--prefix', prefix, '--no-audit', '--no-fund', '--no-save'];
    await promisify(execFile)('npm', ['install', ...options, `node@${OLDEST}.0`]);
  });
  const command = join(prefix, 'node_modules/node/bin/node');
  expect(await project.run(['--version'], { command })).toBe(`v${OLDEST}.0\n`);
  const platform = await startPlatform({ port: 0 });
  try {
    project.write(
      'oldest.js',
      `import { CountersignClient } from '@countersign/sdk';
       const client = new CountersignClient({ url: process.env.URL, apiKey: process.env.API_KEY });
       console.log((await client.register({ user_id: 'oldest' })).user_id);
       await client.close();`,
    );
    const env = { URL: platform.info.entry, API_KEY: platform.info.clients[0]!.api_key };
    expect(await project.run(['oldest.js'], { command, env })).toBe('oldest\n');
    const cli = 'node_modules/countersign/bin/countersign.js';
    expect(await project.run([cli, '--help'], { command })).toContain('Usage: countersign');
  } finally {
    await platform.stop();
  }
});

it('on an older one each says so in one sentence', async () => {
  project.write('older.mjs', `Object.defineProperty(process.versions, 'node', { value: '22.18.0' });`);
  const older = ['--import', './older.mjs'];
  const cli = project.run([...older, 'node_modules/countersign/bin/countersign.js', '--help']);
  await expect(cli).rejects.toThrow(
    /failed:\nerror: countersign needs Node 22\.19 or later, and this is 22\.18\.0\n$/,
  );
  const sdk = project.run([...older, '--input-type=module', '--eval', "await import('@countersign/sdk')"]);
  await expect(sdk).rejects.toThrow(
    'Error: @countersign/sdk needs Node 22.19 or later, and this is 22.18.0\n',
  );
});
