/**
 * A strongly consistent global table refuses a write that conflicts with another Region's. The write is
 * retried, then 503.
 */
import { afterEach, expect, it, vi } from 'vitest';
import { regionsForFile } from '../../support/regions.ts';
import { makeClient, register, remove } from '../../support/signer.ts';

const { platform, a } = await regionsForFile();
const signer = await makeClient(platform);
afterEach(() => vi.restoreAllMocks());

/** The next `times` writes to the registry conflict with another write. */
function conflicts(times: number): { left: number } {
  const state = { left: times };
  const { shared } = platform;
  const send = shared.send.bind(shared) as (command: object) => Promise<never>;
  vi.spyOn(shared, 'send').mockImplementation((async (command: { input: object }) => {
    if (!('Item' in command.input) || state.left === 0) return send(command);
    state.left -= 1;
    throw Object.assign(new Error('conflict'), { name: 'ReplicatedWriteConflictException' });
  }) as never);
  return state;
}

it.each([1, 3, 7])('%i conflicts in a row delay nobody noticeably', async (times) => {
  const state = conflicts(times);
  const user = { user_id: `met-${times}` };
  const { status, json } = await register(platform, a, signer, user);
  expect([status, state.left]).toEqual([201, 0]);
  state.left = times;
  expect((await remove(platform, a, signer, json.id)).status).toBe(204);
});

it('an endless conflict is 503; afterwards the same user registers as if for the first time', async () => {
  conflicts(1_000);
  const answer = await register(platform, a, signer, { user_id: 'met-often' });
  expect([answer.status, answer.code, answer.headers['retry-after']]).toEqual([503, 'unavailable', '1']);
  vi.restoreAllMocks();
  const again = await register(platform, a, signer, { user_id: 'met-often' });
  expect([again.status, again.headers['idempotency-replayed']]).toEqual([201, undefined]);
});

it('an existing revocation needs no write, so no conflict can hide it', async () => {
  const { clientId: client_id, kid } = await makeClient(platform);
  await platform.operate('clients.revoke-key', { client_id, kid });
  conflicts(1_000);
  expect(await platform.operate('clients.revoke-key', { client_id, kid })).toMatchObject({
    keys: [{ kid, revoked: true }],
  });
});
