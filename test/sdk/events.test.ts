import { expect, test } from 'vitest';
import type { CountersignClient, CountersignEvent, EventsOptions } from '../../sdk/typescript/index.ts';
import { FakePlatform } from './fake-platform.ts';

const event = (i: number): CountersignEvent => ({
  id: `evt_${i}`,
  type: 'registration.created',
  timestamp: '2026-11-23T12:00:00.000Z',
  data: { id: `${i}`, client_id: 'test', version: `a.${i}.x` },
});
const events = (count: number) => Array.from({ length: count }, (_, i) => event(i));

const withEvents = (count: number, regions = ['a', 'b']) => {
  const platform = new FakePlatform(regions);
  for (const region of regions) platform.events.set(region, events(count));
  platform.eventsPerPage = 3;
  return platform;
};

async function idsOf(client: CountersignClient, options?: EventsOptions): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of client.events(options)) ids.push(id);
  return ids;
}

const ids = (from: number, to: number) =>
  events(to)
    .slice(from)
    .map(({ id }) => id);

test('all events are read, page by page, without a nonce, by a proof for each page', async () => {
  const platform = withEvents(7);
  const read = [];
  for await (const { cursor: _, ...one } of platform.client().events()) read.push(one);
  expect(read).toEqual(events(7));
  expect(platform.log).toEqual([
    'GET entry/.well-known/countersign',
    ...['0', 'a_3', 'a_6', 'a_7'].map((after) => `GET a/v1/events/${after}`),
  ]);
});

test('without an event there is one request, and from the end on there are no events', async () => {
  const platform = withEvents(0);
  expect(await idsOf(platform.client())).toEqual([]);
  expect(platform.log).toHaveLength(2);
  expect(await idsOf(withEvents(7).client(), { after: 'a_7' })).toEqual([]);
});

test('wherever a reader stops, its cursor skips no event and repeats none of an earlier page', async () => {
  for (let stop = 1; stop <= 7; stop++) {
    const client = withEvents(7).client();
    const handled: string[] = [];
    let after = '0';
    for await (const { id, cursor } of client.events()) {
      handled.push(id);
      after = cursor;
      if (handled.length === stop) break;
    }
    const resumed = await idsOf(client, { after });
    expect(handled).toEqual(ids(0, stop));
    expect(resumed).toEqual(ids(stop - (stop === 7 ? 0 : stop % 3), 7));
  }
});

test('a page is asked for only when its first event is', async () => {
  const platform = withEvents(7);
  const reader = platform.client().events();
  for (let i = 0; i < 3; i++) await reader.next();
  expect(platform.log.filter((line) => line.includes('/v1/events/'))).toHaveLength(1);
  await reader.return();
});

test('if a Region fails, the reader goes on in another one, and misses nothing', async () => {
  const platform = withEvents(7);
  let pages = 0;
  platform.fault = ({ path, at }) =>
    at === 'a' && path.startsWith('/v1/events/') && ++pages > 1 ? 'refuse' : undefined;
  const read = await idsOf(platform.client());
  expect(new Set(read)).toEqual(new Set(ids(0, 7)));
  expect(read).toEqual([...ids(0, 3), ...ids(0, 7)]);
});

test('an abort ends the reader with its reason', async () => {
  const platform = withEvents(7);
  const controller = new AbortController();
  const reader = platform.client().events({ signal: controller.signal });
  for (let i = 0; i < 3; i++) await reader.next();
  controller.abort(new Error('enough'));
  await expect(reader.next()).rejects.toThrow('enough');
});

test.each([{ after: '' }, { after: 'a/b' }, { after: 5 }, { after: null }, { form: 'a' }, null])(
  'a wrong option is refused at once: %j',
  (options) => {
    const platform = withEvents(1);
    expect(() => platform.client().events(options as never)).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    );
    expect(platform.seen).toEqual([]);
  },
);

test.each([
  ['no page', {}],
  ['a cursor of another form', { events: [], next: 'a/../b' }],
  ['an event without an id', { events: [{ ...event(0), id: undefined }], next: 'a' }],
  ['an event of another client', { events: [{ ...event(0), data: { client_id: 'other' } }], next: 'a' }],
  ['no list', { events: {}, next: 'a' }],
])('an answer with %s is not believed', async (_, answer) => {
  const platform = withEvents(1);
  platform.fault = ({ path }) => (path.startsWith('/v1/events/') ? Response.json(answer) : undefined);
  await expect(idsOf(platform.client())).rejects.toMatchObject({ code: 'unexpected_answer', attempts: 1 });
});
