export const isCopied = (text: string): boolean => !/#(probe|heartbeat|conflict)#/.test(text);

/** Tables of two generations in several Regions, for a copy of the shared tables. */

import { expect } from 'vitest';
import { CliError, EXIT } from '../../cli/io.ts';
import { type CopyOptions, type CopyParts, type CopyResult, copyRegistry } from '../../cli/registry/copy.ts';
import { canonical, KINDS, type Kind } from '../../cli/registry/items.ts';
import { createClients } from '../../lambda/adapters/clients.ts';
import type { Item } from '../../lambda/adapters/dynamodb.ts';
import { createNotices } from '../../lambda/adapters/notices.ts';
import { createRegistry } from '../../lambda/adapters/registry.ts';
import type { ShownTables } from '../../lambda/contract/admin.ts';
import { WRITE_STOP_SETTLE_MS } from '../../lambda/contract/limits.ts';
import { COPIED_KEY, TABLES, tableName } from '../../lambda/contract/names.ts';
import { type Carry, dynamodbClientOn } from '../../local/dynamodb/client.ts';
import { Dynamodb } from '../../local/dynamodb/dynamodb.ts';

export const T0 = 1_795_430_000_000;
export const REGIONS = ['eu-west-1', 'eu-central-1'];
export const [HOME, OTHER] = REGIONS as [string, string];

/** Tables of two generations in two Regions, filled by the platform's own adapters. */
export class World {
  readonly store: Dynamodb;
  readonly shown: Record<string, ShownTables>;
  readonly reports: string[] = [];
  readonly interrupt = new AbortController();
  /** Carries each call. A test can make it fail, or do something in between. */
  carry: Carry = async ({ region, operation, input }, store) => store.ask(region, operation, input);

  /** The clock of the operator's machine. */
  operatorMs = T0;
  /** What a Region says instead of which tables it uses. */
  readonly answers: Record<string, () => CliError> = {};
  readonly #regions: readonly string[];

  /** @param more Regions that have the tables, and do not serve */
  constructor(
    mode: 'strong' | 'eventual' = 'strong',
    regions: readonly string[] = REGIONS,
    more: readonly string[] = [],
  ) {
    this.#regions = regions;
    const all = [...regions, ...more];
    this.store = new Dynamodb({
      regions: all,
      ...(all.length === 2 && { witness: 'eu-west-3' }),
      modeOf: (table) => (table.endsWith('-restored') ? 'regional' : mode),
      nowMs: () => T0,
    });
    for (const generation of [1, 2])
      for (const kind of KINDS) this.create(tableName('live', kind, generation), kind);
    this.shown = Object.fromEntries(
      regions.map((region) => [
        region,
        {
          registry: 'countersign-live-registry-1',
          clients: 'countersign-live-clients-1',
          consistency: mode,
          regions,
          stopped_at: new Date(T0 - WRITE_STOP_SETTLE_MS).toISOString(),
          stopped_ms: WRITE_STOP_SETTLE_MS,
        },
      ]),
    );
  }

  create(table: string, kind: Kind): void {
    const KeySchema = TABLES[kind].keys.map((AttributeName) => ({ AttributeName }));
    this.store.ask(HOME, 'CreateTable', { TableName: table, KeySchema });
  }

  put(table: string, Item: Item, region = HOME): void {
    this.store.ask(region, 'PutItem', { TableName: table, Item });
  }

  remove(table: string, Key: Item): void {
    this.store.ask(HOME, 'DeleteItem', { TableName: table, Key });
  }

  /** All, except the mark of a copy. */
  items(table: string, region = HOME): string[] {
    return this.store
      .table(region, table)
      .items(region, true)
      .filter(({ pk }) => (pk as { S?: string }).S !== COPIED_KEY)
      .map((item) => canonical(item as Item))
      .sort();
  }

  async fill(): Promise<void> {
    const db = dynamodbClientOn(this.store, HOME);
    const registry = createRegistry(db, 'countersign-live-registry-1', {
      region: 'r',
      consistency: 'strong',
      clockErrorMs: 2_000,
    });
    for (const user of ['a', 'b', 'c'])
      await registry.register(
        { id: `id-${user}`, clientId: 'acme', userId: user, createdAtMs: T0, data: { user_id: user } },
        T0,
      );
    await registry.remove('acme', 'id-b', T0 + 5_000, 'w');
    await registry.probe(HOME, T0);
    const notices = createNotices(db, 'countersign-live-registry-1');
    await notices.heartbeat(HOME, T0);
    await notices.conflict({ of: 'acme#id-a', version: 'r.1.a', lost: 's.1.a' }, T0);
    const clients = createClients(db, 'countersign-live-clients-1');
    const key = {
      kid: '1',
      alg: 'HS256',
      usableAtS: 1,
      expiresAtS: 9,
      issuedBy: null,
      rootKid: 'r',
      jwk: null,
    };
    const record = { profile: 'strict', limit: 5, createdAtMs: T0, salt: new Uint8Array([1, 2]) } as const;
    await clients.create({ ...record, clientId: 'acme', keys: [key] });
    await clients.setDisabled('acme', true, T0);
    await clients.revokeKey('acme', '1', T0);
  }

  copy(change: Partial<CopyOptions> = {}): Promise<CopyResult> {
    const options: CopyOptions = {
      stage: 'live',
      regions: this.#regions,
      without: [],
      args: ' --stage live',
      toGeneration: 2,
      fromTables: [],
      whileWriting: false,
      ...change,
    };
    const parts: CopyParts = {
      dynamodb: (region) => dynamodbClientOn(this.store, region, (call, store) => this.carry(call, store)),
      shown: async (region) => {
        const refusal = this.answers[region]?.();
        if (refusal) throw refusal;
        return { ...this.shown[region]! };
      },
      signal: this.interrupt.signal,
      nowMs: () => this.operatorMs,
      pollMs: 0,
      report: (text) => this.reports.push(text),
    };
    return copyRegistry(options, parts);
  }

  /** Loses the Region: neither its functions nor its tables answer. */
  lose(region: string): void {
    this.answers[region] = () => new CliError(EXIT.unreachable, `${region}: no answer in time`);
    const { carry } = this;
    this.carry = async (call, store) => {
      if (call.region === region) throw Object.assign(new Error('lost'), { code: 'ECONNREFUSED' });
      return carry(call, store);
    };
  }

  /** The items to copy: all except the table's own. */
  expectCopied(): void {
    for (const kind of KINDS) {
      const wanted = this.items(tableName('live', kind, 1)).filter(isCopied);
      expect(wanted.length).toBeGreaterThan(0);
      expect(this.items(tableName('live', kind, 2))).toEqual(wanted);
    }
  }
}

export async function world(...args: ConstructorParameters<typeof World>): Promise<World> {
  const made = new World(...args);
  await made.fill();
  return made;
}

export const registration = (user: string, createdMs = T0): Item => ({
  pk: { S: `acme#id-${user}` },
  user_id: { S: user },
  created_at: { N: String(createdMs) },
  data: { S: `{"user_id":"${user}"}` },
});
export const [OLD, NEW] = [1, 2].map((n) => tableName('live', 'registry', n)) as [string, string];
