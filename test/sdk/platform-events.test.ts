/** The client reads events from the whole platform: the real handlers, streams, outbox and stores. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { CountersignClient, type ReadEvent } from '../../sdk/typescript/index.ts';

let platform: Platform;
const clients: CountersignClient[] = [];
beforeAll(async () => {
  platform = await startPlatform({ port: 0 });
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await platform?.stop();
});

function connect(url: string, profile = 'strict'): CountersignClient {
  const { api_key: apiKey } = platform.info.clients.find((client) => client.profile === profile)!;
  const client = new CountersignClient({ url, apiKey });
  clients.push(client);
  return client;
}

/** Reads on until the events of so many registrations have come: a stream is a moment behind. */
async function read(client: CountersignClient, count: number, after?: string): Promise<ReadEvent[]> {
  const events: ReadEvent[] = [];
  for (let cursor = after; events.length < count; )
    for await (const event of client.events(cursor === undefined ? {} : { after: cursor })) {
      events.push(event);
      cursor = event.cursor;
    }
  return events;
}

test('the events of a registration are read in their order, and a reader resumes behind what it handled', async () => {
  const client = connect(platform.info.regions[0]!.url);
  const ada = await client.register({ user_id: 'ada' });
  await client.delete(ada.id);
  const grace = await client.register({ user_id: 'grace' });
  const events = await read(client, 3);
  // Shards of a stream race: the order is that of each registration's own events.
  const of = (id: string) =>
    events.flatMap(({ type, data }) => ((data as { id: string }).id === id ? [type] : []));
  expect(of(ada.id)).toEqual(['registration.created', 'registration.deleted']);
  expect(of(grace.id)).toEqual(['registration.created']);
  for (const { id, data } of events) {
    expect(id).toMatch(/^evt_[\w-]{43}$/);
    expect(data.client_id).toBe('dev');
    // Ids only.
    expect(JSON.stringify(data)).not.toContain('grace');
  }
  const { cursor } = events.at(-1)!;
  const mary = await client.register({ user_id: 'mary' });
  const later = await read(client, 1, cursor);
  expect(later.map(({ data }) => (data as { id: string }).id)).toEqual([mary.id]);
});

test('another Region has the same events with the same ids, and a cursor of the first one loses none', async () => {
  const [one, other] = platform.info.regions.map(({ url }) => connect(url)) as [
    CountersignClient,
    CountersignClient,
  ];
  const before = await read(one, 4);
  const seen = await read(other, 4, before[1]!.cursor);
  const ids = new Set(before.map(({ id }) => id));
  expect(new Set(seen.map(({ id }) => id))).toEqual(ids);
});

test('a client reads its own events alone', async () => {
  const basic = connect(platform.info.regions[0]!.url, 'basic');
  await basic.register({ user_id: 'basic' });
  const events = await read(basic, 1);
  expect(events.map(({ data }) => data.client_id)).toEqual(['dev-basic']);
});
