/** Synthesises the platform into a temporary directory, with its templates as plain objects. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkLock } from '../../lib/config/lock.ts';
import { readConfig } from '../../lib/config/read.ts';
import type { ConfigInput } from '../../lib/config/schema.ts';
import { RegistrationPlatform } from '../../lib/platform.ts';
import { newApp } from '../../scripts/app.ts';

export const CONFIG: ConfigInput = {
  stage: { name: 'dev', kind: 'dev' },
  regions: [{ name: 'eu-west-1' }],
  vault: { address: 'https://vault.example.com:8200' },
};

/** Two Regions of one set with a witness: strongly consistent, with all features of a stage of kind prod. */
export const PROD: ConfigInput = {
  stage: { name: 'live', kind: 'prod' },
  regions: [{ name: 'eu-west-1' }, { name: 'eu-central-1' }],
  witnessRegion: 'eu-west-3',
  domain: { entry: 'api.example.com', hostedZone: { id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' } },
  vault: { address: 'https://vault.example.com:8200' },
};

/** That stage with OAuth. */
export const PROD_OAUTH: ConfigInput = { ...PROD, oauth: {} };

/** The same, where instances enrol. */
export const PROD_ENROLS: ConfigInput = {
  ...PROD_OAUTH,
  enrolment: [
    {
      client: 'billing-ci',
      issuer: 'https://token.actions.githubusercontent.com',
      match: { '/repository_id': '74', '/ref': 'refs/heads/main' },
      instances: 20,
      keyLife: 'PT30M',
    },
  ],
};

/** @returns the config without a witness, and so eventually consistent */
export const eventual = ({ witnessRegion: _, ...config }: ConfigInput): ConfigInput => config;

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is JSON of any form
  readonly Properties: any;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

export class Stack {
  readonly template: Record<string, unknown>;
  readonly resources: Readonly<Record<string, Resource>>;

  constructor(template: Record<string, unknown>) {
    this.template = template;
    this.resources = template.Resources as Record<string, Resource>;
  }

  ofType(type: string): Resource[] {
    return Object.values(this.resources).filter((resource) => resource.Type === type);
  }
}

export interface Synthesised {
  /** The templates by stack name. */
  readonly stacks: Readonly<Record<string, Stack>>;
  readonly home: Stack;
  /** The stack of the first Region. */
  readonly region: Stack;
  /** @returns the only stack whose name ends like this */
  part(name: string): Stack;
}

const done = new Map<string, Synthesised>();

/**
 * Runs once per config and test file. It skips the CDK's own validation, which is slow; `policy.test.ts` runs
 * that.
 */
export function synthesise(config: ConfigInput = CONFIG): Synthesised {
  const key = JSON.stringify(config);
  const known = done.get(key) ?? build(config);
  done.set(key, known);
  return known;
}

/** @returns a live stage's config before its keys began to change; undefined if they do not change */
function beforeKeyChange(config: ConfigInput): ConfigInput | undefined {
  if (!config.regions.some(({ previousKmsKeyArn }) => previousKmsKeyArn)) return undefined;
  const regions = config.regions.map(({ kmsKeyArn: _, previousKmsKeyArn, ...region }) => ({
    ...region,
    ...(previousKmsKeyArn !== undefined && { kmsKeyArn: previousKmsKeyArn }),
  }));
  return { ...config, regions };
}

function build(config: ConfigInput): Synthesised {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-synth-'));
  try {
    const app = newApp(outdir);
    const lockFile = join(outdir, 'lock.json');
    const before = beforeKeyChange(config);
    if (before) checkLock(readConfig(before), { file: lockFile, write: true });
    const { managedBy, ...keys } = config.keys ?? {};
    if (managedBy !== undefined) {
      checkLock(readConfig({ ...config, keys }), { file: lockFile, write: true });
      // As `countersign keys promote` does.
      const lock = JSON.parse(readFileSync(lockFile, 'utf8'));
      lock[config.stage.name].keysManagedBy = managedBy;
      writeFileSync(lockFile, JSON.stringify(lock));
    }
    new RegistrationPlatform(app, 'Countersign', { ...config, lockFile });
    const stacks = Object.fromEntries(
      app.synth().stacks.map(({ stackName, template }) => [stackName, new Stack(template)]),
    );
    const part = (name: string): Stack => {
      const found = Object.keys(stacks).filter((each) => each.endsWith(`-${name}`));
      if (found.length !== 1)
        throw new Error(`${found.length} stacks are called ${name}: ${Object.keys(stacks)}`);
      return stacks[found[0]!]!;
    };
    return { stacks, home: part('home'), region: part(`region-${config.regions[0]!.name}`), part };
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** A value with `Fn::Join` and `Ref` written out, e.g. `arn:${AWS::Partition}:dynamodb:…`. */
export function flat(value: unknown): string {
  if (typeof value === 'string') return value;
  const { 'Fn::Join': join, Ref: ref, 'Fn::GetAtt': attribute } = value as Record<string, never>;
  if (join) return (join[1] as unknown[]).map(flat).join(join[0]);
  if (ref) return `\${${ref}}`;
  if (attribute) return `\${${(attribute as string[]).join('.')}}`;
  throw new Error(`not text: ${JSON.stringify(value)}`);
}
