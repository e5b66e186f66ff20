/** `GET /v1/events/{after}`: a client reads its own events, once or again, in any Region. */
import { expect, it } from 'vitest';
import { createEvents } from '../../../lambda/adapters/events.ts';
import { append } from '../../../lambda/callbacks/outbox.ts';
import { tableName } from '../../../lambda/contract/names.ts';
import { eventId, type PlatformEvent, readCursor } from '../../../protocol/event.ts';
import { STAGE } from '../../support/dynalite.ts';
import { type Region, regionsForFile } from '../../support/regions.ts';
import { makeClient, readEvents } from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile();
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let count = 0;
const event = (client_id: string): PlatformEvent => {
  const atMs = platform.clock.nowMs;
  const version = `eu-west-1.${atMs}.${++count}`;
  const id = String(count).padStart(43, 'i');
  return {
    id: eventId([`${client_id}#${id}`], version),
    type: 'registration.created',
    timestamp: new Date(atMs).toISOString(),
    data: { id, client_id, version },
  };
};
const eventsOf = (region: Region) => createEvents(region.dynamodb, tableName(STAGE, 'events'));
const write = (region: Region, ...list: PlatformEvent[]) =>
  append(eventsOf(region), list, () => platform.clock.nowMs);
const wait = (ms: number) => {
  platform.clock.nowMs += ms;
};

it('a client reads its own events, the oldest first, and nobody else’s; at the end next is what it sent', async () => {
  const [signer, other] = [await makeClient(platform), await makeClient(platform)];
  const [first, second] = [event(signer.clientId), event(signer.clientId)];
  await write(a, first, event(other.clientId));
  await write(a, second);
  const page = await readEvents(platform, a, signer, '0');
  expect([page.status, page.json.events]).toEqual([200, [first, second]]);
  expect(page.headers['cache-control']).toBe('no-store');
  const end = await readEvents(platform, a, signer, page.json.next);
  expect(end.json).toEqual({ events: [], next: page.json.next });
  const third = event(signer.clientId);
  await write(a, third);
  expect((await readEvents(platform, a, signer, end.json.next)).json.events).toEqual([third]);
  expect((await readEvents(platform, b, signer, '0')).json).toEqual({ events: [], next: '0' });
});

it('comes in pages of a hundred', async () => {
  const signer = await makeClient(platform);
  const all = Array.from({ length: 230 }, () => event(signer.clientId));
  await write(a, ...all);
  const seen: PlatformEvent[] = [];
  const sizes: number[] = [];
  for (let after = '0'; ; ) {
    const { json } = await readEvents(platform, a, signer, after);
    sizes.push(json.events.length);
    seen.push(...json.events);
    if (json.next === after) break;
    after = json.next;
  }
  expect(sizes).toEqual([100, 100, 30, 0]);
  expect(seen).toEqual(all);
});

it('in another Region a cursor goes back 25 hours, and not more than that', async () => {
  const signer = await makeClient(platform);
  const list = { old: event(signer.clientId), day: event(signer.clientId), now: event(signer.clientId) };
  await write(b, list.old);
  wait(2 * HOUR_MS);
  await write(b, list.day);
  wait(24.5 * HOUR_MS);
  await write(a, list.now);
  const { json } = await readEvents(platform, a, signer, '0');
  await write(b, list.now);
  const moved = await readEvents(platform, b, signer, json.next);
  expect(moved.json.events).toEqual([list.day, list.now]);
  expect(readCursor(moved.json.next)?.region).toBe(b.name);
  expect((await readEvents(platform, b, signer, moved.json.next)).json.events).toEqual([]);
});

it('a cursor behind which events may be gone is 410, and one of a client without changes is not', async () => {
  const [signer, quiet] = [await makeClient(platform), await makeClient(platform)];
  await write(a, event(signer.clientId), event(quiet.clientId));
  const cursors = await Promise.all([signer, quiet].map((each) => readEvents(platform, a, each, '0')));
  const [old, still] = cursors.map(({ json }) => json.next as string) as [string, string];
  // Events that TTL has deleted meanwhile.
  await eventsOf(a).take(signer.clientId, 5, platform.clock.nowMs);
  wait(31 * DAY_MS);
  const latest = event(signer.clientId);
  await write(a, latest);
  const gone = await readEvents(platform, a, signer, old);
  expect([gone.status, gone.code]).toEqual([410, 'cursor_gone']);
  const again = await readEvents(platform, a, signer, '0');
  expect(again.json.events.at(-1)).toEqual(latest);
  expect((await readEvents(platform, a, quiet, still)).json).toEqual({ events: [], next: still });
  expect((await readEvents(platform, b, quiet, still)).code).toBe('cursor_gone');
});

it('a cursor of another form is refused, and only after the proof', async () => {
  const signer = await makeClient(platform);
  for (const after of ['1', 'x', 'AAAA', Buffer.alloc(20).toString('base64url'), 'a'.repeat(40)]) {
    const { status, code } = await readEvents(platform, a, signer, after);
    expect([after, status, code]).toEqual([after, 400, 'malformed_request']);
  }
  const bare = await a.send({ method: 'GET', path: '/v1/events/x', headers: {} });
  expect(bare.code).toBe('malformed_request');
  const long = await readEvents(platform, a, signer, 'a'.repeat(41));
  expect(long.status).toBe(404);
});

it('reads are limited, and a write proof reads nothing', async () => {
  const region = a.instance({ COUNTERSIGN_SIGNATURES_PER_MINUTE: '2' });
  const signer = await makeClient(platform);
  const codes = [];
  for (let i = 0; i < 3; i++) codes.push((await readEvents(platform, region, signer, '0')).code);
  expect(codes).toEqual([undefined, undefined, 'quota_exceeded']);
});

it('who gets the name of a deleted client does not read the events of the one before', async () => {
  const before = await makeClient(platform);
  const { clientId } = before;
  await write(a, event(clientId));
  await platform.operate('clients.delete', { client_id: clientId });
  wait(HOUR_MS);
  const signer = await makeClient(platform, clientId);
  const own = event(clientId);
  await write(a, own);
  expect((await readEvents(platform, a, signer, '0')).json.events).toEqual([own]);
});
