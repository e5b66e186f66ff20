import { expect, it } from 'vitest';
import { CONFIG, eventual, PROD, synthesise } from '../synth.ts';

const alice = synthesise({ ...CONFIG, stage: { name: 'alice', kind: 'dev' } });

it('all names carry the stage, so that an account can hold several', () => {
  const text = JSON.stringify(Object.values(alice.stacks).map(({ template }) => template));
  expect(text).toContain('countersign-alice-');
  expect(text).not.toMatch(/countersign[-/]dev/);
});

it('no stack exports or imports anything, from its own Region or from another', () => {
  for (const { stacks } of [alice, synthesise(PROD), synthesise(eventual(PROD))])
    for (const { template } of Object.values(stacks)) {
      const text = JSON.stringify(template);
      expect(text).not.toContain('Fn::ImportValue');
      expect(text).not.toContain('Fn::GetStackOutput');
      expect(text).not.toMatch(/Custom::|CrossRegionExport|\{\{resolve:/);
      expect(Object.keys(template.Parameters ?? {})).toEqual(['BootstrapVersion']);
      for (const output of Object.values(template.Outputs ?? {})) expect(output).not.toHaveProperty('Export');
    }
});

it('a Region knows of another one only what the config says: where clients reach it, and its name', () => {
  const { resources } = synthesise(PROD).part('region-eu-west-1');
  const mentions = Object.entries(resources).filter(([, each]) =>
    JSON.stringify(each).includes('eu-central-1'),
  );
  expect(
    mentions.map(([, { Type, Properties }]) => `${Type} ${Properties.FunctionName ?? Properties.AlarmName}`),
  ).toEqual([
    'AWS::Lambda::Function countersign-live-discovery',
    'AWS::CloudWatch::Alarm countersign-live-evacuated-eu-central-1',
  ]);
  for (const [, each] of mentions) expect(JSON.stringify(each)).not.toMatch(/arn:[^"]*eu-central-1/);
});
