/** How operators see, delete and erase registrations. */
import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { tableName } from '../../../lambda/contract/names.ts';
import { registrationId } from '../../../protocol/registration.ts';
import { STAGE } from '../../support/dynalite.ts';
import { regionsForFile } from '../../support/regions.ts';
import { makeClient, prepare, register } from '../../support/signer.ts';

const { platform, a } = await regionsForFile();
const signer = await makeClient(platform);

const of = (user_id: string) => ({ client_id: signer.clientId, user_id });
const items = async (id: string) =>
  (await platform.items('registry')).filter(({ pk }) => (pk as { S: string }).S.endsWith(`#${id}`));

it('shows what a client registered, then that it was deleted', async () => {
  const user = { user_id: 'shown', email: 'shown@example.com' };
  const { json } = await register(platform, a, signer, user);
  expect(await platform.operate('registrations.show', of('shown'))).toEqual(json);
  expect(await platform.operate('registrations.delete', of('shown'))).toEqual({ id: json.id, deleted: true });
  expect(await platform.operate('registrations.delete', of('shown'))).toEqual({
    id: json.id,
    deleted: false,
  });
  expect(await platform.operate('registrations.show', of('shown'))).toEqual({
    id: json.id,
    client_id: signer.clientId,
    deleted_at: new Date(platform.clock.nowMs).toISOString(),
  });
  expect(await platform.admin('registrations.show', of('never'))).toMatchObject({
    ok: false,
    problem: { status: 404, code: 'not_found' },
  });
});

it('deletes nothing for a client that never existed, and stores nothing', async () => {
  const before = await platform.items('registry');
  const params = { client_id: 'never-made', user_id: 'nobody' };
  expect(await platform.admin('registrations.delete', params)).toMatchObject({
    ok: false,
    problem: { status: 404, code: 'not_found', detail: 'there is no client never-made' },
  });
  expect(await platform.operate('registrations.erase', params)).toMatchObject({ state: 'absent' });
  expect(await platform.items('registry')).toEqual(before);
});

it('deletes a stored registration even if its client is unknown, as after restoring one table', async () => {
  const of = { client_id: 'not-restored', user_id: 'restored' };
  const id = registrationId(of.client_id, of.user_id);
  const Item = {
    pk: { S: `${of.client_id}#${id}` },
    user_id: { S: of.user_id },
    created_at: { N: String(platform.clock.nowMs) },
    data: { S: '{}' },
  };
  await platform.shared.send(new PutItemCommand({ TableName: tableName(STAGE, 'registry'), Item }));
  expect(await platform.operate('registrations.delete', of)).toEqual({ id, deleted: true });
});

it('deletes what a removed client registered, and what a client never registered', async () => {
  const gone = await makeClient(platform);
  const { json } = await register(platform, a, gone, { user_id: 'left-behind' });
  await platform.operate('clients.delete', { client_id: gone.clientId });
  const left = { client_id: gone.clientId, user_id: 'left-behind' };
  expect(await platform.operate('registrations.delete', left)).toEqual({ id: json.id, deleted: true });
  const never = await platform.operate('registrations.delete', of('never-registered'));
  expect(never.deleted).toBe(false);
  expect(await items(never.id)).toHaveLength(1);
});

it("does not take half a surrogate pair for another user's id", async () => {
  const { json } = await register(platform, a, signer, { user_id: '\ufffd' });
  expect(await platform.admin('registrations.delete', of('\ud800'))).toMatchObject({
    ok: false,
    problem: { code: 'malformed_request', detail: expect.stringContaining('params.user_id') },
  });
  expect(await platform.operate('registrations.show', of('\ufffd'))).toEqual(json);
});

it('a request that was held back does not undo a deletion', async () => {
  const held = await prepare(platform, a, signer, { user_id: 'held-back' });
  await platform.operate('registrations.delete', of('held-back'));
  expect((await a.send(held)).code).toBe('use_nonce');
});

it('erasing an unknown user stops a request that was held back, as erasing a registration does', async () => {
  const held = await prepare(platform, a, signer, { user_id: 'not-yet' });
  const first = await platform.operate('registrations.erase', of('not-yet'));
  expect(first).toMatchObject({ state: 'deleted', erasable_at: expect.any(String) });
  expect((await a.send(held)).code).toBe('use_nonce');
  expect(await items(first.id)).toMatchObject([{ deleted_at: { N: String(platform.clock.nowMs) } }]);
});

it('erasing for a client just deleted stops requests that an instance with a cached record would accept', async () => {
  for (const verb of ['registrations.erase', 'registrations.delete'] as const) {
    const gone = await makeClient(platform);
    await register(platform, a, gone, { user_id: 'held by the instance' });
    const held = await prepare(platform, a, gone, { user_id: 'late' });
    await platform.operate('clients.delete', { client_id: gone.clientId });
    const { id } = await platform.operate(verb, { client_id: gone.clientId, user_id: 'late' });
    expect((await a.send(held)).code).toBe('use_nonce');
    expect(await items(id)).toHaveLength(1);
  }
});

it('a Region that finds nothing after another one erased it stores no new tombstone', async () => {
  const { erasable_at } = await platform.operate('registrations.erase', of('in-turn'));
  platform.clock.nowMs = Date.parse(erasable_at!);
  const { id } = await platform.operate('registrations.erase', of('in-turn'));
  const next = await platform.operate('registrations.erase', { ...of('in-turn'), erased: true });
  expect(next).toEqual({ id, state: 'erased' });
  expect(await items(id)).toEqual([]);
});

it('erasing removes the data at once, and the tombstone once every nonce that it stops has expired', async () => {
  const { json } = await register(platform, a, signer, { user_id: 'erased', email: 'erased@example.com' });
  const held = await prepare(platform, a, signer, { user_id: 'erased' });
  const first = await platform.operate('registrations.erase', of('erased'));
  expect(first).toMatchObject({ id: json.id, state: 'deleted' });
  expect(JSON.stringify(await items(json.id))).not.toContain('erased');
  expect((await a.send(held)).code).toBe('use_nonce');

  const erasableMs = Date.parse((first as { erasable_at: string }).erasable_at);
  expect(erasableMs - platform.clock.nowMs).toBeGreaterThan(3_600_000);
  platform.clock.nowMs = erasableMs - 2_000;
  expect(await platform.operate('registrations.erase', of('erased'))).toEqual({ ...first, existed: false });
  expect(await items(json.id)).toHaveLength(1);
  platform.clock.nowMs = erasableMs;
  expect(await platform.operate('registrations.erase', of('erased'))).toEqual({
    id: json.id,
    state: 'erased',
  });
  expect(await items(json.id)).toEqual([]);
});

it('an audit line names the registration by its id, never the user, a key or a nonce', async () => {
  const nonce = (await prepare(platform, a, signer, { user_id: 'audited-user' })).nonce;
  await platform.operate('registrations.erase', of('audited-user'));
  await platform.operate('proofs.revoke', { nonce });
  const lines = platform.log.filter(({ message }) => message === 'audit');
  expect(lines.at(-2)).toMatchObject({
    action: 'registrations.erase',
    target: expect.stringMatching(new RegExp(`^${signer.clientId}#[\\w-]{43}$`)),
  });
  expect(lines.at(-1)).toMatchObject({ action: 'proofs.revoke' });
  expect(JSON.stringify(lines)).not.toMatch(new RegExp(`audited-user|${nonce}|csk_`));
});
