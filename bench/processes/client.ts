/**
 * A client of its own process: registrations with the SDK, beside a loop that a developer writes by hand with
 * `fetch` and jose; and the memory of the SDK over many registrations.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { CountersignClient } from '../../sdk/typescript/index.ts';
import { answerAsks } from './ask.ts';

export interface Target {
  /** The entry. */
  readonly url: string;
  readonly region: string;
  readonly apiKey: string;
  readonly users: number;
  readonly concurrency: number;
}

const user = () => ({ user_id: randomUUID(), email: 'ada@example.com' });

/** @returns microseconds of processor time for each user */
async function microsOf(users: number, work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user: own, system } = process.cpuUsage(before);
  return (own + system) / users;
}

async function byHand({ url, region, apiKey, users, concurrency }: Target): Promise<number> {
  const [, clientId, kid] = apiKey.split('_') as [string, string, string];
  const key = new TextEncoder().encode(apiKey);
  const json = async (to: string) => (await fetch(to)).json();
  const { issuer } = await json(`${url}/.well-known/countersign`);
  const { nonces } = await json(`${region}/v1/nonce?client_id=${clientId}&count=${concurrency}`);
  const to = `${region}/v1/register`;
  let left = users;
  const one = async (nonce: string): Promise<string> => {
    const body = JSON.stringify(user());
    const iat = Math.floor(Date.now() / 1000);
    const proof = await new SignJWT({
      ...{ iss: clientId, aud: issuer, jti: randomBytes(16).toString('base64url'), iat, exp: iat + 120 },
      ...{ htm: 'POST', htu: to, nonce },
      fingerprint: createHash('sha256').update(body).digest('base64url'),
    })
      .setProtectedHeader({ alg: 'HS256', typ: 'countersign-proof+jwt', kid })
      .sign(key);
    const headers = { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' };
    const answer = await fetch(to, { method: 'POST', headers, body });
    if (answer.status !== 201) throw new Error(`by hand: ${answer.status} ${await answer.text()}`);
    await answer.json();
    return answer.headers.get('Replay-Nonce')!;
  };
  return await microsOf(users, async () => {
    await Promise.all(
      nonces.map(async (first: string) => {
        for (let nonce = first; left-- > 0; ) nonce = await one(nonce);
      }),
    );
  });
}

async function bySdk({ url, apiKey, users, concurrency }: Target): Promise<number> {
  await using client = new CountersignClient({ url, apiKey });
  await client.register(user());
  return await microsOf(users, async () => {
    const source = Array.from({ length: users }, user);
    for await (const result of client.registerBatch(source, { concurrency }))
      if (!result.ok) throw result.error;
  });
}

/** @returns bytes that are held after the first and after the last of so many registrations */
async function memory({ first, last }: { readonly first: number; readonly last: number }): Promise<number[]> {
  const url = 'https://api.example.com';
  const canned = (async (to: string, init: RequestInit) => {
    if (to.endsWith('/.well-known/countersign'))
      return Response.json({ issuer: url, regions: [{ name: 'a', url }] });
    const nonce = randomBytes(58).toString('base64url');
    if (init.method === 'GET') return Response.json({ nonce });
    const data = JSON.parse(Buffer.from(init.body as Uint8Array).toString());
    const stored = { id: 'x'.repeat(43), client_id: 'dev', user_id: data.user_id, created_at: 'x', data };
    return Response.json(stored, { status: 201, headers: { 'Replay-Nonce': nonce } });
  }) as typeof fetch;
  const { privateKey } = (await crypto.subtle.generateKey({ name: 'Ed25519' }, true, [
    'sign',
    'verify',
  ])) as CryptoKeyPair;
  await using client = new CountersignClient({ url, clientId: 'dev', privateKey, fetch: canned });
  const held: number[] = [];
  for (let i = 1; i <= last; i++) {
    await client.register(user());
    if (i !== first && i !== last) continue;
    // Twice: the first collection lets finalizers run.
    for (let j = 0; j < 2; j++) {
      globalThis.gc!();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    held.push(process.memoryUsage().heapUsed);
  }
  return held;
}

answerAsks({ byHand, bySdk, memory });
