/**
 * One invite, redeemed by several keys at once in two Regions, for any order of the store calls that a
 * scheduler produces: one client remains, with one key.
 */
import type { APIGatewayProxyEvent } from 'aws-lambda';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createClients } from '../../lambda/adapters/clients.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { servingEnvironment } from '../../lambda/contract/serving-environment.ts';
import { NO_ENROLMENT, oauthRegister } from '../../lambda/entry/compose/oauth.ts';
import { type Carry, dynamodbClientOn } from '../../local/dynamodb/client.ts';
import { replicate } from '../../local/dynamodb/replication.ts';
import { isUsable } from '../../protocol/client.ts';
import { keyBytes } from '../../protocol/keyset.ts';
import { deriveClientToken } from '../../protocol/oauth/client-token.ts';
import { dpopProof, makeKey } from '../support/dpop.ts';
import { SETTINGS } from '../support/oauth.ts';
import { ISSUER, toEvent } from '../support/regions.ts';
import { type Fate, scheduledCalls } from './calls.ts';
import { type Mode, makeSecrets, openStore, REGIONS, type RegionName, STAGE, T0, url } from './handlers.ts';

const KEYS = await Promise.all(Array.from({ length: 3 }, () => makeKey()));
const CLIENT = 'invited';

interface Plan {
  readonly mode: Mode;
  readonly redemptions: readonly { readonly key: number; readonly region: RegionName }[];
  readonly disturbances: readonly ('replicate' | 'partition' | 'heal')[];
  readonly fates: () => Fate;
}

interface History {
  /** Keys that were let in, as far as anybody was answered. */
  readonly answered: readonly string[];
  readonly statuses: readonly number[];
  /** By Region, the keys that work there, after everything has arrived. */
  readonly usable: Readonly<Record<RegionName, readonly string[]>>;
}

async function run(s: fc.Scheduler, plan: Plan): Promise<History> {
  const store = openStore(plan.mode, () => T0);
  const { keysets, secrets } = makeSecrets();
  let scheduled = false;
  const point = (label: string) => s.schedule(Promise.resolve(), label).then(() => {});
  const onSchedule = scheduledCalls({ point, fates: plan.fates, onCall: () => {} });
  const carry: Carry = async (call, db) =>
    scheduled ? onSchedule(call, db) : db.ask(call.region, call.operation, call.input);

  const clients = (region: RegionName) =>
    createClients(dynamodbClientOn(store, region), tableName(STAGE, 'clients'));
  const root = keysets['client-root'].keys[0]!;
  const salt = new Uint8Array(16).fill(7);
  const record = { clientId: CLIENT, profile: 'strict', salt, limit: null, createdAtMs: T0 } as const;
  const expiresAtS = T0 / 1000 + 3_600;
  const invite = { serial: 1, rootKid: root.kid, expiresAtS, thumbprint: null, redeemedBy: null };
  await clients('a').create({ ...record, origin: 'invite', keys: [] });
  await clients('a').putInvite(record, invite, undefined, T0);
  replicate(store);
  const token = deriveClientToken({
    kind: 'invite',
    root: keyBytes(root),
    ...{ salt, clientId: CLIENT, serial: 1 },
  });

  const handlers = Object.fromEntries(
    REGIONS.map((region) => [
      region,
      oauthRegister(
        {
          env: servingEnvironment({
            stage: STAGE,
            region,
            baseUrl: url(region),
            entryUrl: ISSUER,
            regions: REGIONS.map((name) => ({ name, url: url(name) })),
            consistency: plan.mode,
            oauth: SETTINGS,
          }),
          log: () => {},
          nowMs: () => T0,
          dynamodb: dynamodbClientOn(store, region, carry),
          secrets,
          pause: (ms: number) => point(`a wait of up to ${ms} ms ends in ${region}`),
        },
        NO_ENROLMENT,
      ),
    ]),
  ) as Record<RegionName, ReturnType<typeof oauthRegister>>;
  const path = '/v1/oauth/register';
  const requests: APIGatewayProxyEvent[] = [];
  for (const { key: index, region } of plan.redemptions) {
    const key = KEYS[index]!;
    const request = { method: 'POST', url: url(region) + path, token, nowS: T0 / 1000 };
    // Without a nonce. The handler remembers the key: later it waits for nothing but the store.
    const first = await handlers[region](
      toEvent({
        method: 'POST',
        path,
        headers: { Authorization: `DPoP ${token}`, DPoP: dpopProof(key, request) },
      }),
    );
    const nonce = String(first.headers!['DPoP-Nonce']);
    const proof = dpopProof(key, { ...request, nonce });
    const headers = { Authorization: `DPoP ${token}`, DPoP: proof, 'Content-Type': 'application/json' };
    const body = JSON.stringify({ jwks: { keys: [key.jwk] } });
    requests.push(toEvent({ method: 'POST', path, headers, body }));
  }

  scheduled = true;
  const answered: string[] = [];
  const statuses: number[] = [];
  for (const [i, { key, region }] of plan.redemptions.entries())
    void point(`redemption ${i} reaches ${region}`).then(async () => {
      const { statusCode } = await handlers[region](requests[i]!);
      statuses.push(statusCode);
      if (statusCode === 201) answered.push(KEYS[key]!.thumbprint);
    });
  for (const disturbance of plan.disturbances)
    void point(disturbance).then(() => {
      if (disturbance === 'replicate') replicate(store);
      if (disturbance === 'partition') store.network.partition([['a'], ['b', 'w']]);
      if (disturbance === 'heal') store.network.heal();
    });
  await s.waitIdle();
  store.network.heal();
  replicate(store);
  const usableIn = async (region: RegionName) => {
    const client = (await clients(region).load(CLIENT))!;
    return client.keys.filter((key) => isUsable(client, key, T0)).map(({ kid }) => kid);
  };
  return { answered, statuses, usable: { a: await usableIn('a'), b: await usableIn('b') } };
}

const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 14, arbitrary: fc.constant('answered' as const) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('throttled' as const, 'lost' as const, 'late' as const, 'ended' as const),
  },
);
const plans = (mode: Mode, fates: fc.Arbitrary<Fate>) =>
  fc.record({
    mode: fc.constant(mode),
    redemptions: fc.array(fc.record({ key: fc.nat(KEYS.length - 1), region: fc.constantFrom(...REGIONS) }), {
      minLength: 2,
      maxLength: 5,
    }),
    disturbances: fc.array(fc.constantFrom('replicate' as const, 'partition' as const, 'heal' as const), {
      maxLength: 3,
    }),
    fates: fc.infiniteStream(fates),
  });

const check = (
  mode: Mode,
  fates: fc.Arbitrary<Fate>,
  holds: (history: History, plan: Omit<Plan, 'fates'>) => void,
) =>
  fc.assert(
    fc.asyncProperty(fc.scheduler(), plans(mode, fates), async (s, { fates, ...rest }) => {
      holds(await run(s, { ...rest, fates: () => fates.next().value as Fate }), rest);
    }),
    { numRuns: 60 },
  );

const oneClientRemains = ({ usable, statuses }: History) => {
  expect(usable.a).toEqual(usable.b);
  expect(usable.a.length).toBeLessThanOrEqual(1);
  expect(statuses).not.toContain(500);
};

describe.each<Mode>(['strong', 'eventual'])('%s', (mode) => {
  it('one client remains, whatever fails', async () => {
    await check(mode, fate, oneClientRemains);
  });

  it('where nothing fails, whoever asked first in the end is in, and the others are not', async () => {
    await check(mode, fc.constant('answered' as const), (history, { disturbances }) => {
      oneClientRemains(history);
      const { answered, usable, statuses } = history;
      if (answered.length > 0) expect(answered).toContain(usable.a[0]);
      // A partition may leave a strong Region without its quorum.
      if (disturbances.includes('partition')) return;
      expect(usable.a).toHaveLength(1);
      expect(statuses).not.toContain(503);
    });
  });
});

it('in strong mode no second key is ever answered', async () => {
  await check('strong', fate, ({ answered }) => {
    expect(new Set(answered).size).toBeLessThanOrEqual(1);
  });
});

it('in eventual mode two Regions can answer two keys: one stops working once they hear of each other', async () => {
  const both: Plan = {
    mode: 'eventual',
    redemptions: [
      { key: 0, region: 'a' },
      { key: 1, region: 'b' },
    ],
    disturbances: [],
    fates: () => 'answered',
  };
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (s) => {
      const { answered, usable } = await run(s, both);
      expect(new Set(answered).size).toBe(2);
      expect(usable.a).toHaveLength(1);
      expect(usable.b).toEqual(usable.a);
    }),
    { numRuns: 20 },
  );
});
