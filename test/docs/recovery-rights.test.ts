/** The permissions in docs/iam.md for who restores tables allow each call that the runbook names for it. */
import { expect, it } from 'vitest';
import { evacuatedKey } from '../../lambda/contract/limits.ts';
import { COPIED_KEY } from '../../lambda/contract/names.ts';
import { documents } from './blocks.ts';
import { allows, type Policy, policyUnder } from './policy.ts';

const own = policyUnder('Who restores tables');
const policies = [own, policyUnder('Who copies tables')];
const runbook = documents().find(({ file }) => file === 'docs/runbook.md')!.text;

const SECTIONS = ['replica-cut-off', 'limits-lost', 'table-archived', 'restore-a-table'];
/** What a call on a table reads or writes besides, in the caller's name. */
const ON_TARGET = ['BatchWriteItem', 'DeleteItem', 'GetItem', 'PutItem', 'Query', 'Scan', 'UpdateItem'];

const BACKUP = '/backup/01600000000000-a1b2c3d4';

interface Call {
  readonly action: string;
  readonly resource: string;
}

function callsOf(section: string): Call[] {
  const text = new RegExp(`^##+ ${section}\\n([\\s\\S]*?)(?=^##+ |(?![\\s\\S]))`, 'm').exec(runbook)![1]!;
  const commands = [...text.replaceAll('\\\n', ' ').matchAll(/^aws dynamodb ([a-z-]+)(.*)$/gm)];
  return commands.flatMap(([, verb, options]): Call[] => {
    const option = (name: string) => new RegExp(`--${name} (\\S+)`).exec(options!)?.[1];
    const action =
      verb === 'wait' ? 'DescribeTable' : verb!.replace(/(^|-)([a-z])/g, (_, __, a) => a.toUpperCase());
    const target = option('target-table-name');
    const source = option('table-name') ?? option('source-table-name');
    return [
      ...(source === undefined ? [] : [{ action, resource: source }]),
      ...(target === undefined
        ? []
        : [action, ...ON_TARGET].map((each) => ({ action: each, resource: target }))),
      ...(option('backup-arn') === undefined
        ? []
        : [{ action, resource: `countersign-prod-registry-1${BACKUP}` }]),
    ];
  });
}

it.each(SECTIONS)('each call of %s is allowed', async (section) => {
  const calls = callsOf(section);
  expect(calls.length).toBeGreaterThan(1);
  for (const { action, resource } of calls)
    expect([action, resource, await allows(policies, `dynamodb:${action}`, resource)]).toEqual([
      ...[action, resource],
      true,
    ]);
});

it('the tables in use cannot be written, changed or deleted with it, nor those of another stage', async () => {
  for (const action of ['PutItem', 'DeleteItem', 'BatchWriteItem', 'UpdateTable', 'DeleteTable'])
    for (const kind of ['registry', 'clients'])
      expect(await allows(policies, `dynamodb:${action}`, `countersign-prod-${kind}-1`)).toBe(false);
  for (const { Action } of own.Statement)
    for (const action of [Action].flat().filter((each) => each.startsWith('dynamodb:'))) {
      const others = `countersign-test-registry-1${action.endsWith('FromBackup') ? BACKUP : ''}`;
      expect([action, await allows([own], action, others)]).toEqual([action, false]);
    }
});

it('who deploys may read flags, marks and the tables in use, and nothing else', async () => {
  const deploy = policyUnder('Who deploys other Regions or tables');
  const may = (action: string, resource: string, context = {}) => allows([deploy], action, resource, context);
  const get = 'dynamodb:GetItem';
  const key = (of: string) => ({ 'dynamodb:LeadingKeys': [of] });
  expect(await may(get, 'countersign-prod-limits-1', key(evacuatedKey('eu-west-1')))).toBe(true);
  for (const registry of ['countersign-prod-registry-1', 'countersign-prod-registry-2']) {
    expect(await may(get, registry, key(COPIED_KEY))).toBe(true);
    expect(await may(get, registry, key('0f8fad5b-d9cb-469f-a165-70867728950e'))).toBe(false);
  }
  expect(await may(get, 'countersign-prod-clients-1', key(COPIED_KEY))).toBe(false);
  const admin = (name: string) => `arn:aws:lambda:eu-west-1:123456789012:function:countersign-prod-${name}`;
  for (const action of ['lambda:InvokeFunction', 'lambda:GetFunctionConfiguration'])
    expect(await may(action, admin('admin-read'))).toBe(true);
  expect(await may('lambda:InvokeFunction', admin('admin-write'))).toBe(false);
  // The registry lies under the customer key, which a reader of its mark needs as well.
  const decrypts = ({ Statement }: Policy) => Statement.filter(({ Action }) => Action === 'kms:Decrypt');
  expect(decrypts(deploy)).toEqual(decrypts(policies[1]!));
  expect(decrypts(deploy)).toHaveLength(1);
});
