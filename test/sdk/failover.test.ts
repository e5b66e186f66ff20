/** The client, a Region that is lost, and clocks that are wrong: on the whole platform. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';

let platform: Platform;
beforeAll(async () => {
  // As far apart as the protocol allows: each may be wrong by two seconds.
  platform = await startPlatform({ port: 0, clockErrorMs: { 'local-a': 2_000, 'local-b': -2_000 } });
});
afterAll(() => platform.stop());

const connect = (url: string, skewMs: number) =>
  new CountersignClient(
    { url, apiKey: platform.info.clients[0]!.api_key },
    { now: () => Date.now() + skewMs },
  );

test.each([-300_000, 300_000])(
  'a clock that is %d ms ahead is corrected, before a Region is lost and after',
  async (skewMs) => {
    const { entry, regions } = platform.info;
    await using client = connect(entry, skewMs);
    await using inB = connect(regions[1]!.url, skewMs);
    const user = (name: string) => ({ user_id: `${name} ${skewMs}` });
    const first = await client.register(user('first'));
    expect(await inB.register(user('first'))).toMatchObject({ created_at: first.created_at, replayed: true });
    await inB.delete(first.id);
    // Its nonce is younger than the deletion by either clock, once that is waited for.
    expect(await client.register(user('first'))).toMatchObject({ id: first.id, replayed: false });

    await platform.faults.loseRegion('local-a');
    const second = await client.register(user('second'));
    expect(second.replayed).toBe(false);
    expect((await client.get(first.id)).user_id).toBe(`first ${skewMs}`);
    await platform.faults.bringBackRegion('local-a');
    await using inA = connect(regions[0]!.url, skewMs);
    expect(await inA.register(user('second'))).toMatchObject({
      created_at: second.created_at,
      replayed: true,
    });
  },
);
