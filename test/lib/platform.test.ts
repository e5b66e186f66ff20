import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
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

/** The app as the CDK CLI runs it, without credentials, home directory or configuration. */
function runApp(outdir: string, env: Record<string, string> = {}) {
  const node = join(ROOT, 'node_modules/.bin/node');
  return spawnSync(node, [join(ROOT, 'bin/countersign.ts')], {
    cwd: ROOT,
    env: { HOME: outdir, CDK_OUTDIR: outdir, ...env },
    encoding: 'utf8',
  });
}

it('the app synthesises without AWS credentials', () => {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-app-'));
  try {
    expect(runApp(outdir)).toMatchObject({ status: 0, stderr: '' });
    const manifest = JSON.parse(
      readFileSync(join(outdir, 'countersign-dev-region-eu-west-1.assets.json'), 'utf8'),
    );
    // One bundle for each of the eight functions, and the template itself.
    expect(Object.keys(manifest.files)).toHaveLength(9);
  } finally {
    rmSync(outdir, { recursive: true });
  }
});

it('a config that cannot be used ends the app with the faults and no stack trace', () => {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-app-'));
  try {
    const { status, stderr } = runApp(outdir, { CDK_DEFAULT_REGION: 'nowhere' });
    expect(status).toBe(1);
    expect(stderr).toBe(
      'The config cannot be used:\n  regions[0].name: must be the name of an AWS Region, got "nowhere"; for example name: "eu-west-1"\n',
    );
  } finally {
    rmSync(outdir, { recursive: true });
  }
});
