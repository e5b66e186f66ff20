/** What OAuth costs: nothing where a stage has none, and one read where a request brings a token. */
import { expect, it } from 'vitest';
import {
  call,
  fetchToken,
  makeOAuthClient,
  prepareCall,
  registerUser,
  SETTINGS,
} from '../../support/oauth.ts';
import { type HttpAsk, type Platform, type Region, startRegions } from '../../support/regions.ts';
import { makeClient, prepare } from '../../support/signer.ts';

/** The calls of stores that requests cause, one after another, at an instance whose caches they fill. */
async function callsOf(region: Region, asks: readonly HttpAsk[]): Promise<string[][]> {
  const seen: string[] = [];
  const instance = region.instance(
    {},
    {
      seen(command) {
        const { TableName = '', Key } = command.input;
        const item = TableName.includes('limits') ? ` ${Key?.pk?.S?.replace(/#acme.*|#c-.*|#o-.*/, '')}` : '';
        seen.push(`${command.constructor.name} ${TableName.replace(/^.*-(\w+)-\d+$/, '$1')}${item}`);
      },
    },
  );
  const all: string[][] = [];
  for (const ask of asks) {
    seen.length = 0;
    expect((await instance.send(ask)).status).toBe(201);
    all.push(seen.toSorted());
  }
  return all;
}

const byProof = async (platform: Platform, region: Region) => {
  const signer = await makeClient(platform);
  return [
    await prepare(platform, region, signer, { user_id: 'one' }),
    await prepare(platform, region, signer, { user_id: 'two' }),
  ];
};

it('a proof causes the same calls of stores in a stage with OAuth as in one without', async () => {
  const [plain, oauth] = await Promise.all([startRegions(), startRegions(SETTINGS)]);
  try {
    const [a, b] = [plain.regions[0], oauth.regions[0]];
    const without = await callsOf(a, await byProof(plain, a));
    expect(await callsOf(b, await byProof(oauth, b))).toEqual(without);
    expect(without.flat().join()).not.toContain('token');
    expect(without[1]).toContain('PutItemCommand registry');

    const client = await makeOAuthClient(oauth);
    const token = await fetchToken(oauth, b, client);
    expect((await call(oauth, b, client, token, registerUser({ user_id: 'zero' }))).status).toBe(201);
    const [first, second] = await callsOf(b, [
      await prepareCall(oauth, b, client, token, registerUser({ user_id: 'three' })),
      await prepareCall(oauth, b, client, token, registerUser({ user_id: 'four' })),
    ]);
    expect(first!.filter((each) => each.includes('token'))).toHaveLength(2);
    expect(second!.map((each) => each.replace(/#.*/, ''))).toEqual([
      'GetItemCommand limits deny',
      ...without[1]!,
    ]);
  } finally {
    await Promise.all([plain.stop(), oauth.stop()]);
  }
});
