/**
 * A Region whose table `limits` is gone (docs/runbook.md, "limits-lost"): it serves nothing that needs a key
 * or changes a table, until the table is there again. What the table held is gone, and must be written again.
 */
import { DeleteTableCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { beforeAll, describe, expect, it } from 'vitest';
import { createEvacuations } from '../../lambda/adapters/evacuations.ts';
import { keysItemKey } from '../../lambda/contract/limits.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { evacuationHandler } from '../../lambda/evacuation/handler.ts';
import { createTables, STAGE } from '../support/dynalite.ts';
import { type Region, regionsForFile } from '../support/regions.ts';
import { makeClient, prepare, read, register, remove } from '../support/signer.ts';

const { platform, a, b } = await regionsForFile();
const signer = await makeClient(platform);
let user = 0;
const registers = async (region: Region) => {
  const { code, status } = await register(platform, region, signer, { user_id: `u${++user}` });
  return code ?? status;
};
const status = async (region: Region, path: string) => (await region.send({ method: 'GET', path })).status;
const flags = createEvacuations(a.dynamodb, tableName(STAGE, 'limits'));
const KEPT = b.name;

/** The metric that keeps the other Region out of DNS, as this Region publishes it. */
async function published(): Promise<number[]> {
  const values: number[] = [];
  const handler = evacuationHandler({
    evacuations: flags,
    putMetric: async (_, value) => void values.push(value),
    kept: KEPT,
    nowMs: () => platform.clock.nowMs,
  });
  await handler().catch(() => {});
  return values;
}

let id: string;
const warm = a.instance();
beforeAll(async () => {
  id = (await register(platform, warm, signer, { user_id: 'known' })).json.id;
  await read(platform, warm, signer, id);
  await flags.evacuate(KEPT, platform.clock.nowMs);
  expect(await published()).toEqual([1]);
  await a.dynamodb.send(new DeleteTableCommand({ TableName: tableName(STAGE, 'limits') }));
});

describe('while it is gone', () => {
  it('an instance that knows goes on for ten seconds at most, and then refuses as a new one does', async () => {
    expect(await read(platform, warm, signer, id)).toMatchObject({ status: 200 });
    const ask = await prepare(platform, warm, signer, { user_id: 'late' });
    platform.clock.nowMs += 10_001;
    for (const region of [warm, a.instance()]) {
      expect((await region.send(ask)).code).toBe('unavailable');
      expect(await status(region, `/v1/nonce?client_id=${signer.clientId}`)).toBe(503);
      expect(await status(region, '/.well-known/jwks.json')).toBe(503);
      // Nothing that discovery says depends on the table.
      expect(await status(region, '/.well-known/countersign')).toBe(200);
    }
  });

  it('the Region is unhealthy and says why, and the others serve', async () => {
    const { json, status } = await a.instance().send({ method: 'GET', path: '/v1/health' });
    expect([status, json.notes]).toEqual([503, ['limits']]);
    expect(await registers(b)).toBe(201);
    expect((await remove(platform, b, signer, id)).status).toBe(204);
  });

  it('its operators change nothing there, and an evacuation that it keeps gets no other value', async () => {
    for (const [action, params] of [
      ['clients.disable', { client_id: signer.clientId }],
      ['regions.evacuate', { region: a.name }],
      ['tables.stop', {}],
    ] as const)
      expect(await platform.admin(action, params as never)).toMatchObject({ ok: false });
    expect(await published()).toEqual([]);
  });
});

describe('when it is there again, empty', () => {
  beforeAll(() => createTables(a.dynamodb, ['limits']));

  it('the Region serves, and has forgotten flag, write stop and revoked keys', async () => {
    platform.clock.nowMs += 10_001;
    expect(await registers(a.instance())).toBe(201);
    expect(await platform.operate('regions.show', { region: KEPT })).toMatchObject({ evacuated_at: null });
    // Silence does not bring the other Region back: Route 53 keeps its last status.
    expect(await published()).toEqual([]);
  });

  it('what is written again holds within ten seconds', async () => {
    await platform.operate('regions.evacuate', { region: KEPT });
    expect(await published()).toEqual([1]);
    await platform.operate('tables.stop', {});
    expect(await registers(a.instance())).toBe('unavailable');
    await platform.operate('tables.resume', {});
    const kid = platform.secrets.nonce.keyset.keys[0]!.kid;
    const knows = a.instance();
    expect(await registers(knows)).toBe(201);
    await a.dynamodb.send(
      new PutItemCommand({
        TableName: tableName(STAGE, 'limits'),
        Item: { pk: { S: keysItemKey('nonce') }, kids: { SS: [kid] } },
      }),
    );
    platform.clock.nowMs += 10_001;
    expect(await status(knows, `/v1/nonce?client_id=${signer.clientId}`)).toBe(503);
  });
});
