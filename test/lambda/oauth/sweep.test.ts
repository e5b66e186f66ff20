/** The hourly sweep of the keys of instances. */
import { beforeEach, expect, it } from 'vitest';
import { createEnrolledKeys, isEnrolledFor } from '../../../lambda/adapters/enrolled-keys.ts';
import { tableName } from '../../../lambda/contract/names.ts';
import { sweepHandler } from '../../../lambda/oauth/sweep.ts';
import { makeKey } from '../../support/dpop.ts';
import { createTables, dynamodb, STAGE, startDynalite } from '../../support/dynalite.ts';

const { endpoint } = await startDynalite();
const db = dynamodb(endpoint);
await createTables(db, ['clients']);
const keys = createEnrolledKeys(db, tableName(STAGE, 'clients'));
const NOW_S = 1_795_430_000;
const client = { clientId: 'ci', salt: new Uint8Array(16) };
const put = async (endsInS: number, clientId = 'ci') => {
  const { thumbprint: kid, jwk } = await makeKey();
  const key = {
    kid,
    alg: 'ES256',
    jwk,
    usableAtS: 0,
    expiresAtS: NOW_S + endsInS,
    issuedBy: null,
    rootKid: null,
  };
  await keys.put({ ...client, clientId }, key, 'ci:AAAAAAAA');
  return kid;
};

let log: object[] = [];
let stopped = false;
beforeEach(async () => {
  log = [];
  stopped = false;
  for (const name of ['ci', 'other']) await keys.sweep(name, Number.POSITIVE_INFINITY);
});
const sweep = (instances: Record<string, number>, of: Partial<typeof keys> = {}) =>
  sweepHandler({
    keys: { ...keys, ...of },
    instances,
    isStopped: async () => stopped,
    region: 'eu-west-1',
    nowMs: () => NOW_S * 1000,
    log: (entry) => log.push(entry),
  })();

it('deletes what ended an hour ago, and keeps what lives or has just ended', async () => {
  const [old, ended, live] = [await put(-3_601), await put(-10), await put(10)];
  const others = await put(-9_999, 'other');
  await sweep({ ci: 1 });
  expect(await keys.load('ci', old)).toBeUndefined();
  for (const kid of [ended, live]) expect(await keys.load('ci', kid)).toBeDefined();
  // No policy names it: nothing is known of it.
  expect(await keys.load('other', others)).toBeDefined();
  expect(log).toEqual([]);
});

it('reports a client with more live keys than its policy says', async () => {
  for (const endsInS of [10, 20, -10]) await put(endsInS);
  await sweep({ ci: 2 });
  expect(log).toEqual([]);
  await sweep({ ci: 1 });
  expect(log).toEqual([
    { level: 'WARN', message: 'enrolment', region: 'eu-west-1', reason: 'many_instances', target: 'ci' },
  ]);
});

it('a key counts for the client and the policy that it was enrolled for, and for no other', async () => {
  const kid = await put(10);
  const enrolled = (await keys.load('ci', kid))!;
  const policies = ['other:BBBBBBBB', 'ci:AAAAAAAA'];
  expect(isEnrolledFor(enrolled, client, policies)).toBe(true);
  // One that was deleted and made again has another salt; the deletion may not have swept everything.
  expect(isEnrolledFor(enrolled, { ...client, salt: new Uint8Array(16).fill(1) }, policies)).toBe(false);
  expect(isEnrolledFor(enrolled, client, ['ci:BBBBBBBB'])).toBe(false);
});

it('deletes no key that was renewed while it looked', async () => {
  const kid = await put(-9_999);
  const found = await keys.load('ci', kid);
  const renewing = createEnrolledKeys(
    {
      async send(command) {
        if (command.operation === 'DeleteItem')
          await keys.put(client, { ...found!.key, expiresAtS: NOW_S + 500 }, 'ci:AAAAAAAA');
        return db.send(command);
      },
    },
    tableName(STAGE, 'clients'),
  );
  await sweep({ ci: 1 }, renewing);
  expect((await keys.load('ci', kid))?.key.expiresAtS).toBe(NOW_S + 500);
});

it('touches nothing while the tables are copied', async () => {
  const kid = await put(-9_999);
  stopped = true;
  await sweep({ ci: 1 });
  expect(await keys.load('ci', kid)).toBeDefined();
});

it('goes on with the other clients where one fails, and fails at the end', async () => {
  const kid = await put(-9_999, 'other');
  const failing = {
    sweep: async (name: string, endedS: number) => {
      if (name === 'ci') throw new Error('no answer');
      return keys.sweep(name, endedS);
    },
  };
  await expect(sweep({ ci: 1, other: 1 }, failing)).rejects.toThrow('1 clients');
  expect(await keys.load('other', kid)).toBeUndefined();
  expect(log).toEqual([expect.objectContaining({ level: 'ERROR', reason: 'sweep', target: 'ci' })]);
});
