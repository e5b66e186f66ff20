/** At most once: no repetition of a proof succeeds, however often, wherever and whenever. */
import { describe, expect, it } from 'vitest';
import type { SdkDynamodb } from '../../../lambda/adapters/aws-sdk.ts';
import { dynamodb } from '../../support/dynalite.ts';
import { type HttpAnswer, ISSUER, type Region, regionsForFile } from '../../support/regions.ts';
import { fetchNonce, makeClient, prepare, proofFor, registerAsk } from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile();
const signer = await makeClient(platform);

function tally(answers: readonly HttpAnswer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, code } of answers) {
    const name = code ?? String(status);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const rows = async (nonce: string, region: Region) =>
  (await platform.items('ledger', region)).filter((item) => (item.pk as { S: string }).S === nonce);

describe('one proof, sent many times', () => {
  it('100 at once to one Region: one 201, 99 use_nonce, one ledger item', async () => {
    const ask = await prepare(platform, a, signer, { user_id: 'replayed-100' });
    const answers = await Promise.all(Array.from({ length: 100 }, () => a.send(ask)));
    expect(tally(answers)).toEqual({ 201: 1, use_nonce: 99 });
    expect(await rows(ask.nonce, a)).toHaveLength(1);
  });

  it('100 at once to two instances each of two Regions, by the entry URL: one 201', async () => {
    const body = JSON.stringify({ user_id: 'replayed-both' });
    const nonce = await fetchNonce(a, signer.clientId);
    const url = `${ISSUER}/v1/register`;
    const ask = registerAsk(
      proofFor(signer, platform.clock.nowMs, { method: 'POST', url, body, nonce }),
      body,
    );
    const everywhere = [a, b, a.instance(), b.instance()];
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => everywhere[i % 4]!.send(ask)));
    expect(tally(answers)).toEqual({ 201: 1, use_nonce: 99 });
    expect(await rows(nonce, a)).toHaveLength(1);
    expect(await rows(nonce, b)).toHaveLength(0);
  });

  it('100 proofs around one nonce, all different: one 201', async () => {
    const nonce = await fetchNonce(a, signer.clientId);
    const asks = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        prepare(platform, a, signer, { user_id: `one-nonce-${i}` }, { nonce }),
      ),
    );
    const answers = await Promise.all(asks.map((ask) => a.send(ask)));
    expect(tally(answers)).toEqual({ 201: 1, use_nonce: 99 });
  });

  it('again after the first answer, up to the end of its life: use_nonce', async () => {
    const ask = await prepare(platform, a, signer, { user_id: 'replayed-later' });
    expect((await a.send(ask)).status).toBe(201);
    for (const laterMs of [1, 1_000, 60_000, 110_000]) {
      platform.clock.nowMs += laterMs;
      expect((await a.send(ask)).code).toBe('use_nonce');
    }
  });
});

describe('a consuming put whose answer is lost', () => {
  /** A client whose first put to the ledger meets `fault`. The SDK then repeats the put. */
  function faulty(fault: (send: () => Promise<unknown>) => Promise<void>): SdkDynamodb {
    const client = dynamodb(a.endpoint);
    let calls = 0;
    client.middlewareStack.add(
      (next) => async (args) => {
        if (!('Item' in args.input) || ++calls > 1) return next(args);
        await fault(() => next(args));
        throw Object.assign(new Error('no answer in time'), { name: 'TimeoutError' });
      },
      // Injected below the SDK's retries: to them, one try timed out.
      { step: 'finalizeRequest', priority: 'low', name: 'fault' },
    );
    return client;
  }

  it('although it was stored, with a replay before the repeat: the first request gets the only 201', async () => {
    const ask = await prepare(platform, a, signer, { user_id: 'lost-answer' });
    let replay: HttpAnswer | undefined;
    const slow = a.instance(
      {},
      {
        dynamodb: faulty(async (send) => {
          await send();
          replay = await a.send(ask);
        }),
      },
    );
    const first = await slow.send(ask);
    expect(first.status).toBe(201);
    expect(replay?.code).toBe('use_nonce');
    expect(await rows(ask.nonce, a)).toHaveLength(1);
  });

  it('because it was never stored, with a replay before the repeat: the replay gets the only 201', async () => {
    const ask = await prepare(platform, a, signer, { user_id: 'lost-request' });
    let replay: HttpAnswer | undefined;
    const slow = a.instance(
      {},
      {
        dynamodb: faulty(async () => {
          replay = await a.send(ask);
        }),
      },
    );
    const first = await slow.send(ask);
    expect(replay?.status).toBe(201);
    expect(first.code).toBe('use_nonce');
    expect(await rows(ask.nonce, a)).toHaveLength(1);
  });
});

describe('a used nonce stays used', () => {
  const used = async (region: Region, env: Record<string, string> = {}) => {
    const instance = region.instance(env);
    const ask = await prepare(platform, instance, signer, { user_id: `used-${Math.random()}` });
    expect((await instance.send(ask)).status).toBe(201);
    return ask;
  };
  /** The same nonce in a fresh proof: only the rules about the nonce can refuse it. */
  const reuse = async (region: Region, nonce: string) =>
    region.send(await prepare(platform, region, signer, { user_id: 'reused' }, { nonce }));

  it.each(['1000', '3600000'])('whatever the life is set to afterwards (%s ms)', async (lifeMs) => {
    const { nonce } = await used(a);
    const changed = a.instance({ COUNTERSIGN_NONCE_LIFE_MS: lifeMs });
    for (const laterMs of [0, 5_000, 400_000]) {
      platform.clock.nowMs += laterMs;
      expect((await reuse(changed, nonce)).code).toBe('use_nonce');
    }
  });

  it('although its life was short and the setting is long when its row is gone', async () => {
    const { nonce } = await used(a, { COUNTERSIGN_NONCE_LIFE_MS: '1000' });
    platform.clock.nowMs += 1_001;
    // TTL has emptied the ledger: only the nonce's own life can refuse it.
    const emptied = a.instance({ COUNTERSIGN_NONCE_LIFE_MS: '3600000' }, { dynamodb: nothingStored() });
    expect((await reuse(emptied, nonce)).code).toBe('use_nonce');
  });

  it('after a change to a new ledger, which starts empty under a new name', async () => {
    const { nonce } = await used(a);
    const replaced = a.instance(
      { COUNTERSIGN_LEDGER_TABLE: 'countersign-test-ledger-2' },
      { dynamodb: nothingStored() },
    );
    expect((await reuse(replaced, nonce)).code).toBe('use_nonce');
    expect(
      (await replaced.send(await prepare(platform, replaced, signer, { user_id: 'new-ledger' }))).status,
    ).toBe(201);
  });

  /** A ledger in which every put succeeds, as in one that was emptied. */
  function nothingStored(): SdkDynamodb {
    const send = async (command: { input: { TableName: string } }) =>
      command.input.TableName.includes('-ledger-') ? {} : a.dynamodb.send(command as never);
    return { send } as unknown as SdkDynamodb;
  }
});
