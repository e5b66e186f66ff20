/** Revoking a proof, or a generation with all that it issued, and how fast each takes effect. */
import { type AttributeValue, DeleteItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import type { SdkDynamodb } from '../../../lambda/adapters/aws-sdk.ts';
import { createClients } from '../../../lambda/adapters/clients.ts';
import type { RevokedProof } from '../../../lambda/contract/admin.ts';
import { tableName } from '../../../lambda/contract/names.ts';
import { CLIENT_CACHE_MS } from '../../../lambda/request/client-cache.ts';
import { deriveApiKey } from '../../../protocol/api-key.ts';
import type { ClientKey } from '../../../protocol/client.ts';
import { keyBytes } from '../../../protocol/keyset.ts';
import { STAGE } from '../../support/dynalite.ts';
import { regionsForFile } from '../../support/regions.ts';
import {
  fetchNonce,
  makeBasicClient,
  makeClient,
  prepare,
  proofFor,
  register,
  type Signer,
} from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile();
let user = 0;

const tryWith = async (signer: Signer, region = a): Promise<string | number> => {
  const answer = await register(platform, region, signer, { user_id: `u${++user}` });
  return answer.code ?? answer.status;
};
const stored = () => createClients(platform.shared, tableName(STAGE, 'clients'));

/** A generation issued by another one, as a roll-over writes it. */
async function issue(by: Signer, generation: number): Promise<Signer> {
  const clients = stored();
  const client = (await clients.load(by.clientId))!;
  const { salt, keys } = client;
  const issuer = keys.find(({ kid }) => kid === by.kid)!;
  const kid = String(generation);
  const key: ClientKey = { ...issuer, kid, issuedBy: by.kid };
  expect(await clients.addKey(client, key)).toBe(true);
  const root = platform.secrets['client-root'].keyset.keys.find((each) => each.kid === issuer.rootKid)!;
  const made = { root: keyBytes(root), clientId: by.clientId, salt, generation, profile: 'strict' as const };
  return { clientId: by.clientId, kid, apiKey: deriveApiKey(made) };
}

const revokeKey = ({ clientId: client_id, kid }: Signer) =>
  platform.operate('clients.revoke-key', { client_id, kid });

type Items = Record<string, Record<string, AttributeValue>>;
const TableName = tableName(STAGE, 'clients');

/** The client's items by sort key. */
async function itemsOf(clientId: string): Promise<Items> {
  const all = (await platform.items('clients')) as Record<string, AttributeValue>[];
  return Object.fromEntries(all.filter(({ pk }) => pk!.S === clientId).map((item) => [item.sk!.S!, item]));
}

async function restore(clientId: string, items: Items): Promise<void> {
  for (const { pk, sk } of Object.values(await itemsOf(clientId)))
    await platform.shared.send(new DeleteItemCommand({ TableName, Key: { pk: pk!, sk: sk! } }));
  for (const Item of Object.values(items))
    await platform.shared.send(new PutItemCommand({ TableName, Item }));
}

/** Two Regions write before either sees the other's write. Then the later write of each item wins. */
async function atOnce(clientId: string, here: () => unknown, there: () => unknown): Promise<void> {
  const before = await itemsOf(clientId);
  const write = async (work: () => unknown): Promise<Items> => {
    await restore(clientId, before);
    await work();
    const after = Object.entries(await itemsOf(clientId));
    return Object.fromEntries(
      after.filter(([sk, item]) => JSON.stringify(item) !== JSON.stringify(before[sk])),
    );
  };
  const earlier = await write(here);
  const later = await write(there);
  await restore(clientId, { ...before, ...earlier, ...later });
}

describe('an unused proof', () => {
  it('is revoked at once, on every instance, and nothing is stored for it', async () => {
    const signer = await makeClient(platform);
    const ask = await prepare(platform, a, signer, { user_id: 'revoked-proof' });
    expect(await platform.operate('proofs.revoke', { nonce: ask.nonce })).toEqual({ outcome: 'revoked' });
    for (const region of [a, a.instance()]) expect((await region.send(ask)).code).toBe('use_nonce');
    expect(
      (await platform.items('registry')).filter(({ pk }) =>
        (pk as { S: string }).S.startsWith(`${signer.clientId}#`),
      ),
    ).toEqual([]);
    expect(await platform.operate('proofs.revoke', { nonce: ask.nonce })).toEqual({
      outcome: 'already_used',
    });
  });

  it.each([0, 1, 50, 100])(
    'revoked against 100 uses that have reached the ledger, %i of them before it: it is used once, or never',
    async (before) => {
      const waiting: (() => void)[] = [];
      let arrived = () => {};
      const send = (command: PutItemCommand) => {
        if (command.input.TableName !== tableName(STAGE, 'ledger')) return a.dynamodb.send(command);
        const turn = new Promise<void>((resolve) => waiting.push(resolve));
        arrived();
        return turn.then(() => a.dynamodb.send(command));
      };
      const all = (count: number) =>
        new Promise<void>((resolve) => {
          arrived = () => void (waiting.length === count && resolve());
        });
      const held = a.instance({}, { dynamodb: { send } as unknown as SdkDynamodb });
      const signer = await makeClient(platform);
      const ask = await prepare(platform, a, signer, { user_id: `race-${before}` });
      const usesThere = all(100);
      const uses = Array.from({ length: 100 }, () => held.send(ask));
      await usesThere;
      const revocationThere = all(101);
      const event = { action: 'proofs.revoke', params: { nonce: ask.nonce } };
      const revoking = held.functions['admin-write'](event, { awsRequestId: 'r' });
      await revocationThere;
      waiting.splice(before, 0, waiting.pop()!);
      for (const release of waiting) release();
      const { result } = (await revoking) as { result: RevokedProof };
      const accepted = (await Promise.all(uses)).filter(({ status }) => status === 201).length;
      expect(accepted).toBe(result.outcome === 'revoked' ? 0 : 1);
    },
  );

  it("that was used is reported as used, even after its life; another Region's proof and nonsense are refused", async () => {
    const signer = await makeClient(platform);
    const used = await prepare(platform, a, signer, { user_id: 'used-proof' });
    expect((await a.send(used)).status).toBe(201);
    expect(await platform.operate('proofs.revoke', { nonce: used.nonce })).toEqual({
      outcome: 'already_used',
    });
    const elsewhere = await fetchNonce(b, signer.clientId);
    expect(await platform.admin('proofs.revoke', { nonce: elsewhere })).toMatchObject({
      ok: false,
      problem: { status: 400, detail: expect.stringContaining(b.name) },
    });
    expect(await platform.admin('proofs.revoke', { nonce: 'AAAA' })).toMatchObject({
      ok: false,
      problem: { code: 'malformed_request' },
    });
    const old = await fetchNonce(a, signer.clientId);
    // Another machine's clock may be behind by as much as this one is ahead.
    const still = await fetchNonce(a, signer.clientId);
    platform.clock.nowMs += 300_000 + 4_000;
    expect(await platform.operate('proofs.revoke', { nonce: still })).toEqual({ outcome: 'revoked' });
    platform.clock.nowMs += 1;
    expect(await platform.operate('proofs.revoke', { nonce: old })).toEqual({ outcome: 'expired' });
  });
});

describe('a generation', () => {
  it(`is refused within ${CLIENT_CACHE_MS} ms by instances that cache it, at once by others, in both Regions`, async () => {
    const signer = await makeClient(platform);
    for (const region of [a, b]) expect(await tryWith(signer, region)).toBe(201);
    await revokeKey(signer);
    expect(await tryWith(signer, a.instance())).toBe('key_expired');
    platform.clock.nowMs += CLIENT_CACHE_MS;
    for (const region of [a, b]) expect(await tryWith(signer, region)).toBe('key_expired');
  });

  it('takes along all that it issued, directly or not, and nothing else', async () => {
    const first = await makeClient(platform);
    const second = await issue(first, 2);
    const third = await issue(second, 3);
    const { api_key, kid } = await platform.operate('clients.rotate-key', { client_id: first.clientId });
    const fromOperator = { clientId: first.clientId, kid, apiKey: api_key! };
    expect(kid).toBe('4');
    for (const signer of [first, second, third, fromOperator]) expect(await tryWith(signer)).toBe(201);
    const { keys } = await revokeKey(second);
    expect(keys.map(({ kid, revoked }) => [kid, revoked])).toEqual([
      ['1', false],
      ['2', true],
      ['3', true],
      ['4', false],
    ]);
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect(await tryWith(first)).toBe(201);
    for (const dead of [second, third]) expect(await tryWith(dead)).toBe('key_expired');
    expect(await tryWith(fromOperator)).toBe(201);
  });

  it('is followed by the highest number plus one, even if lower ones are missing', async () => {
    const first = await makeClient(platform);
    await issue(first, 5);
    const { kid } = await platform.operate('clients.rotate-key', { client_id: first.clientId });
    expect(kid).toBe('6');
  });

  it('issues nothing that lives after it was revoked, even where the revocation was not yet known', async () => {
    const stolen = await makeClient(platform);
    await revokeKey(stolen);
    const late = await issue(stolen, 2);
    expect(await tryWith(late, b.instance())).toBe('key_expired');
  });

  it('stays revoked when its client is disabled and enabled, and after any other write', async () => {
    const signer = await makeClient(platform);
    const client_id = signer.clientId;
    await revokeKey(signer);
    await platform.operate('clients.disable', { client_id });
    await platform.operate('clients.enable', { client_id });
    await platform.operate('clients.update', { client_id, limit: 7 });
    await platform.operate('clients.rotate-key', { client_id });
    expect(await tryWith(signer, a.instance())).toBe('key_expired');
  });

  it('and a disabled client stay so, even if a Region that does not know of it writes at the same time', async () => {
    const first = await makeClient(platform);
    const client_id = first.clientId;
    await platform.operate('clients.disable', { client_id });
    const second = await issue(first, 2);
    await atOnce(
      client_id,
      () => revokeKey(second),
      () => platform.operate('clients.enable', { client_id }),
    );
    expect(await tryWith(second, a.instance())).toBe('key_expired');
    expect(await tryWith(first, a.instance())).toBe(201);
    await atOnce(
      client_id,
      () => platform.operate('clients.disable', { client_id }),
      () => revokeKey(first),
    );
    expect(await tryWith(first, a.instance())).toBe('client_disabled');
    await platform.operate('clients.enable', { client_id });
    expect(await tryWith(first, a.instance())).toBe('key_expired');
  });

  it('costs a client created again under the same name nothing, and its key stays revoked', async () => {
    const old = await makeClient(platform);
    await revokeKey(old);
    await platform.operate('clients.delete', { client_id: old.clientId });
    const renewed = await makeClient(platform, old.clientId);
    expect(await tryWith(renewed, a.instance())).toBe(201);
    expect(await tryWith(old, a.instance())).toBe('invalid_proof');
  });

  it('is named by its kid only: an API key in its place is refused, and no log holds it', async () => {
    const { clientId: client_id, apiKey } = await makeClient(platform, 'abc');
    expect(apiKey.length).toBeLessThanOrEqual(64);
    expect(await platform.admin('clients.revoke-key', { client_id, kid: apiKey })).toMatchObject({
      ok: false,
      problem: { code: 'malformed_request', detail: expect.not.stringContaining(apiKey) },
    });
    expect(JSON.stringify(platform.log)).not.toContain(apiKey);
  });

  it('of a basic client is refused as well', async () => {
    const signer = await makeBasicClient(platform);
    const body = JSON.stringify({ user_id: 'basic' });
    const send = async () => {
      const nonce = await fetchNonce(a, signer.clientId);
      const nowS = Math.floor(platform.clock.nowMs / 1000);
      const proof = proofFor(
        signer,
        platform.clock.nowMs,
        { method: 'POST', url: '', body, nonce },
        {
          header: { typ: undefined, kid: undefined },
          claims: { exp: nowS + 60 },
        },
      );
      const headers = { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' };
      return a.instance().send({ method: 'POST', path: '/v1/register', headers, body });
    };
    expect((await send()).status).toBe(201);
    await revokeKey(signer);
    expect((await send()).code).toBe('key_expired');
  });

  it('that was revoked is visible only to its holder', async () => {
    const signer = await makeClient(platform);
    await revokeKey(signer);
    const answer = await a
      .instance()
      .send(await prepare(platform, a, signer, { user_id: 'guess' }, { key: 'csk_wrong' }));
    expect(answer.code).toBe('invalid_proof');
  });

  it('that does not exist is a 404, and so is one of an unknown client', async () => {
    const { clientId: client_id } = await makeClient(platform);
    for (const params of [
      { client_id, kid: '2' },
      { client_id: 'nobody-here', kid: '1' },
    ])
      expect(await platform.admin('clients.revoke-key', params)).toMatchObject({
        ok: false,
        problem: { status: 404, code: 'not_found' },
      });
  });
});
