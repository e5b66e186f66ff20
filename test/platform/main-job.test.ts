/** The main job over HTTP: the platform of `npm start`, the SDK, and attackers. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { PROBLEMS } from '../../protocol/problem.ts';
import { buildProof } from '../../protocol/proof/build.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';
import { checkedFetch } from '../support/checked-fetch.ts';

let platform: Platform;
let entry: string;
let regions: readonly { readonly name: string; readonly url: string }[];
let apiKey: string;
const http = checkedFetch();

beforeAll(async () => {
  platform = await startPlatform({ port: 0 });
  ({ entry, regions } = platform.info);
  apiKey = platform.info.clients.find(({ profile }) => profile === 'strict')!.api_key;
});
afterAll(() => platform.stop());

const newClient = (url = entry) => new CountersignClient({ url, apiKey, fetch: http as typeof fetch });

describe('the SDK', () => {
  it('registers, reads and deletes, and registers again after the deletion', async () => {
    await using client = newClient();
    const user = { user_id: 'life-cycle', email: 'life@example.com' };
    const made = await client.register(user);
    expect(made).toMatchObject({ client_id: 'dev', data: user, replayed: false });
    expect(await client.register(user)).toMatchObject({ id: made.id, replayed: true });
    expect(await client.get(made.id)).toMatchObject({ id: made.id, data: user });
    await expect(client.register({ ...user, email: 'other@example.com' })).rejects.toMatchObject({
      code: 'registration_conflict',
    });
    await client.delete(made.id);
    await expect(client.get(made.id)).rejects.toMatchObject({ code: 'not_found' });
    // It waits for Retry-After, and fetches a nonce that is young enough.
    expect(await client.register(user)).toMatchObject({ id: made.id, replayed: false });
  });

  it('needs 1.0 round trips per registration in a batch, after the first', async () => {
    await using client = newClient();
    await client.register({ user_id: 'warm-up' });
    http.count = 0;
    const users = Array.from({ length: 200 }, (_, i) => ({ user_id: `batch-${i}` }));
    let registered = 0;
    for await (const { ok } of client.registerBatch(users, { concurrency: 10 })) registered += Number(ok);
    expect(registered).toBe(200);
    // One request fetched nonces for the calls that began together.
    expect(http.count).toBeLessThanOrEqual(201);
  });

  it('uses the Region that it is given', async () => {
    for (const { url } of regions) {
      await using client = newClient(url);
      expect((await client.register({ user_id: 'either-region' })).id).toHaveLength(43);
    }
  });
});

describe('one proof', () => {
  it('sent 100 times at once to both Regions and the entry: one 201, 99 × use_nonce', async () => {
    const { nonce } = (await (await http(`${regions[0]!.url}/v1/nonce?client_id=dev`)).json()) as {
      nonce: string;
    };
    const body = JSON.stringify({ user_id: 'replayed-over-http' });
    const proof = await buildProof({
      key: new TextEncoder().encode(apiKey),
      alg: 'HS256',
      kid: '1',
      clientId: 'dev',
      issuer: entry,
      method: 'POST',
      url: `${entry}/v1/register`,
      body: new TextEncoder().encode(body),
      nonce,
      nowS: Date.now() / 1000,
      lifeS: 120,
    });
    const targets = [entry, ...regions.map(({ url }) => url)];
    const send = async (url: string) => {
      const headers = { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' };
      const answer = await http(`${url}/v1/register`, { method: 'POST', headers, body });
      return answer.status === 201 ? '201' : ((await answer.json()) as { code: string }).code;
    };
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, i) => send(targets[i % targets.length]!)),
    );
    expect(outcomes.filter((outcome) => outcome === '201')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'use_nonce')).toHaveLength(99);
  });
});

describe('the material for readers', () => {
  it('the page that a problem names gives the remedy, for every code', async () => {
    const refused = await http(`${regions[0]!.url}/v1/nonce`);
    const { type } = (await refused.json()) as { type: string };
    for (const code of Object.keys(PROBLEMS)) {
      const page = await fetch(type.replace('malformed_request', code));
      expect(page.status, code).toBe(200);
      expect(await page.text()).toMatch(new RegExp(`^# ${code}\\n[^]*## What to do\\n`));
    }
  });

  it('the examples contain 1,000 different users each', () => {
    const lines = (name: string) =>
      readFileSync(new URL(`../../examples/${name}`, import.meta.url), 'utf8')
        .trim()
        .split('\n');
    expect(new Set(lines('users.csv')).size).toBe(1_001);
    expect(new Set(lines('users.jsonl').map((line) => JSON.parse(line).user_id)).size).toBe(1_000);
  });
});
