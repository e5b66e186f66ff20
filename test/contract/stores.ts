/**
 * What the adapters ask of DynamoDB, as one suite: the embedded engine and the real ones must pass it alike,
 * so that nothing rests on what one of them lacks.
 */
import { GetItemCommand, ScanCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dynamodb } from '../../lambda/adapters/aws/commands.ts';
import type { SdkDynamodb } from '../../lambda/adapters/aws-sdk.ts';
import { createClients } from '../../lambda/adapters/clients.ts';
import { createEvents } from '../../lambda/adapters/events.ts';
import { createLedger } from '../../lambda/adapters/ledger.ts';
import { createLimits } from '../../lambda/adapters/limits.ts';
import { createRegistry } from '../../lambda/adapters/registry.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { consumes, type LedgerRecord, ledgerTtlS } from '../../protocol/ledger.ts';
import { counterTtlS, grants } from '../../protocol/quota.ts';
import {
  decideDelete,
  decideRegister,
  isTombstone,
  type Registration,
  type RegistryRecord,
} from '../../protocol/registration.ts';
import { createTables, losingAnswers, STAGE } from '../support/dynalite.ts';

const E_MS = 2_000;
const T0 = 1_795_430_000_000;
let unique = 0;

/** @param adapted makes the client that the adapters get */
export function storesContract(
  engine: string,
  connect: () => SdkDynamodb,
  adapted: () => Dynamodb = connect,
): void {
  describe(`the stores on ${engine}`, () => {
    let db: SdkDynamodb;
    let under: Dynamodb;
    beforeAll(async () => {
      db = connect();
      under = adapted === connect ? db : adapted();
      await createTables(db, ['registry', 'clients', 'ledger', 'limits', 'events']);
    });
    const ledger = () => createLedger(under, tableName(STAGE, 'ledger'));
    const registry = (consistency: 'strong' | 'eventual' = 'eventual') =>
      createRegistry(under, tableName(STAGE, 'registry'), { region: 'r', consistency, clockErrorMs: E_MS });

    const nonce = () => ({
      text: `nonce-${++unique}`,
      kid: 'AAAAAA',
      region: 'r',
      issuedMs: T0,
      lifeMs: 300_000,
    });

    it('the ledger decides as the protocol does, for any order of invocations and retries', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.constantFrom('w1', 'w2', 'w3'), { maxLength: 6 }), async (tokens) => {
          const use = nonce();
          let model: LedgerRecord | undefined;
          for (const w of tokens) {
            const expected = consumes(model, w);
            expect(await ledger().consume({ nonce: use, jti: 'j', w })).toBe(expected);
            if (expected) model = { w };
          }
        }),
        { numRuns: 30 },
      );
    });

    it('of 50 invocations at once one consumes', async () => {
      const use = nonce();
      const won = await Promise.all(
        Array.from({ length: 50 }, (_, i) => ledger().consume({ nonce: use, jti: undefined, w: `w${i}` })),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
    });

    it('the limits grant as the protocol does, for any order of leases, and report what is leased', async () => {
      const limits = createLimits(under, tableName(STAGE, 'limits'));
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 20 }),
          fc.array(fc.integer({ min: 1, max: 25 }), { maxLength: 8 }),
          async (limit, blocks) => {
            const client = `c-${++unique}`;
            let leased = 0;
            for (const n of blocks) {
              const granted = grants(leased, n, limit);
              if (granted) leased += n;
              expect(await limits.lease(client, 7, n, limit)).toBe(granted ? leased : undefined);
            }
          },
        ),
        { numRuns: 30 },
      );
    });

    it('of 50 leases at once no more than the limit are granted, and the counter ends by TTL', async () => {
      const limits = createLimits(under, tableName(STAGE, 'limits'));
      const client = `c-${++unique}`;
      const leases = await Promise.all(Array.from({ length: 50 }, () => limits.lease(client, 9, 3, 100)));
      expect(leases.filter((leased) => leased !== undefined)).toHaveLength(33);
      const Key = { pk: { S: `quota#${client}#9` } };
      const { Item } = await db.send(new GetItemCommand({ TableName: tableName(STAGE, 'limits'), Key }));
      expect(Item).toEqual({ ...Key, leased: { N: '99' }, ttl: { N: String(counterTtlS(9)) } });
    });

    const events = () => createEvents(under, tableName(STAGE, 'events'));
    const event = (id: string) => ({
      ...{ id, type: 'registration.created' as const, timestamp: new Date(T0).toISOString() },
      data: { client_id: 'c', id: 'r', version: 'r.1.x' },
    });

    it('of 50 calls at once each takes numbers of its own, the first ones of a table too', async () => {
      const order = `order-${++unique}`;
      const lasts = await Promise.all(Array.from({ length: 50 }, () => events().take(order, 3, T0)));
      const { settled, last } = (await events().range(order))!;
      expect(lasts.sort((a, b) => a - b)).toEqual(
        Array.from({ length: 50 }, (_, i) => settled + 3 * (i + 1)),
      );
      expect(last).toBe(lasts.at(-1));
    });

    it('numbers go on after a quiet day, and tell that those before are settled', async () => {
      const order = `order-${++unique}`;
      const before = await events().take(order, 3, T0);
      expect(await events().take(order, 1, T0 + 86_399_000)).toBe(before + 1);
      expect((await events().range(order))?.settled).toBe(before - 3);
      expect(await events().take(order, 2, T0 + 3 * 86_400_000)).toBe(before + 3);
      expect(await events().range(order)).toEqual({ settled: before + 1, last: before + 3 });
    });

    it('a number holds one event or a void, and an event that is written again knows its number', async () => {
      const order = `order-${++unique}`;
      const first = (await events().take(order, 4, T0)) - 3;
      expect(await events().put(order, first, event('evt_1'), T0)).toBe(true);
      expect(await events().put(order, first, event('evt_1'), T0)).toBe(true);
      expect(await events().put(order, first, event('evt_2'), T0)).toBe(false);
      await events().close(order, first, T0, T0);
      await events().close(order, first + 2, T0, T0);
      expect(await events().put(order, first + 2, event('evt_2'), T0)).toBe(false);
      expect(await events().put(order, first + 10, event('evt_3'), T0)).toBe(true);
      const at = { writtenAtMs: T0, cursorMs: T0 };
      const held = [
        { seq: first, ...at, event: event('evt_1') },
        { seq: first + 2, ...at, event: undefined },
        { seq: first + 10, ...at, event: event('evt_3') },
      ];
      expect(await events().query(order, first - 1, 10)).toEqual(held);
      expect(await events().query(order, first, 1)).toEqual(held.slice(1, 2));
    });

    it('an event is remembered by its id', async () => {
      expect(await events().has('evt_x')).toBe(false);
      await events().remember('evt_x', T0);
      expect(await events().has('evt_x')).toBe(true);
    });

    it("a ledger row outlives its nonce's own life by 15 minutes", async () => {
      const use = nonce();
      await ledger().consume({ nonce: use, jti: 'j', w: 'w' });
      const Key = { pk: { S: use.text } };
      const { Item } = await db.send(new GetItemCommand({ TableName: tableName(STAGE, 'ledger'), Key }));
      expect(Item).toEqual({
        ...Key,
        w: { S: 'w' },
        jti: { S: 'j' },
        ttl: { N: String((T0 + 300_000 + 900_000) / 1000) },
      });
      expect(ledgerTtlS({ ...use, lifeMs: 1 })).toBe(Math.ceil((T0 + 1 + 900_000) / 1000));
    });

    it('the registry decides as the protocol does, for any history of one registration', async () => {
      const step = fc.record({
        op: fc.constantFrom('register' as const, 'delete' as const),
        data: fc.constantFrom({ user_id: 'u' }, { user_id: 'u', email: 'e@example.com' }),
        afterMs: fc.integer({ min: 0, max: 5_000 }),
        nonceAgeMs: fc.integer({ min: 0, max: 10_000 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
          const [clientId, id] = [`client-${++unique}`, 'i'.repeat(43)];
          let model: RegistryRecord | undefined;
          let nowMs = T0;
          for (const { op, data, afterMs, nonceAgeMs } of steps) {
            nowMs += afterMs;
            if (op === 'delete') {
              const existed = await registry().remove(clientId, id, nowMs, `w${++unique}`);
              expect(existed).toBe(model !== undefined && !isTombstone(model));
              model = decideDelete(model, nowMs, E_MS);
            } else {
              const made: Registration = { id, clientId, userId: 'u', createdAtMs: nowMs, data };
              const expected = decideRegister(model, made, nowMs - nonceAgeMs, E_MS);
              expect(await registry().register(made, nowMs - nonceAgeMs)).toEqual(expected);
              if (expected.kind === 'stored') model = made;
            }
            expect(await registry().read(clientId, id)).toEqual(model);
          }
        }),
        { numRuns: 40 },
      );
    });

    it('a deletion that lands late removes no registration made after it', async () => {
      const made: Registration = {
        id: 'l'.repeat(43),
        clientId: `c-${++unique}`,
        userId: 'u',
        createdAtMs: T0,
        data: { user_id: 'u' },
      };
      await registry().register(made, T0);
      expect(await registry().remove(made.clientId, made.id, T0 - 2 * E_MS - 1, 'late')).toBe(false);
      expect(await registry().read(made.clientId, made.id)).toEqual(made);
      // With a clock that is behind by the maximum.
      expect(await registry().remove(made.clientId, made.id, T0 - 2 * E_MS, 'now')).toBe(true);
    });

    it('erasing removes the tombstone of that deletion, and neither a newer nor an older one', async () => {
      const [clientId, id] = [`c-${++unique}`, 'e'.repeat(43)];
      await registry().remove(clientId, id, T0, 'first');
      await registry().remove(clientId, id, T0 + 10, 'second');
      for (const other of [T0, T0 + 20]) {
        expect(await registry().erase(clientId, id, other)).toBe(false);
        expect(await registry().read(clientId, id)).toEqual({ deletedAtMs: T0 + 10 });
      }
      const lost = losingAnswers(under);
      const erasing = createRegistry(lost, tableName(STAGE, 'registry'), {
        region: 'r',
        consistency: 'eventual',
        clockErrorMs: E_MS,
      });
      expect(await erasing.erase(clientId, id, T0 + 10)).toBe(true);
      expect(await registry().read(clientId, id)).toBeUndefined();
    });

    it('a deletion that is repeated after an unclear answer recognises its own tombstone', async () => {
      const made: Registration = {
        id: 'x'.repeat(43),
        clientId: `c-${++unique}`,
        userId: 'u',
        createdAtMs: T0,
        data: { user_id: 'u' },
      };
      await registry().register(made, T0);
      expect(await registry().remove(made.clientId, made.id, T0, 'same')).toBe(true);
      expect(await registry().remove(made.clientId, made.id, T0, 'same')).toBe(true);
      expect(await registry().remove(made.clientId, made.id, T0 + 1, 'other')).toBe(false);
    });

    it('a tombstone expires by TTL after 30 days; strong mode has no TTL, and there it stays', async () => {
      const id = 't'.repeat(43);
      for (const mode of ['eventual', 'strong'] as const)
        await registry(mode).remove(`ttl-${mode}`, id, T0, 'w');
      const { Items = [] } = await db.send(new ScanCommand({ TableName: tableName(STAGE, 'registry') }));
      const ttl = (mode: string) => Items.find((item) => item.pk!.S === `ttl-${mode}#${id}`)?.ttl?.N;
      expect(ttl('eventual')).toBe(String(T0 / 1000 + 30 * 24 * 3600));
      expect(ttl('strong')).toBeUndefined();
    });

    it('probes can be overwritten any number of times', async () => {
      for (let i = 0; i < 3; i++) {
        await ledger().probe(T0 + i);
        await registry().probe('eu-west-1', T0 + i);
      }
    });

    it('a client is stored and read as a whole, with its state in a separate item', async () => {
      const clients = createClients(under, tableName(STAGE, 'clients'));
      const key = { usableAtS: 1, expiresAtS: 2, issuedBy: null };
      const made = {
        clientId: 'whole-client',
        profile: 'strict' as const,
        salt: new Uint8Array(16).fill(7),
        limit: 100,
        createdAtMs: T0,
        keys: [
          { ...key, kid: '1', alg: 'HS256', rootKid: 'AAAAAA', jwk: null },
          {
            ...key,
            kid: 'thumbprint',
            alg: 'ES256',
            rootKid: null,
            jwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' },
          },
        ],
      };
      expect(await clients.known('whole-client')).toBe(false);
      expect(await clients.create(made)).toBe('created');
      expect(await clients.create(made)).toBe('client_exists');
      const read = await clients.load('whole-client');
      expect({ ...read, salt: new Uint8Array(read!.salt) }).toEqual({
        ...made,
        disabled: false,
        revoked: new Set(),
      });
      expect(await clients.setDisabled('whole-client', true, T0)).toBe(true);
      expect((await clients.load('whole-client'))?.disabled).toBe(true);
      expect(await clients.revokeKey('whole-client', 'thumbprint', T0)).toBe(true);
      expect(await clients.revokeKey('whole-client', 'another', T0)).toBe(false);
      expect(await clients.setDisabled('whole-client', false, T0)).toBe(true);
      expect(await clients.load('whole-client')).toMatchObject({
        disabled: false,
        revoked: new Set(['thumbprint']),
      });
      expect(await clients.setLimit('whole-client', null)).toBe(true);
      expect((await clients.load('whole-client'))?.limit).toBeNull();
      expect(await clients.setLimit('nobody', 5)).toBe(false);
      expect(await clients.setProfile({ ...made, clientId: 'nobody' }, 'basic')).toBe(false);
      expect(await clients.load('nobody')).toBeUndefined();
      expect(await clients.remove('whole-client', T0)).toBe(true);
      expect(await clients.load('whole-client')).toBeUndefined();
      expect(await clients.remove('whole-client', T0)).toBe(false);
      expect(await clients.known('whole-client')).toBe(true);
      expect(await clients.create(made)).toBe('key_exists');
      expect(await clients.create({ ...made, keys: made.keys.slice(0, 1) })).toBe('created');
      expect((await clients.load('whole-client'))?.keys).toEqual(made.keys.slice(0, 1));
    });

    it('a client or a key whose first answer was lost was made by this call', async () => {
      const clients = createClients(losingAnswers(under), tableName(STAGE, 'clients'));
      const clientId = `c-${++unique}`;
      const key = {
        kid: '1',
        alg: 'HS256',
        usableAtS: 1,
        expiresAtS: 100,
        rootKid: 'AAAAAA',
        jwk: null,
        issuedBy: null,
      };
      const client = {
        clientId,
        profile: 'strict' as const,
        salt: new Uint8Array(16),
        limit: null,
        createdAtMs: T0,
        keys: [key],
      };
      expect(await clients.create(client)).toBe('created');
      expect(await clients.addKey(client, { ...key, kid: '2' })).toBe(true);
      expect((await clients.load(clientId))?.keys).toEqual([key, { ...key, kid: '2' }]);
      expect(await clients.create(client)).toBe('client_exists');
      expect(await clients.addKey(client, { ...key, kid: '2' })).toBe(false);
    });

    it('a generation is added once, and its end can only move earlier', async () => {
      const clients = createClients(under, tableName(STAGE, 'clients'));
      const clientId = `c-${++unique}`;
      const key = { kid: '2', alg: 'HS256', usableAtS: 1, expiresAtS: 100, rootKid: 'AAAAAA', jwk: null };
      const record = {
        clientId,
        profile: 'strict' as const,
        salt: new Uint8Array(16),
        limit: null,
        createdAtMs: T0,
      };
      await clients.create({ ...record, keys: [] });
      expect(await clients.addKey(record, { ...key, issuedBy: '1' })).toBe(true);
      expect(await clients.addKey(record, { ...key, issuedBy: null })).toBe(false);
      for (const [end, expected] of [
        [200, 100],
        [50, 50],
        [60, 50],
      ] as const) {
        await clients.endKey(record, '2', end);
        expect((await clients.load(clientId))?.keys).toEqual([
          { ...key, issuedBy: '1', expiresAtS: expected },
        ]);
      }
      await clients.endKey(record, 'another', 5);
      expect((await clients.load(clientId))?.keys).toHaveLength(1);
    });

    it('a change of a client that conflicts with another Region is tried again', async () => {
      const clientId = `c-${++unique}`;
      const table = tableName(STAGE, 'clients');
      const record = { profile: 'strict', limit: null, createdAtMs: T0, keys: [] } as const;
      await createClients(under, table).create({ ...record, clientId, salt: new Uint8Array(16) });
      let conflicts = 2;
      const conflicting: Dynamodb = {
        async send(command) {
          if (command.operation !== 'UpdateItem' || conflicts-- <= 0) return under.send(command);
          throw Object.assign(new Error('conflict'), { name: 'ReplicatedWriteConflictException' });
        },
      };
      const clients = createClients(conflicting, table, async () => {});
      expect(await clients.setLimit(clientId, 7)).toBe(true);
      expect(await clients.load(clientId)).toMatchObject({ limit: 7 });
      expect(conflicts).toBeLessThan(0);
    });

    describe('a command that is held while its client is deleted and created again', () => {
      const key = {
        kid: '1',
        alg: 'HS256',
        usableAtS: 1,
        expiresAtS: 100,
        rootKid: 'AAAAAA',
        jwk: null,
        issuedBy: null,
      };
      const client = (clientId: string, salt: number) => ({
        clientId,
        profile: 'strict' as const,
        salt: new Uint8Array(16).fill(salt),
        limit: null,
        createdAtMs: T0 + salt,
        keys: [{ ...key, expiresAtS: 100 + salt }],
      });
      /** Two clients of one name, and the table as the held command sees it. */
      const names = () => {
        const clientId = `c-${++unique}`;
        const clients = createClients(under, tableName(STAGE, 'clients'));
        const [old, renewed] = [client(clientId, 1), client(clientId, 2)];
        const again = async () => {
          await clients.remove(clientId, T0 + 1);
          expect(await clients.create(renewed)).toBe('created');
          await clients.setDisabled(clientId, true, T0 + 3);
        };
        const holding = (operation: string, meanwhile: () => Promise<void>, nth = 1) =>
          createClients(held(under, operation, nth, meanwhile), tableName(STAGE, 'clients'));
        const isRenewed = async () =>
          expect(await clients.load(clientId)).toMatchObject({
            createdAtMs: renewed.createdAtMs,
            profile: 'strict',
            disabled: true,
            keys: renewed.keys,
            revoked: new Set(),
          });
        return { clientId, clients, old, renewed, again, holding, isRenewed };
      };

      it.each([1, 2, 3])(
        'a deletion deletes nothing of the newer client (held at its delete %i)',
        async (n) => {
          const { clientId, clients, old, again, holding, isRenewed } = names();
          await clients.create(old);
          await clients.setDisabled(clientId, true, T0);
          expect(await holding('DeleteItem', again, n).remove(clientId, T0)).toBe(true);
          await isRenewed();
        },
      );

      it('a creation that clears what a deletion left clears nothing of the newer client', async () => {
        const { clients, old, again, holding, isRenewed } = names();
        await clients.addKey(old, key);
        expect(await holding('DeleteItem', again).create(old)).toBe('client_exists');
        await isRenewed();
      });

      it("a creation does not put its key in the place of the newer client's", async () => {
        const { old, again, holding, isRenewed } = names();
        expect(await holding('PutItem', again, 2).create(old)).toBe('client_exists');
        await isRenewed();
      });

      it('a roll-over ends no key of the newer client, and does not change its profile', async () => {
        const { clients, old, again, isRenewed } = names();
        await clients.create(old);
        await again();
        await clients.endKey(old, '1', 50);
        expect(await clients.setProfile(old, 'basic')).toBe(false);
        await isRenewed();
      });

      it('the key of a roll-over counts as revoked: the newer client does not have it', async () => {
        const { clientId, clients, old, again } = names();
        await clients.create(old);
        await again();
        expect(await clients.addKey(old, { ...key, kid: '2' })).toBe(true);
        const { revoked, keys } = (await clients.load(clientId))!;
        expect([revoked, keys.map(({ kid }) => kid)]).toEqual([new Set(['2']), ['1', '2']]);
      });

      it('enabling does not enable the newer client, and disabling does not disable it', async () => {
        const { clientId, clients, old, renewed, again, holding, isRenewed } = names();
        await clients.create(old);
        expect(await holding('PutItem', again).setDisabled(clientId, false, T0 + 4)).toBe(false);
        await isRenewed();
        // The newer client has no state of its own yet, and gets one in the place of the other's.
        const once = async () => {
          await clients.remove(clientId, T0 + 5);
          await clients.create(old);
        };
        await holding('PutItem', once).setDisabled(clientId, true, T0 + 6);
        expect(await clients.load(clientId)).toMatchObject({ disabled: false, keys: old.keys });
        expect(await clients.setDisabled(clientId, true, T0 + 7)).toBe(true);
        expect(await clients.load(clientId)).toMatchObject({ disabled: true });
        expect(renewed.salt).not.toEqual(old.salt);
      });

      it('the revocation of a generation revokes none of the newer client, which can revoke its own', async () => {
        const { clientId, clients, old, again, holding, isRenewed } = names();
        await clients.create(old);
        await holding('PutItem', again).revokeKey(clientId, '1', T0 + 4);
        await isRenewed();
        expect(await clients.revokeKey(clientId, '1', T0 + 5)).toBe(true);
        expect(await clients.load(clientId)).toMatchObject({ revoked: new Set(['1']) });
      });

      it('an item that an older release wrote, without the salt, is used and deleted as before', async () => {
        const { clientId, clients, old, renewed } = names();
        await clients.create(old);
        const Key = { pk: { S: clientId }, sk: { S: 'key#1' } };
        const TableName = tableName(STAGE, 'clients');
        await db.send(new UpdateItemCommand({ TableName, Key, UpdateExpression: 'REMOVE salt' }));
        await clients.endKey(old, '1', 50);
        expect(await clients.load(clientId)).toMatchObject({
          keys: [{ ...key, expiresAtS: 50 }],
          revoked: new Set(),
        });
        expect(await clients.revokeKey(clientId, '1', T0)).toBe(true);
        expect(await clients.load(clientId)).toMatchObject({ revoked: new Set(['1']) });
        await clients.remove(clientId, T0);
        expect((await db.send(new GetItemCommand({ TableName, Key }))).Item).toBeUndefined();
        // Another key has that name then.
        await clients.create(renewed);
        expect(await clients.load(clientId)).toMatchObject({ keys: renewed.keys, revoked: new Set() });
      });
    });
  });
}

/** Runs `meanwhile` before the n-th command of an operation reaches the store. */
function held(dynamodb: Dynamodb, operation: string, nth: number, meanwhile: () => Promise<void>): Dynamodb {
  let seen = 0;
  return {
    async send(command) {
      if (command.operation === operation && ++seen === nth) await meanwhile();
      return dynamodb.send(command);
    },
  };
}
