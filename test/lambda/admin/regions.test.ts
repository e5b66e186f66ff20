/** The operators' actions on Regions, and the refusals of an evacuated Region. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { AdminAction, AdminAnswer, ShownRegion } from '../../../lambda/contract/admin.ts';
import { ADMIN_FUNCTION } from '../../../lambda/contract/admin.ts';
import { type Region, regionsForFile } from '../../support/regions.ts';
import { makeClient, prepare, register } from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile();
const strict = await makeClient(platform, 'of-evacuated');
// In alphabetical order. With two Regions, each keeps the other's flag.
const [HERE, THERE] = ['eu-west-1', 'eu-central-1'];

const ask = (at: Region, action: AdminAction, region: string) =>
  at.functions[ADMIN_FUNCTION[action] as 'admin-write'](
    { action, params: { region } },
    { awsRequestId: 'r' },
  ) as Promise<AdminAnswer<ShownRegion>>;
const iso = () => new Date(platform.clock.nowMs).toISOString();

beforeAll(async () => {
  platform.clock.nowMs += 1_000;
});

describe('the flag', () => {
  it("is set and removed in the Region that is asked, and each Region names the keeper of the other's", async () => {
    const since = iso();
    expect(await ask(b, 'regions.evacuate', HERE)).toEqual({
      ok: true,
      result: {
        region: HERE,
        keeper: THERE,
        regions: [
          { name: 'eu-west-1', url: a.url },
          { name: 'eu-central-1', url: b.url },
        ],
        evacuated_at: since,
        returned_at: null,
        stood_before: false,
      },
    });
    platform.clock.nowMs += 5_000;
    expect(await ask(b, 'regions.evacuate', HERE)).toMatchObject({
      result: { evacuated_at: since, stood_before: true },
    });
    expect(await ask(b, 'regions.show', HERE)).toMatchObject({ result: { evacuated_at: since } });
    expect(await ask(a, 'regions.show', HERE)).toMatchObject({ result: { evacuated_at: null } });
    const back = iso();
    const returned = { result: { evacuated_at: null, returned_at: back } };
    expect(await ask(b, 'regions.return', HERE)).toMatchObject(returned);
    expect(await ask(b, 'regions.show', HERE)).toMatchObject(returned);
  });

  it('is refused if it would have no effect, and for an unknown Region', async () => {
    const three = JSON.stringify(
      ['eu-central-1', 'eu-west-1', 'eu-west-2'].map((name) => ({ name, url: 'u' })),
    );
    const other = a.instance({ COUNTERSIGN_REGIONS: three });
    for (const action of ['regions.evacuate', 'regions.return'] as const)
      expect(await ask(other, action, 'eu-west-2')).toMatchObject({
        problem: {
          code: 'malformed_request',
          detail: expect.stringContaining('lies in eu-west-2 and in eu-central-1'),
        },
      });
    expect(await ask(a, 'regions.show', 'eu-west-9')).toMatchObject({ problem: { code: 'not_found' } });
    const alone = a.instance({ COUNTERSIGN_REGIONS: JSON.stringify([{ name: HERE, url: 'u' }]) });
    expect(await ask(alone, 'regions.evacuate', HERE!)).toMatchObject({ problem: { code: 'only_region' } });
  });
});

it('an evacuated Region accepts no write, uses up no nonce and still reads; once returned, it accepts writes again', async () => {
  const { status, json } = await register(platform, a, strict, { user_id: 'before' });
  expect(status).toBe(201);
  const held = await prepare(platform, a, strict, { user_id: 'while-out' });
  await ask(a, 'regions.evacuate', HERE!);
  const fresh = a.instance();
  const refused = await fresh.send(held);
  expect([refused.status, refused.code, refused.headers['retry-after']]).toEqual([503, 'unavailable', '1']);
  expect(refused.json.detail).toMatch(/^An operator took this Region out of service; /);
  expect(platform.log.at(-1)).toMatchObject({ status: 503, reason: 'evacuated', level: 'INFO' });
  // An instance with a cached copy follows within ten seconds.
  platform.clock.nowMs += 10_001;
  expect((await a.send(await prepare(platform, a, strict, { user_id: 'while-out' }))).status).toBe(503);
  expect((await register(platform, b, strict, { user_id: 'elsewhere' })).status).toBe(201);
  // Without the marks that say that the table is in use.
  const registrations = (await platform.items('registry')).filter(
    ({ pk }) => !(pk as { S: string }).S.startsWith('#'),
  );
  expect(registrations).toHaveLength(2);
  await ask(a, 'regions.return', HERE!);
  expect((await a.instance().send(held)).status).toBe(201);
  expect(json.id).toBeDefined();
});
