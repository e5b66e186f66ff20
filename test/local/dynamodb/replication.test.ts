/**
 * How strong and eventual global tables behave toward a client that expects more than they guarantee
 * (docs/aws-truths.md).
 */
import { describe, expect, it } from 'vitest';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import type { EventualTable } from '../../../local/dynamodb/eventual-table.ts';
import type { StrongTable } from '../../../local/dynamodb/strong-table.ts';

const T0 = 1_795_430_000_000;

function store(mode: 'eventual' | 'strong', clocks: Record<string, number> = {}) {
  const db = new Dynamodb({
    regions: ['a', 'b'],
    witness: 'w',
    modeOf: () => mode,
    nowMs: (region) => clocks[region] ?? T0,
  });
  const KeySchema = [{ AttributeName: 'pk', KeyType: 'HASH' }];
  const StreamSpecification = { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' };
  db.ask('a', 'CreateTable', { TableName: 't', KeySchema, StreamSpecification } as never);
  const put = (region: string, pk: string, v: string, condition?: string) =>
    db.ask(region, 'PutItem', {
      TableName: 't',
      Item: { pk: { S: pk }, v: { S: v } },
      ...(condition !== undefined && { ConditionExpression: condition }),
    });
  const get = (region: string, pk: string, ConsistentRead = true): string | undefined =>
    (
      db.ask(region, 'GetItem', { TableName: 't', Key: { pk: { S: pk } }, ConsistentRead }) as {
        Item?: { v: { S: string } };
      }
    ).Item?.v.S;
  const table = db.table('a', 't');
  const records = (region: string) => table.stream(region)!.records();
  return { db, put, get, table, records };
}

const named = (name: string) => expect.objectContaining({ name });

describe('eventual', () => {
  const absent = 'attribute_not_exists(pk)';

  it('evaluates a condition on its own copy: an item can be created twice, and the later write wins', () => {
    const clocks = { a: T0, b: T0 + 1 };
    const { put, get, table, records } = store('eventual', clocks);
    put('a', 'x', 'of a', absent);
    put('b', 'x', 'of b', absent);
    expect([get('a', 'x'), get('b', 'x')]).toEqual(['of a', 'of b']);
    (table as EventualTable).deliverAll();
    expect([get('a', 'x'), get('b', 'x')]).toEqual(['of b', 'of b']);
    expect(records('a').map(({ eventName, new: now }) => [eventName, now?.v?.S])).toEqual([
      ['INSERT', 'of a'],
      ['MODIFY', 'of b'],
    ]);
    expect(records('b').map(({ eventName }) => eventName)).toEqual(['INSERT']);
  });

  it('converges after any partition, and a deletion replicates like any other write', () => {
    const clocks = { a: T0, b: T0 };
    const { db, put, get, table } = store('eventual', clocks);
    put('a', 'x', '1');
    (table as EventualTable).deliverAll();
    db.network.partition([['a'], ['b']]);
    clocks.a += 10;
    db.ask('a', 'DeleteItem', { TableName: 't', Key: { pk: { S: 'x' } } } as never);
    clocks.b += 5;
    put('b', 'x', '2');
    expect((table as EventualTable).links()).toEqual([]);
    db.network.heal();
    (table as EventualTable).deliverAll();
    expect([get('a', 'x'), get('b', 'x')]).toEqual([undefined, undefined]);
  });

  it('may deliver several changes of one item as its last state', () => {
    const { put, get, table, records } = store('eventual');
    for (const v of ['1', '2', '3']) put('a', 'x', v);
    const [link] = (table as EventualTable).links();
    (table as EventualTable).deliver(link!, true);
    expect(get('b', 'x')).toBe('3');
    expect(records('b')).toHaveLength(1);
    expect((table as EventualTable).underWay()).toBe(0);
  });

  it('loses the unsent writes of a lost Region', () => {
    const { db, put, get, table } = store('eventual');
    put('a', 'x', '1');
    db.network.lose('a');
    expect(() => get('a', 'x')).toThrow(named('InternalServerError') as never);
    expect((table as EventualTable).links()).toEqual([]);
    (table as EventualTable).forget('a');
    db.network.bringBack('a');
    (table as EventualTable).deliverAll();
    expect([get('a', 'x'), get('b', 'x')]).toEqual(['1', undefined]);
  });

  it('removes expired items by TTL, in the other Regions too; the stream says so where it happened', () => {
    const { db, get, table, records } = store('eventual');
    const Item = { pk: { S: 'x' }, v: { S: 'v' }, ttl: { N: String(T0 / 1000 - 1) } };
    db.ask('a', 'PutItem', { TableName: 't', Item } as never);
    (table as EventualTable).deliverAll();
    (table as EventualTable).sweep('a', 'ttl');
    expect([get('a', 'x'), get('b', 'x')]).toEqual([undefined, 'v']);
    (table as EventualTable).deliverAll();
    expect(get('b', 'x')).toBeUndefined();
    expect(records('a').at(-1)).toMatchObject({ eventName: 'REMOVE', byTtl: true });
    expect(records('b').at(-1)).toMatchObject({ eventName: 'REMOVE', byTtl: false });
  });
});

describe('strong', () => {
  const absent = 'attribute_not_exists(pk)';

  it('evaluates a condition on the latest write of any Region; a weak read may be old', () => {
    const { put, get, table } = store('strong');
    put('a', 'x', 'of a', absent);
    expect(() => put('b', 'x', 'of b', absent)).toThrow(named('ConditionalCheckFailedException') as never);
    expect([get('b', 'x'), get('b', 'x', false)]).toEqual(['of a', undefined]);
    (table as StrongTable).advance('b');
    expect(get('b', 'x', false)).toBe('of a');
  });

  it("refuses a write that conflicts with another Region's on the same item", () => {
    const { db, put, get } = store('strong');
    const Item = { pk: { S: 'x' }, v: { S: 'first' } };
    const first = db.begin('a', 'PutItem', { TableName: 't', Item } as never);
    expect(() => put('b', 'x', 'second')).toThrow(named('ReplicatedWriteConflictException') as never);
    put('b', 'y', 'another item');
    first.commit();
    expect(get('b', 'x')).toBe('first');
    put('b', 'x', 'second');
    const dropped = db.begin('a', 'PutItem', { TableName: 't', Item } as never);
    dropped.abandon();
    put('b', 'x', 'third');
    expect(get('a', 'x')).toBe('third');
  });

  it('answers as long as a second replica can be reached; the witness counts', () => {
    const { db, put, get } = store('strong');
    db.network.lose('b');
    put('a', 'x', '1');
    expect(get('a', 'x')).toBe('1');
    db.network.partition([['a'], ['w']]);
    expect(() => put('a', 'x', '2')).toThrow(named('InternalServerError') as never);
    expect(() => get('a', 'x')).toThrow(named('InternalServerError') as never);
    expect(get('a', 'x', false)).toBe('1');
    db.network.heal();
    db.network.bringBack('b');
    expect(get('b', 'x')).toBe('1');
  });

  it('without quorum between begin and commit: the write is not made', () => {
    const { db, get } = store('strong');
    const Item = { pk: { S: 'x' }, v: { S: '1' } };
    const write = db.begin('a', 'PutItem', { TableName: 't', Item } as never);
    db.network.partition([['a'], ['b', 'w']]);
    expect(() => write.commit()).toThrow(named('InternalServerError') as never);
    db.network.heal();
    expect(get('b', 'x')).toBeUndefined();
  });

  it('has the same records in the same order in every stream that is on', () => {
    const { db, put, table, records } = store('strong');
    const StreamSpecification = { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' };
    db.ask('b', 'UpdateTable', { TableName: 't', StreamSpecification });
    for (const [region, v] of [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ] as const)
      put(region, 'x', v);
    for (const region of ['a', 'b']) (table as StrongTable).advance(region);
    expect(records('a')).toEqual(records('b'));
    expect(records('b').map(({ new: now }) => now?.v?.S)).toEqual(['1', '2', '3']);
  });

  it('has no TTL', () => {
    const { db } = store('strong');
    const input = { TableName: 't', TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true } };
    expect(() => db.ask('a', 'UpdateTimeToLive', input as never)).toThrow(
      named('ValidationException') as never,
    );
  });
});
