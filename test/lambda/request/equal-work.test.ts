/** Without a valid key, nobody learns from store calls or other work whether a client or a key exists. */
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { exportJWK } from 'jose';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { tableName } from '../../../lambda/contract/names.ts';
import { STAGE } from '../../support/dynalite.ts';
import { type Region, regionsForFile } from '../../support/regions.ts';
import {
  b64,
  fetchNonce,
  hs256,
  makeBasicClient,
  makeClient,
  proofFor,
  register,
  registerAsk,
  type Signer,
} from '../../support/signer.ts';

const counted = vi.hoisted(() => new Map<string, number>());
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  const counting = <F extends (...args: never[]) => unknown>(name: string, work: F) =>
    ((...args: never[]) => {
      counted.set(name, (counted.get(name) ?? 0) + 1);
      return work(...args);
    }) as unknown as F;
  return {
    ...crypto,
    createHmac: counting('createHmac', crypto.createHmac),
    createPublicKey: counting('createPublicKey', crypto.createPublicKey),
    createSecretKey: counting('createSecretKey', crypto.createSecretKey),
    hkdfSync: counting('hkdfSync', crypto.hkdfSync),
    timingSafeEqual: counting('timingSafeEqual', crypto.timingSafeEqual),
    verify: counting('verify', crypto.verify),
  };
});

const { platform, a } = await regionsForFile();
const bystander = await makeClient(platform);
/** Clients of every kind. `stranger` and `passer-by` do not exist. */
const clients = {} as Record<'strict' | 'basic' | 'basicTwo' | 'disabled' | 'revoked' | 'expired', Signer> &
  Record<'ec' | 'okp', Signer & { privateKey: KeyObject }>;

beforeAll(async () => {
  clients.strict = await makeClient(platform);
  clients.basic = await makeBasicClient(platform);
  clients.basicTwo = await makeBasicClient(platform);
  const expires_at = new Date(platform.clock.nowMs + 30 * 24 * 3600 * 1000).toISOString();
  await platform.operate('clients.rotate-key', { client_id: clients.basicTwo.clientId, expires_at });
  clients.ec = await withKeyPair('ES256');
  clients.okp = await withKeyPair('Ed25519');
  clients.disabled = await makeClient(platform);
  await platform.operate('clients.disable', { client_id: clients.disabled.clientId });
  clients.revoked = await makeClient(platform);
  await platform.operate('clients.revoke-key', { client_id: clients.revoked.clientId, kid: '1' });
  clients.expired = await makeClient(platform);
  const soon = { client_id: clients.expired.clientId, overlap_s: 0 };
  await platform.operate('clients.rotate-key', soon);
});

type Form = 'HS256' | 'ES256' | 'Ed25519' | 'basic';
const FORMS = ['HS256', 'ES256', 'Ed25519', 'basic'] as const;

const makePair = (form: 'ES256' | 'Ed25519') =>
  form === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');

async function withKeyPair(alg: 'ES256' | 'Ed25519'): Promise<Signer & { privateKey: KeyObject }> {
  const { publicKey, privateKey } = makePair(alg);
  const jwk = { ...(await exportJWK(publicKey)), alg };
  const made = await platform.operate('clients.create', { profile: 'strict', jwk });
  return { clientId: made.client_id, kid: made.kid, apiKey: '', privateKey };
}

function signed(form: Form, kid: string, claims: object, key: string | KeyObject): string {
  if (form === 'basic') return hs256(key as string, { alg: 'HS256' }, claims);
  const header = { alg: form, typ: 'countersign-proof+jwt', kid };
  if (form === 'HS256') return hs256(key as string, header, claims);
  const input = `${b64(header)}.${b64(claims)}`;
  const options = { key: key as KeyObject, dsaEncoding: 'ieee-p1363' as const };
  const signature = sign(form === 'ES256' ? 'sha256' : null, Buffer.from(input), options);
  return `${input}.${signature.toString('base64url')}`;
}

/** A proof signed with a key of no client. */
interface Attempt {
  readonly form: Form;
  readonly clientId: string;
  readonly kid: string;
}

function forged({ form, clientId, kid }: Attempt): string {
  const key = form === 'ES256' || form === 'Ed25519' ? makePair(form).privateKey : 'wrong';
  return signed(form, kid, { iss: clientId }, key);
}

type Send = (command: {
  input: { TableName?: string; Key?: { pk?: { S: string } } };
  constructor: { name: string };
}) => unknown;

/** All store calls and key operations of one request. */
async function costOf(region: Region, attempt: Attempt): Promise<Record<string, number>> {
  const token = forged(attempt);
  const calls: Record<string, number> = {};
  const spies = [platform.shared, a.dynamodb].map((store) => {
    const send = store.send.bind(store) as unknown as Send;
    return vi.spyOn(store, 'send').mockImplementation(((command: Parameters<Send>[0]) => {
      const name = `${command.constructor.name} ${command.input.TableName} ${command.input.Key?.pk?.S ?? ''}`;
      calls[name] = (calls[name] ?? 0) + 1;
      return send(command);
    }) as never);
  });
  const reads = () =>
    Object.entries(platform.secrets).map(([name, { reads }]) => [`secret ${name}`, reads] as const);
  const before = new Map(reads());
  counted.clear();
  const answer = await region.send(registerAsk(token, '{}'));
  expect(answer.code).toBe('invalid_proof');
  for (const spy of spies) spy.mockRestore();
  for (const [name, now] of reads()) if (now > before.get(name)!) calls[name] = now - before.get(name)!;
  return { ...calls, ...Object.fromEntries(counted) };
}

/** By the form of the proof, which its sender chooses: every client that it might name. */
function attempts(form: Form): Attempt[] {
  const known = Object.values(clients).flatMap(({ clientId, kid }) => [
    { form, clientId, kid },
    { form, clientId, kid: '77' },
  ]);
  return [...known, ...['stranger', 'passer-by'].map((clientId) => ({ form, clientId, kid: '1' }))];
}

/**
 * A request of another client makes the instance read the client root. If the client exists, a request of its
 * own follows: the instance then caches the client and its verification key.
 */
async function traffic(region: Region, { clientId }: Attempt): Promise<void> {
  await register(platform, region, bystander, { user_id: randomUUID() });
  const entry = Object.entries(clients).find(([, signer]) => signer.clientId === clientId);
  if (!entry) return;
  const [name, signer] = entry;
  const form = ({ ec: 'ES256', okp: 'Ed25519', basic: 'basic', basicTwo: 'basic' } as const)[name] ?? 'HS256';
  const body = JSON.stringify({ user_id: randomUUID() });
  const nonce = await fetchNonce(region, clientId);
  const request = { method: 'POST', url: `${region.url}/v1/register`, body, nonce };
  const claims = proofFor(signer, platform.clock.nowMs, request).split('.')[1]!;
  const key = 'privateKey' in signer ? signer.privateKey : signer.apiKey;
  const proof = signed(form, signer.kid, JSON.parse(Buffer.from(claims, 'base64url').toString()), key);
  const answer = await region.send(registerAsk(proof, body));
  expect(answer.code ?? answer.status).toBe(
    { disabled: 'client_disabled', revoked: 'key_expired', expired: 'key_expired' }[name] ?? 201,
  );
}

describe.each(FORMS)('a forged proof of form %s', (form) => {
  /** Each attempt has its own instance: none knows of the others. */
  async function costs(prepare: (region: Region, attempt: Attempt) => Promise<void>) {
    const found = [];
    for (const attempt of attempts(form)) {
      const region = a.instance();
      await prepare(region, attempt);
      found.push(await costOf(region, attempt));
    }
    expect(found.length).toBeGreaterThan(15);
    for (const cost of found) expect(cost).toEqual(found[0]);
    return found[0]!;
  }
  const first = { 'QueryCommand countersign-test-clients-1 ': 1 };

  it('costs the same for every named client, on an instance that has just started', async () => {
    const cost = await costs(async () => {});
    expect(cost).toMatchObject(first);
    if (form === 'HS256') expect(cost).toMatchObject({ createHmac: 2, timingSafeEqual: 2, hkdfSync: 2 });
    if (form === 'basic') expect(cost).toMatchObject({ createHmac: 4, timingSafeEqual: 4, hkdfSync: 4 });
    if (form === 'ES256') expect(cost).toMatchObject({ verify: 2, createPublicKey: 2 });
  });

  it.each([0, 300, 1_500, 10_600])(
    "costs the same %i ms after the client's own requests",
    async (laterMs) => {
      const cost = await costs(async (region, attempt) => {
        await traffic(region, attempt);
        platform.clock.nowMs += laterMs;
      });
      expect(cost).toMatchObject(first);
    },
  );

  it.each([100, 1_200])('costs the same %i ms after another forged proof', async (laterMs) => {
    await costs(async (region, attempt) => {
      await traffic(region, attempt);
      platform.clock.nowMs += 2_000;
      await costOf(region, attempt);
      platform.clock.nowMs += laterMs;
    });
  });

  it('costs the same after another forged proof and requests of the client itself', async () => {
    await costs(async (region, attempt) => {
      await costOf(region, attempt);
      platform.clock.nowMs += 10_100;
      await traffic(region, attempt);
      platform.clock.nowMs += 600;
    });
  });

  it('costs the same while the client root is missing', async () => {
    const { keyset } = platform.secrets['client-root'];
    const kid = keyset.keys[0]!.kid;
    platform.secrets['client-root'].keyset = { ...keyset, seq: keyset.seq + 1, revoked: [kid] };
    try {
      await costs(async () => {});
    } finally {
      platform.secrets['client-root'].keyset = keyset;
    }
  });
});

it.each(['No Client', 'registry', 'x', `c${'x'.repeat(5_000)}`, '#probe#eu-west-1', 'a#b'])(
  'the name %# leads to a lookup only if a client can have it',
  async (clientId) => {
    for (const form of FORMS) {
      const cost = await costOf(a.instance(), { form, clientId, kid: '1' });
      const looked = Object.keys(cost).filter((call) => call.includes(tableName(STAGE, 'clients')));
      expect(looked).toHaveLength(clientId === 'registry' ? 1 : 0);
    }
  },
);

describe('without the client root', () => {
  afterEach(() => {
    platform.secrets['client-root'].fail = false;
  });

  it('the outage does not reveal which clients exist, and clients with a key pair still register', async () => {
    platform.secrets['client-root'].fail = true;
    for (const form of FORMS) {
      const codes = new Set<string | undefined>();
      for (const attempt of attempts(form))
        codes.add((await a.instance().send(registerAsk(forged(attempt), '{}'))).code);
      expect([...codes]).toEqual([form === 'HS256' || form === 'basic' ? 'unavailable' : 'invalid_proof']);
    }
  });
});
