import { expect, it } from 'vitest';
import { PURPOSES } from '../../../lambda/contract/purposes.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { CONFIG, eventual, PROD, type Resource, synthesise } from '../synth.ts';

const alice = synthesise({ ...CONFIG, stage: { name: 'alice', kind: 'dev' } });

it('all names contain the stage, so that an account can hold several', () => {
  const text = JSON.stringify(Object.values(alice.stacks).map(({ template }) => template));
  expect(text).toContain('countersign-alice-');
  expect(text).not.toMatch(/countersign[-/]dev/);
});

it('no stack exports or imports values, within a Region or between Regions', () => {
  for (const { stacks } of [alice, synthesise(PROD), synthesise(eventual(PROD))])
    for (const { template } of Object.values(stacks)) {
      const text = JSON.stringify(template);
      expect(text).not.toContain('Fn::ImportValue');
      expect(text).not.toContain('Fn::GetStackOutput');
      // One finds what no other stack has: the stream of this Region's replica.
      expect(text).not.toMatch(/Custom::(?!CountersignStream")|CrossRegionExport|\{\{resolve:/);
      expect(Object.keys(template.Parameters ?? {})).toEqual(['BootstrapVersion']);
      for (const output of Object.values(template.Outputs ?? {})) expect(output).not.toHaveProperty('Export');
    }
});

it("a Region knows only the config's facts about another: its URL, its name, and its keysets", () => {
  const { resources } = synthesise(PROD).part('region-eu-west-1');
  const mentions = Object.entries(resources).filter(([, each]) =>
    JSON.stringify(each).includes('eu-central-1'),
  );
  expect(
    mentions.map(
      ([, { Type, Properties }]) =>
        `${Type} ${Properties.FunctionName ?? Properties.RoleName ?? Properties.AlarmName ?? Properties.Name ?? Properties.Description}`,
    ),
  ).toEqual([
    'AWS::Lambda::Function countersign-live-discovery',
    'AWS::Lambda::Function countersign-live-admin-read',
    'AWS::Lambda::Function countersign-live-admin-write',
    'AWS::Lambda::Function countersign-live-deliver',
    'AWS::Lambda::Function countersign-live-outbox',
    ...PURPOSES.flatMap((purpose) => [
      `AWS::IAM::Role countersign-live-rotate-${purpose}-eu-west-1`,
      `AWS::Lambda::Function countersign-live-rotate-${purpose}`,
    ]),
    'AWS::Lambda::Function countersign-live-keys-watch',
    'AWS::IAM::Role The rights of countersign-live-evacuation',
    'AWS::Lambda::Function countersign-live-evacuation',
    'AWS::Events::Rule countersign-live-evacuation',
    'AWS::CloudWatch::Alarm countersign-live-evacuated-eu-central-1',
  ]);
  // By name, never by an export. ARNs appear only in the roles of functions that call other Regions.
  for (const [, { Type, Properties }] of mentions)
    if (Type !== 'AWS::IAM::Role') expect(JSON.stringify(Properties)).not.toMatch(/arn:[^"]*eu-central-1/);
});

/** @returns by stack, the logical id of every resource that has a name of its own */
function namedIds(config: ConfigInput): Map<string, Map<string, string>> {
  const named = (resource: Resource): string | undefined => {
    const names = Object.entries(resource.Properties ?? {}).filter(
      ([property, value]) => /(Name|SetIdentifier)$/.test(property) && typeof value === 'string',
    );
    return names.length === 0 ? undefined : JSON.stringify([resource.Type, names]);
  };
  return new Map(
    Object.entries(synthesise(config).stacks).map(([stack, { resources }]) => [
      stack,
      new Map(
        Object.entries(resources).flatMap(([id, resource]) => {
          const name = named(resource);
          return name === undefined ? [] : [[name, id] as const];
        }),
      ),
    ]),
  );
}

const regions = (...names: string[]): Pick<ConfigInput, 'regions'> => ({
  regions: names.map((name) => ({ name })),
});
const TWO: ConfigInput = { ...eventual(PROD), consistency: 'eventual' };
const THREE: ConfigInput = { ...TWO, ...regions('eu-west-1', 'eu-central-1', 'eu-west-2') };
const STRONG_THREE: ConfigInput = { ...THREE, consistency: 'strong' };
const others = ['eu-west-1', 'eu-central-1', 'eu-west-2'];
const WITNESSED: ConfigInput = {
  ...PROD,
  tables: { generation: 2, other: { generation: 1, consistency: 'strong', regions: others } },
};

it.each([
  ['one to two Regions', { ...eventual(PROD), ...regions('eu-west-1') }, TWO],
  ['two to three Regions', TWO, THREE],
  ['three to two Regions', THREE, TWO],
  ['three strong Regions to two and a witness', STRONG_THREE, WITNESSED],
])(
  '%s: what keeps its name in a stack keeps its id, or CloudFormation refuses to make it a second time',
  (_, from, to) => {
    const after = namedIds(to);
    let compared = 0;
    for (const [stack, before] of namedIds(from))
      for (const [name, id] of after.get(stack) ?? [])
        if (before.has(name)) {
          compared += 1;
          expect([stack, name, id]).toEqual([stack, name, before.get(name)]);
        }
    expect(compared).toBeGreaterThan(50);
  },
);
