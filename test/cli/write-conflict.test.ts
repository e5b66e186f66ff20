/**
 * Commands that write one item of a strongly consistent table in every Region at once: the writes conflict.
 */
import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { Directory } from './cli.ts';

let platform: Platform;
const directory = new Directory();
const regions = ['local-a', 'local-b', 'local-c'];

beforeAll(async () => {
  platform = await startPlatform({ port: 0, regions: 3, strongWriteMs: 120 });
  mkdirSync(`${directory.path}/.countersign`);
  directory.write('.countersign/local.json', JSON.stringify(platform.info));
  for (const name of ['busy', 'busier']) await directory.run(['clients', 'create', name]);
});
afterAll(async () => {
  directory.remove();
  await platform?.stop();
});

test.each([
  ['revoke client busy'],
  ['clients enable busy'],
  ['clients disable busy'],
  ['clients update busy --limit 7'],
  ['revoke key busy 1'],
  ['revoke key busier 1'],
  ['registrations erase busier bob'],
])('countersign %s is confirmed by every Region, and so it is when it is run again', async (command) => {
  for (let run = 1; run <= 2; run++)
    expect(await directory.run([...command.split(' '), '--json'])).toMatchObject({
      code: 0,
      json: { confirmed: regions, failed: [] },
      stderr: '',
    });
});

test('if two commands in two Regions make the next key at once, one does, and the other says so', async () => {
  const reversed = new Directory();
  mkdirSync(`${reversed.path}/.countersign`);
  const info = { ...platform.info, regions: platform.info.regions.toReversed() };
  reversed.write('.countersign/local.json', JSON.stringify(info));
  const rotate = ['clients', 'rotate-key', 'busy', '--json'];
  const rotated = await Promise.all([directory.run(rotate), reversed.run(rotate)]);
  reversed.remove();
  expect(rotated.map(({ code }) => code).sort()).toEqual([0, 1]);
  expect(rotated.map(({ stderr }) => stderr).join('')).toContain('(key_exists)');
});

test('every Region confirms a deletion', async () => {
  const deleted = await directory.run(['clients', 'delete', 'busy', '--json']);
  expect(deleted).toMatchObject({ code: 0, json: { confirmed: regions, failed: [] }, stderr: '' });
  expect(await directory.run(['clients', 'show', 'busy'])).toMatchObject({ code: 1 });
});
