import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App, Stack } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { expect, it } from 'vitest';
import { BUNDLES, FUNCTIONS } from '../../lambda/contract/names.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import { checkLock, LOCK_CONTEXT } from '../../lib/config/lock.ts';
import { readConfig } from '../../lib/config/read.ts';
import type { ConfigInput } from '../../lib/config/schema.ts';
import { RegistrationPlatform } from '../../lib/platform.ts';
import { CONFIG, eventual, flat, PROD, type Resource } from './synth.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

it("stacks are named by stage and part, are in the config's Regions, and the home stack deploys first", () => {
  const { home, regions } = new RegistrationPlatform(new App(), 'Countersign', {
    ...CONFIG,
    account: '123456789012',
  });
  expect(home.stackName).toBe('countersign-dev-home');
  expect(regions.map(({ stackName }) => stackName)).toEqual(['countersign-dev-region-eu-west-1']);
  expect(regions[0]!.dependencies).toEqual([home]);
  expect(home.terminationProtection).toBe(false);
  for (const { account, region } of [home, ...regions])
    expect([account, region]).toEqual(['123456789012', 'eu-west-1']);
});

it('a stage of kind dev that is asked to write its lock file says that it has none', () => {
  const said = (context: Record<string, string>) => {
    const { home } = new RegistrationPlatform(new App({ context }), 'Countersign', CONFIG);
    return Annotations.fromStack(home).findInfo('*', Match.stringLikeRegexp('has nothing to write'));
  };
  expect(said({})).toEqual([]);
  expect(said({ [LOCK_CONTEXT]: 'write' })).toHaveLength(1);
});

it('within a Region, key and topic deploy first, then the shared parts, then the Region; stacks with data are protected', () => {
  withApp((app, lockFile) => {
    const { bases, home, regions, watch } = new RegistrationPlatform(app, 'Countersign', {
      ...PROD,
      lockFile,
    });
    const [first, second] = regions;
    expect(home.dependencies).toEqual([bases[0]]);
    // A stack that keeps data cannot be deleted by mistake.
    expect([...bases, home].every(({ terminationProtection }) => terminationProtection)).toBe(true);
    expect([...regions, watch!].some(({ terminationProtection }) => terminationProtection)).toBe(false);
    expect(names(first!.dependencies)).toEqual([
      'countersign-account-eu-west-1',
      'countersign-live-base-eu-west-1',
      'countersign-live-home',
    ]);
    expect(names(second!.dependencies)).toEqual([
      'countersign-account-eu-central-1',
      'countersign-live-base-eu-central-1',
    ]);
    expect(
      [...bases, home, ...regions, watch!].map(({ stackName, region }) => `${stackName} ${region}`),
    ).toEqual([
      'countersign-live-base-eu-west-1 eu-west-1',
      'countersign-live-base-eu-central-1 eu-central-1',
      'countersign-live-home eu-west-1',
      'countersign-live-region-eu-west-1 eu-west-1',
      'countersign-live-region-eu-central-1 eu-central-1',
      'countersign-live-watch us-east-1',
    ]);
  });
});

const EVERYWHERE: ConfigInput = {
  ...eventual(PROD),
  // The watch stack is in a Region that serves.
  regions: [{ name: 'eu-west-1' }, { name: 'us-east-1' }, { name: 'eu-central-1' }],
};
it.each<[string, ConfigInput, string]>([
  ['strong', PROD, 'eu-west-1'],
  ['whose watch stack is in a Region that serves', EVERYWHERE, 'eu-west-1'],
  ['whose home is its last Region', { ...EVERYWHERE, homeRegion: 'eu-central-1' }, 'eu-central-1'],
])(
  "destroying one Region selects no other Region's stack, and deploying one needs no other's: a stage %s",
  (_, config, homeRegion) => {
    withApp((app, lockFile) => {
      new RegistrationPlatform(app, 'Countersign', { ...config, lockFile });
      // Selects as the CDK's CLI does: `destroy` includes the dependents of a stack, `deploy` includes its
      // dependencies.
      const { stacks } = app.synth();
      const needed = new Map(
        stacks.map(({ stackName, dependencies }) => [
          stackName,
          dependencies.map(({ id }) => id).filter((id) => !id.endsWith('.assets')),
        ]),
      );
      const closure = (from: string, next: (name: string) => string[], found = new Set<string>()) => {
        for (const each of next(from)) if (!found.has(each)) closure(each, next, found.add(each));
        return [...found].sort();
      };
      const users = (name: string) =>
        [...needed].flatMap(([user, needs]) => (needs.includes(name) ? user : []));
      for (const { name } of config.regions) {
        const region = `countersign-live-region-${name}`;
        expect(closure(region, users)).toEqual([]);
        expect(closure(region, (each) => needed.get(each)!)).toEqual([
          `countersign-account-${name}`,
          `countersign-live-base-${name}`,
          ...(name === homeRegion ? ['countersign-live-home'] : []),
        ]);
      }
      expect(closure('countersign-live-watch', users)).toEqual([]);
      expect(needed.get('countersign-live-watch')).toEqual([]);
      for (const { name } of config.regions)
        expect(closure(`countersign-live-base-${name}`, users)).toEqual(
          [
            ...(name === homeRegion ? ['countersign-live-home'] : []),
            `countersign-live-region-${name}`,
          ].sort(),
        );
    });
  },
);

const names = (stacks: readonly Stack[]): string[] => stacks.map(({ stackName }) => stackName).sort();

it('while a key changes, roles may use both keys before tables and secrets switch, and their alias stays', () => {
  const arn = (end: string) =>
    `arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-12345678900${end}`;
  const [first, second] = PROD.regions;
  const changing: ConfigInput = {
    ...PROD,
    regions: [{ ...first!, kmsKeyArn: arn('2'), previousKmsKeyArn: arn('1') }, second!],
  };
  withApp((app, lockFile) => {
    checkLock(readConfig(PROD), { file: lockFile, write: true });
    const { bases, home, regions, watch } = new RegistrationPlatform(app, 'Countersign', {
      ...changing,
      lockFile,
    });
    expect(names(home.dependencies)).toEqual([
      'countersign-live-base-eu-west-1',
      'countersign-live-region-eu-west-1',
    ]);
    expect(names(regions[0]!.dependencies)).toEqual([
      'countersign-account-eu-west-1',
      'countersign-live-base-eu-west-1',
    ]);
    expect(regions[1]!.dependencies).toContain(bases[1]);
    expect(watch!.dependencies).toEqual([]);
  });
  withApp((app, lockFile) => {
    const { bases } = new RegistrationPlatform(app, 'Countersign', { ...PROD, lockFile });
    const { stacks } = app.synth();
    for (const { stackName } of bases) {
      const { template } = stacks.find((each) => each.stackName === stackName)!;
      const alias = Object.values(template.Resources as Record<string, Resource>).find(
        ({ Type }) => Type === 'AWS::KMS::Alias',
      )!;
      // Retained, except after a first deployment that fails: the next one creates it again.
      expect([alias.DeletionPolicy, alias.UpdateReplacePolicy]).toEqual(['RetainExceptOnCreate', 'Retain']);
    }
  });
});

it('several stages in one app share the account, and nothing else', () => {
  withApp((app, lockFile) => {
    new RegistrationPlatform(app, 'Live', { ...PROD, lockFile });
    new RegistrationPlatform(app, 'Test', {
      ...eventual(PROD),
      stage: { name: 'test', kind: 'prod' },
      lockFile,
    });
    new RegistrationPlatform(app, 'Dev', CONFIG);
    const ids = app.node.children.filter(Stack.isStack).map(({ node }) => node.id);
    expect(ids.filter((id) => id.startsWith('countersign-account-'))).toEqual([
      'countersign-account-eu-west-1',
      'countersign-account-eu-central-1',
    ]);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

it("every stack follows the account's rules: tags, a permissions boundary, its own bootstrap", () => {
  withApp((app, lockFile) => {
    const settings = { tags: { team: 'a' }, permissionsBoundary: 'bounds', bootstrapQualifier: 'own1' };
    const { regions, watch } = new RegistrationPlatform(app, 'Countersign', {
      ...PROD,
      ...settings,
      lockFile,
    });
    expect(app.node.children.filter(Stack.isStack)).toHaveLength(8);
    for (const stack of app.node.children.filter(Stack.isStack)) {
      expect(stack.tags.tagValues()).toEqual({ team: 'a' });
      expect(stack.synthesizer.bootstrapQualifier).toBe('own1');
    }
    const { stacks } = app.synth();
    const roles = stacks.flatMap(({ template }) =>
      Object.values(template.Resources as Record<string, Resource>).filter(
        ({ Type }) => Type === 'AWS::IAM::Role',
      ),
    );
    expect(roles.length).toBe(2 * (FUNCTIONS.length + PURPOSES.length + 5) + 2);
    for (const { Properties } of roles)
      expect(flat(Properties.PermissionsBoundary)).toMatch(/:policy\/bounds$/);
    expect([...regions, watch!].every(({ synthesizer }) => synthesizer.bootstrapQualifier === 'own1')).toBe(
      true,
    );
  });
});

/** @param use gets an app in its own directory, and a lock file that it may write */
function withApp(use: (app: App, lockFile: string) => void): void {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-platform-'));
  try {
    const context = { [LOCK_CONTEXT]: 'write' };
    use(new App({ outdir, context, builtinCloudFormationValidation: false }), join(outdir, 'lock.json'));
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

/** Runs the app as the CDK CLI does, with its own config, without credentials, home directory or settings. */
function runApp(config: string) {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-app-'));
  try {
    cpSync(join(ROOT, 'bin'), join(directory, 'bin'), { recursive: true });
    for (const name of ['lib', 'node_modules', 'package.json'])
      symlinkSync(join(ROOT, name), join(directory, name));
    writeFileSync(join(directory, 'countersign.config.ts'), `export default ${config};`);
    const outdir = join(directory, 'cdk.out');
    const { status, stderr } = spawnSync(join(ROOT, 'node_modules/.bin/node'), ['bin/countersign.ts'], {
      cwd: directory,
      env: { HOME: directory, CDK_OUTDIR: outdir, CDK_VALIDATION: 'false' },
      encoding: 'utf8',
    });
    return { status, stderr, files: existsSync(outdir) ? readdirSync(outdir) : [] };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

it.each([
  ['{ stage: undefinedName }', 'ReferenceError: undefinedName is not defined'],
  ['{ stage: ', 'SyntaxError: '],
])('a config that does not load is one sentence, without a stack: %s', (config, message) => {
  const { status, stderr } = runApp(config);
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(`countersign.config.ts does not load: ${message}`),
  ]);
  expect(stderr).not.toMatch(/^ +at /m);
});

it('the app synthesises without AWS credentials', () => {
  const { status, stderr, files } = runApp(JSON.stringify(CONFIG));
  expect([status, stderr]).toEqual([0, '']);
  expect(files.filter((name) => name.endsWith('.template.json'))).toEqual([
    'countersign-dev-home.template.json',
    'countersign-dev-region-eu-west-1.template.json',
  ]);
  // One Region has nobody to keep its evacuation flag.
  const unused = BUNDLES.filter(
    (name) => ['evacuation', 'enrolment-sweep'].includes(name) || name.includes('oauth'),
  );
  expect(files.filter((name) => name.startsWith('asset.'))).toHaveLength(BUNDLES.length - unused.length);
});

it('an invalid config ends the app with its faults and without a stack trace', () => {
  const { status, stderr, files } = runApp(
    `{ stage: { name: 'dev', kind: 'dev' }, regions: [{ name: 'nowhere' }], vault: { address: 'https://vault.example.com' } }`,
  );
  expect([status, files]).toEqual([1, []]);
  expect(stderr).toBe(
    'The config cannot be used:\n  regions[0].name: must be the name of an AWS Region, got "nowhere"; for example name: "eu-west-1"\n',
  );
});
