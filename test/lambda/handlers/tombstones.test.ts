/** Idempotent registering, and deletions that no withheld proof can undo. */
import { describe, expect, it } from 'vitest';
import { registrationId } from '../../../protocol/registration.ts';
import { regionsForFile } from '../../support/regions.ts';
import { makeClient, prepare, read, register, remove } from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile();
const signer = await makeClient(platform);

let count = 0;
const newUser = () => ({ user_id: `user-${++count}`, email: 'someone@example.com' });
const wait = (ms: number) => {
  platform.clock.nowMs += ms;
};
const idOf = (user: { user_id: string }) => registrationId(signer.clientId, user.user_id);

describe('the same user again', () => {
  it('with the same data, in any notation, is the same 201, in either Region', async () => {
    const user = newUser();
    const first = await register(platform, a, signer, user);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    wait(1_000);
    const spelled = `{ "email" : "some\\u006fne@example.com",\n "user_id":"${user.user_id}" }`;
    const again = await register(platform, b, signer, spelled);
    expect(again.status).toBe(201);
    expect(again.json).toEqual(first.json);
    expect(again.headers.etag).toBe(first.headers.etag);
    expect(again.headers['idempotency-replayed']).toBe('true');
  });

  it('with other data is 409 and changes nothing', async () => {
    const user = newUser();
    const first = await register(platform, a, signer, user);
    const other = await register(platform, b, signer, { ...user, email: 'other@example.com' });
    expect([other.status, other.code]).toEqual([409, 'registration_conflict']);
    expect((await read(platform, a, signer, first.json.id)).json).toEqual(first.json);
  });

  it('registered 20 times at once is stored once', async () => {
    const user = newUser();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => register(platform, platform.regions[i % 2]!, signer, user)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers.filter(({ headers }) => !headers['idempotency-replayed'])).toHaveLength(1);
  });
});

describe('a POST withheld until after the DELETE', () => {
  it('restores nothing', async () => {
    const user = newUser();
    await register(platform, a, signer, user);
    const withheld = await prepare(platform, a, signer, user);
    wait(10_000);
    expect((await remove(platform, b, signer, idOf(user))).status).toBe(204);
    wait(10_000);
    const answer = await a.send(withheld);
    expect(answer.code).toBe('use_nonce');
    expect((await read(platform, a, signer, idOf(user))).status).toBe(404);
  });

  it('restores nothing if nothing was stored before the DELETE', async () => {
    const user = newUser();
    const withheld = await prepare(platform, a, signer, user);
    wait(10_000);
    expect((await remove(platform, a, signer, idOf(user))).status).toBe(404);
    wait(10_000);
    expect((await a.send(withheld)).code).toBe('use_nonce');
    expect((await read(platform, a, signer, idOf(user))).status).toBe(404);
  });

  it('restores nothing between two DELETEs', async () => {
    const user = newUser();
    expect((await remove(platform, a, signer, idOf(user))).status).toBe(404);
    wait(10_000);
    const withheld = await prepare(platform, a, signer, user);
    wait(10_000);
    expect((await remove(platform, b, signer, idOf(user))).status).toBe(404);
    expect((await a.send(withheld)).code).toBe('use_nonce');
    expect((await read(platform, a, signer, idOf(user))).status).toBe(404);
  });

  it('restores nothing with a nonce from a clock 2E ahead of the deletion; a later nonce registers', async () => {
    const user = newUser();
    await register(platform, a, signer, user);
    await remove(platform, a, signer, idOf(user));
    wait(4_000);
    const early = await register(platform, a, signer, user);
    expect(early.code).toBe('use_nonce');
    expect(early.headers['replay-nonce']).toBeUndefined();
    const retryAfterS = Number(early.headers['retry-after']);
    expect(retryAfterS).toBeGreaterThan(0);
    wait(retryAfterS * 1000);
    const late = await register(platform, a, signer, user);
    expect(late.status).toBe(201);
    expect((await read(platform, b, signer, idOf(user))).status).toBe(200);
  });

  it('need not wait longer than Retry-After: a nonce fetched then registers', async () => {
    const user = newUser();
    await remove(platform, a, signer, idOf(user));
    const early = await register(platform, a, signer, user);
    wait(Number(early.headers['retry-after']) * 1000);
    expect((await register(platform, a, signer, user)).status).toBe(201);
  });
});

describe('a deletion', () => {
  it('leaves a tombstone without personal data', async () => {
    const user = { user_id: 'very-personal-name', email: 'private@example.com' };
    await register(platform, a, signer, user);
    await remove(platform, a, signer, idOf(user));
    const items = (await platform.items('registry')).map((item) => JSON.stringify(item));
    const left = items.filter((item) => item.includes(idOf(user)));
    expect(left).toHaveLength(1);
    expect(left[0]).not.toContain('personal');
    expect(left[0]).not.toContain('private@');
  });

  it('never moves its tombstone back in time, even with a clock that is behind', async () => {
    const user = newUser();
    await remove(platform, a, signer, idOf(user));
    wait(-1_500);
    await remove(platform, b, signer, idOf(user));
    wait(1_500 + 4_000);
    expect((await register(platform, a, signer, user)).code).toBe('use_nonce');
  });

  it('repeated is 404, and a client sees the deletion in both Regions', async () => {
    const user = newUser();
    await register(platform, a, signer, user);
    expect((await remove(platform, a, signer, idOf(user))).status).toBe(204);
    expect((await remove(platform, b, signer, idOf(user))).status).toBe(404);
    expect((await read(platform, b, signer, idOf(user))).status).toBe(404);
  });
});
