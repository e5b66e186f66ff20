/**
 * The keysets of a Region that is added or removed after a promotion: the calls of AWS that `countersign
 * region` makes.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { awsParts } from '../../cli/deploy/aws-parts.ts';
import type { DeployPlan, PlannedRegion } from '../../lambda/contract/deploy-plan.ts';
import { secretName } from '../../lambda/contract/names.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import { type LocalServer, startServer } from '../../local/server.ts';
import { HOME, NEXT, STAGE, THIRD, World } from '../support/promotion.ts';

let server: LocalServer;
let world: World;
beforeAll(async () => {
  server = await startServer(0, new Set());
  server.serve((request, response) => world.endpoint(request, response));
});
afterAll(() => server.stop());
/** The keys are made in the first Region, and the third one is new. */
beforeEach(async () => {
  world = new World();
  await world.start();
  for (const purpose of PURPOSES) world.secrets.removeReplicas(HOME, secretName(STAGE, purpose), [THIRD]);
});

const there = (region: string) => world.secrets.in(region).all();
const statuses = () =>
  PURPOSES.map((purpose) =>
    world.secrets.status(HOME, secretName(STAGE, purpose)).map((each) => `${each.region} ${each.status}`),
  );

function parts(third: Partial<PlannedRegion> = {}, signal = new AbortController().signal) {
  const regions = [HOME, NEXT, THIRD].map((name) => ({
    ...{ name, ledgerGeneration: 1 },
    ...(name === THIRD && third),
  }));
  const plan: DeployPlan = {
    ...{ stage: STAGE, kind: 'prod', homeRegion: HOME, keysManagedBy: HOME, consistency: 'eventual' },
    ...{ tableGeneration: 1, stacks: [], stackRegions: [], regions, concurrencyQuota: 1000, alarms: {} },
  };
  const io = { cwd: '.', env: {}, pollMs: 1, stderr: { write: () => {} } };
  return awsParts(io, { plan, assembly: '', aws: world.target(server.url).aws, signal });
}

it('a new Region gets every keyset, under its own key, and run again nothing changes', async () => {
  for (const _ of ['first', 'again']) {
    await parts().replicate(HOME, THIRD);
    expect(statuses()).toEqual(PURPOSES.map(() => [`${NEXT} InSync`, `${THIRD} InSync`]));
    expect(there(THIRD).map(({ kmsKeyId }) => kmsKeyId)).toEqual(
      PURPOSES.map(() => `alias/countersign-${STAGE}`),
    );
    for (const purpose of PURPOSES) expect(world.kids(THIRD, purpose)).toEqual(world.kids(HOME, purpose));
  }
  await parts().unreplicate(HOME, THIRD);
  await parts({ kmsKeyArn: 'arn:aws:kms:mine' }).replicate(HOME, THIRD);
  expect(there(THIRD).map(({ kmsKeyId }) => kmsKeyId)).toEqual(PURPOSES.map(() => 'arn:aws:kms:mine'));
});

it('it stops at the first replica that fails, and makes it once its cause is gone', async () => {
  world.disabledKeys.add(THIRD);
  await expect(parts().replicate(HOME, THIRD)).rejects.toThrow(
    /^AWS does not make the replica of nonce in .* key is disabled/,
  );
  expect(statuses().map((each) => each.length)).toEqual([2, ...PURPOSES.slice(1).map(() => 1)]);
  world.disabledKeys.clear();
  await parts().replicate(HOME, THIRD);
  expect(there(THIRD)).toHaveLength(PURPOSES.length);
});

it('it waits for the copy, and may be interrupted', async () => {
  world.lagMs.value = 1_000;
  const interrupt = new AbortController();
  const made = parts({}, interrupt.signal).replicate(HOME, THIRD);
  const ended = expect(made).rejects.toThrow('interrupted');
  await expect.poll(() => statuses()[0]).toContain(`${THIRD} InProgress`);
  interrupt.abort();
  await ended;
  expect(statuses()[1]).toHaveLength(1);
});

it('a secret there that is no replica may hold keys, and stays', async () => {
  const secret = { name: secretName(STAGE, 'nonce'), description: undefined, kmsKeyId: undefined };
  world.secrets.in(THIRD).create(secret, 't'.repeat(32), 'mine');
  await expect(parts().replicate(HOME, THIRD)).rejects.toThrow(
    /no replica of eu-west-1.* keys promote --to eu-west-1 --stage \S+ --region \S+ compares/,
  );
  expect(there(THIRD).map(({ primaryRegion }) => primaryRegion)).toEqual([THIRD]);
});

it('a Region that goes loses its replicas; the others keep theirs, and what is not there is no error', async () => {
  await parts().replicate(HOME, THIRD);
  for (const _ of ['first', 'again']) {
    await parts().unreplicate(HOME, THIRD);
    expect(there(THIRD)).toEqual([]);
    expect(statuses()).toEqual(PURPOSES.map(() => [`${NEXT} InSync`]));
  }
});

it('a Region that takes a call and never answers it ends each of them, by its limit or by Ctrl-C', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'a', secretAccessKey: 's' };
  const plan: DeployPlan = {
    ...{ stage: STAGE, kind: 'prod', homeRegion: HOME, consistency: 'eventual', tableGeneration: 1 },
    ...{ stacks: [], stackRegions: [], regions: [], concurrencyQuota: 1000, alarms: {} },
  };
  const calls = (signal: AbortSignal, limit: { answerMs?: number }) => {
    const asked = awsParts(
      { cwd: '.', env: {}, stderr: { write: () => {} } },
      { plan, assembly: '', signal, ...limit, aws: (region) => ({ region, endpoint, credentials }) },
    );
    const stack = { name: 'any', region: THIRD, part: 'region' } as const;
    return [
      asked.exists(stack),
      asked.health(stack),
      asked.remove(stack),
      asked.alarms(stack),
      asked.unprotect(THIRD),
      asked.isEvacuated(THIRD, HOME),
      asked.clearFlag(THIRD, HOME),
      asked.replicasOf(HOME, 'any'),
    ];
  };
  const end = (made: Promise<unknown>[], as: object) =>
    Promise.all(made.map((call) => expect(call).rejects.toMatchObject(as)));
  await end(calls(new AbortController().signal, { answerMs: 50 }), {
    exitCode: 3,
    message: expect.stringMatching(/no answer/),
  });
  const interrupt = new AbortController();
  silent.once('request', () => interrupt.abort());
  await end(calls(interrupt.signal, { answerMs: 3_600_000 }), { exitCode: 130, message: 'interrupted' });
  silent.closeAllConnections();
  silent.close();
});
