/** The platform synthesised into a temporary directory, and its templates as plain objects. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import type { ConfigInput } from '../../lib/config/schema.ts';
import { addPlatform } from '../../lib/platform.ts';

export const CONFIG: ConfigInput = {
  stage: { name: 'dev', kind: 'dev' },
  regions: [{ name: 'eu-west-1' }],
};

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
  readonly home: Stack;
  readonly region: Stack;
}

export function synthesise(config: ConfigInput = CONFIG): Synthesised {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-synth-'));
  try {
    const { home, regions } = addPlatform(new App({ outdir, analyticsReporting: false }), config);
    const [region] = regions;
    return {
      home: new Stack(Template.fromStack(home).toJSON()),
      region: new Stack(Template.fromStack(region!).toJSON()),
    };
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
