/**
 * What a stage has besides where instances enrol. test/lib/stacks/iam.ts has the rights of what lets them in.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { namesOf } from '../../../cli/preflight/names.ts';
import { ENVIRONMENT } from '../../../lambda/contract/environment.ts';
import { enrolmentSweepName, functionName, tableName } from '../../../lambda/contract/names.ts';
import defaultSchema from '../../../lambda/schema/default.json' with { type: 'json' };
import { buildBundles } from '../../../lib/functions/bundles.ts';
import { policyId } from '../../../protocol/oauth/attestation.ts';
import { PROD_ENROLS, PROD_OAUTH, synthesise } from '../synth.ts';
import { ACCOUNT, HERE, ITEM_ACTIONS, item, may } from './may.ts';

const ENROLS = PROD_ENROLS;
const [POLICY] = ENROLS.enrolment!;
const { region, stacks } = synthesise(ENROLS);
const plain = synthesise(PROD_OAUTH);
const other = Object.entries(stacks).find(([name]) => name.endsWith('region-eu-central-1'))![1];
const variablesOf = (name: string, of = region) =>
  of.ofType('AWS::Lambda::Function').find(({ Properties }) => Properties.FunctionName === name)?.Properties
    .Environment.Variables;
const sweep = enrolmentSweepName('live');
const clients = `arn:aws:dynamodb:${HERE}:${ACCOUNT}:table/${tableName('live', 'clients')}`;

it('the functions that find keys know the policies by name, and no others do', () => {
  const names = ['register', 'registration', 'events', 'oauth-token'] as const;
  for (const name of names) {
    const value = (of: typeof region) => variablesOf(functionName('live', name), of).COUNTERSIGN_ENROLMENT;
    expect(JSON.parse(value(region))).toEqual([policyId(POLICY!)]);
    expect(JSON.parse(value(plain.region))).toEqual([]);
  }
  expect(variablesOf(functionName('live', 'nonce')).COUNTERSIGN_ENROLMENT).toBeUndefined();
});

it('the policies lie beside the one bundle that reads them', () => {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-enrolment-'));
  onTestFinished(() => rmSync(outdir, { recursive: true }));
  const bundles = buildBundles({ outdir, registrationSchema: defaultSchema, enrolment: [POLICY as never] });
  expect(readFileSync(join(bundles['oauth-register'], 'enrolment.mjs'), 'utf8')).toContain('billing-ci');
});

it('the sweep is in the home Region alone, and only where instances enrol', () => {
  expect(Object.keys(variablesOf(sweep)).sort()).toEqual([...ENVIRONMENT['enrolment-sweep']].sort());
  expect(JSON.parse(variablesOf(sweep).COUNTERSIGN_INSTANCES)).toEqual({ 'billing-ci': 20 });
  expect(variablesOf(sweep, other)).toBeUndefined();
  expect(variablesOf(sweep, plain.region)).toBeUndefined();
  const looked = namesOf('live', { ledgerGeneration: 1, tableGeneration: 1 }, true, true, true);
  expect(looked).toContainEqual(['function', sweep]);
});

it('the sweep may read and delete in the table of clients, and see whether writes are stopped: no more', async () => {
  const allowed = [
    { action: 'dynamodb:Query', resource: clients },
    { action: 'dynamodb:DeleteItem', resource: clients },
    item('GetItem', ['stop#writes']),
  ];
  for (const each of allowed) expect([each, await may(sweep, each, ENROLS)]).toEqual([each, true]);
  for (const action of ITEM_ACTIONS.filter((name) => !['Query', 'DeleteItem'].includes(name))) {
    const asked = { action: `dynamodb:${action}`, resource: clients };
    expect([asked, await may(sweep, asked, ENROLS)]).toEqual([asked, false]);
  }
  expect(await may(sweep, item('DeleteItem', ['stop#writes']), ENROLS)).toBe(false);
});

it('alarms fire on refused tokens, on an unusual rate, and on issuers without keys', () => {
  const alarms = (of: typeof region) =>
    of
      .ofType('AWS::CloudWatch::Alarm')
      .map(({ Properties }) => [Properties.AlarmName.replace('countersign-live-', ''), Properties.Threshold])
      .filter(([name]) => name.startsWith('enrolment'));
  const everywhere = [
    ['enrolment-issuer', 3],
    ['enrolment-refused', 10],
    // Three times twenty instances, each of which renews twice an hour.
    ['enrolment-unusual-rate', 120],
  ];
  expect(alarms(other).sort()).toEqual(everywhere);
  expect(alarms(region).sort()).toEqual(
    [...everywhere, ['enrolment-unusual-instances', 1], ['enrolment-unusual-unswept', 1]].sort(),
  );
  expect(alarms(plain.region)).toEqual([]);
});

it('they count the lines that the functions write', () => {
  const patterns = region
    .ofType('AWS::Logs::MetricFilter')
    .map(({ Properties }) => [Properties.MetricTransformations[0].MetricName, Properties.FilterPattern]);
  expect(patterns).toContainEqual(['RefusedAttestations', '{ $.reason = "attestation_*" }']);
  expect(patterns).toContainEqual(['Enrolments', '{ $.action = "clients.enrol" }']);
  expect(patterns).toContainEqual(['ManyInstances', '{ $.reason = "many_instances" }']);
  expect(patterns).toContainEqual([
    'IssuerKeysUnreadable',
    '{ ($.message = "enrolment") && ($.reason = "issuer_keys") }',
  ]);
});
