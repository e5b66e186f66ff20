import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App } from 'aws-cdk-lib';
import { expect, it } from 'vitest';
import { addPlatform } from '../../lib/platform.ts';
import { CONFIG, synthesise } from './synth.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

it('stacks are named by stage and part, lie where the config says, and the home deploys before its Region', () => {
  const { home, regions } = addPlatform(new App(), { ...CONFIG, account: '123456789012' });
  expect(home.stackName).toBe('countersign-dev-home');
  expect(regions.map(({ stackName }) => stackName)).toEqual(['countersign-dev-region-eu-west-1']);
  expect(regions[0]!.dependencies).toEqual([home]);
  for (const { account, region } of [home, ...regions])
    expect([account, region]).toEqual(['123456789012', 'eu-west-1']);
});

const alice = synthesise({ ...CONFIG, stage: { name: 'alice', kind: 'dev' } });

it('all names carry the stage, so that an account can hold several', () => {
  const text = JSON.stringify([alice.home.template, alice.region.template]);
  expect(text).toContain('countersign-alice-');
  expect(text).not.toMatch(/countersign[-/]dev/);
});

it('no stack exports or imports anything', () => {
  for (const { template } of Object.values(alice)) {
    expect(JSON.stringify(template)).not.toContain('Fn::ImportValue');
    for (const output of Object.values(template.Outputs ?? {})) expect(output).not.toHaveProperty('Export');
  }
});

/** The app as the CDK CLI runs it, with a config of its own, without credentials, home directory or settings. */
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
      env: { HOME: directory, CDK_OUTDIR: outdir },
      encoding: 'utf8',
    });
    return { status, stderr, files: existsSync(outdir) ? readdirSync(outdir) : [] };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

it('the app synthesises without AWS credentials', () => {
  const { status, stderr, files } = runApp(JSON.stringify(CONFIG));
  expect([status, stderr]).toEqual([0, '']);
  expect(files.filter((name) => name.endsWith('.template.json'))).toEqual([
    'countersign-dev-home.template.json',
    'countersign-dev-region-eu-west-1.template.json',
  ]);
  expect(files.filter((name) => name.startsWith('asset.'))).toHaveLength(8);
});

it('a config that cannot be used ends the app with its faults and no stack trace', () => {
  const { status, stderr, files } = runApp(
    `{ stage: { name: 'dev', kind: 'dev' }, regions: [{ name: 'nowhere' }] }`,
  );
  expect([status, files]).toEqual([1, []]);
  expect(stderr).toBe(
    'The config cannot be used:\n  regions[0].name: must be the name of an AWS Region, got "nowhere"; for example name: "eu-west-1"\n',
  );
});
