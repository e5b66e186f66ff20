/** The quantities on the cost page match the code, and its sums match its quantities. */
import { expect, it } from 'vitest';
import { createEvents } from '../../lambda/adapters/events.ts';
import { append } from '../../lambda/callbacks/outbox.ts';
import { TABLES, tableName } from '../../lambda/contract/names.ts';
import { KeysetCache } from '../../lambda/request/keyset-cache.ts';
import { writesCheck } from '../../lambda/request/writes.ts';
import { type Carry, dynamodbClientOn } from '../../local/dynamodb/client.ts';
import { Dynamodb } from '../../local/dynamodb/dynamodb.ts';
import {
  flood,
  healthTraffic,
  instances,
  millionEvents,
  millionRegistrations,
} from '../../scripts/cost-use.ts';
import { production, resourcesOf } from '../../scripts/reference.ts';

const KEYSET = JSON.stringify({ keys: [] });
const MONTH_HOURS = 30 * 24;

/** @returns the cells of the row that begins with this text */
function row(table: string, start: string): string[] {
  const line = table.split('\n').find((each) => each.startsWith(`| ${start}`));
  return line!
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.replaceAll('*', '').trim());
}

const numberIn = (text: string): number => Number(text.replaceAll(',', ''));

it('an instance reads a keyset and what was revoked as often as the page counts', async () => {
  let nowMs = Date.UTC(2026, 0, 1);
  const reads = { keyset: 0, revoked: 0 };
  const cache = new KeysetCache({
    purpose: 'token',
    read: async () => {
      reads.keyset++;
      return KEYSET;
    },
    readRevoked: async () => {
      reads.revoked++;
      return [];
    },
    nowMs: () => nowMs,
    maxAgeMs: 24 * 3600 * 1000,
    log: () => {},
  });
  const endMs = nowMs + 3600 * 1000;
  // An instance that is never idle: one request every tenth of a second.
  for (; nowMs < endMs; nowMs += 100) await cache.current();
  const [, keysets, , , revoked] = row(instances(), '`jwks`');
  // The first request after a copy has reached its age reads it again.
  const counted = { keyset: numberIn(keysets!) / MONTH_HOURS, revoked: numberIn(revoked!) / MONTH_HOURS };
  expect(Math.abs(reads.keyset / counted.keyset - 1)).toBeLessThan(0.05);
  expect(Math.abs(reads.revoked / counted.revoked - 1)).toBeLessThan(0.05);
});

it('an instance that writes reads the flag and the stop as often as the page counts', async () => {
  let nowMs = Date.UTC(2026, 0, 1);
  let reads = 0;
  const read = async () => {
    reads += 1;
    return undefined;
  };
  const check = writesCheck({
    ...{ evacuations: { read }, stop: { read }, region: 'r' },
    nowMs: () => nowMs,
    log: () => {},
  });
  const endMs = nowMs + 3600 * 1000;
  for (; nowMs < endMs; nowMs += 100) await check();
  const inAnHour = (name: string) => numberIn(row(instances(), name)[4]!) / MONTH_HOURS;
  // Beside the two lists of revoked keys, which an instance of health reads as well.
  expect(Math.abs(reads / (inAnHour('`register`') - inAnHour('`health`')) - 1)).toBeLessThan(0.05);
});

it('functions have the memory that the page multiplies by', () => {
  const functions = [...resourcesOf(production('prod')).values()]
    .flatMap((resources) => Object.values(resources))
    .filter(({ Type }) => Type === 'AWS::Lambda::Function');
  expect(functions.length).toBeGreaterThan(10);
  expect(new Set(functions.map(({ Properties }) => Properties.MemorySize))).toEqual(new Set([1024]));
});

it('sums are what the quantities make, worked out by hand', () => {
  // 6 checkers × 2 a minute × 43,200 minutes; per million 3.50 + 0.20 + 0.60 + 0.133 + 0.425 + 0.20 + 0.09,
  // and 3 write units. That is 3.64; 172,800 notes at 0.625, 1,555,200 reads at 0.125 and 43,200 calls at
  // 1.02 a million.
  expect(row(healthTraffic(), '**sum**')).toEqual(['sum', '', '', '3.99']);
  expect(row(millionRegistrations(), '**sum**')).toEqual(['sum', '', '', '5.94', '6.74', '7.37', '7.99']);
  // 86.4 million at 4.348 and 5.148 a million.
  expect(row(flood(), 'answered').slice(1)).toEqual(['86,400,000', '375.70', '444.82']);
  // 86.4 million at 0.045, and at that and 0.80 more.
  expect(row(flood(), 'refused').slice(1)).toEqual(['86,400,000', '3.89', '73.01']);
});

it('an event is written as often as the page counts', async () => {
  const nowMs = () => Date.UTC(2026, 0, 1);
  const store = new Dynamodb({ regions: ['a'], modeOf: () => 'regional', nowMs });
  const TableName = tableName('test', 'events');
  const KeySchema = TABLES.events.keys.map((AttributeName) => ({ AttributeName }));
  store.ask('a', 'CreateTable', { TableName, KeySchema } as never);
  const written: string[] = [];
  const counting: Carry = async ({ region, operation, input }, on) => {
    if (operation !== 'GetItem') written.push(operation);
    return on.ask(region, operation, input);
  };
  const events = createEvents(dynamodbClientOn(store, 'a', counting), TableName);
  const batch = Array.from({ length: 10 }, (_, i) => ({
    ...{ id: `evt_${i}`, type: 'registration.created' as const, timestamp: '' },
    data: { client_id: 'shop', version: `a.1.${i}` },
  }));
  await append(events, batch, nowMs);
  // The first numbers of an order take more.
  written.length = 0;
  await append(events, batch, nowMs);
  const count = (operation: string) => written.filter((each) => each === operation).length;
  const counted = (start: string) => numberIn(row(millionEvents(), start)[1]!.split(' ')[0]!);
  expect(counted('events')).toBe((count('PutItem') / 10) * 1e6);
  expect(counted('their numbers')).toBe((count('UpdateItem') / 10) * 1e6);
});
