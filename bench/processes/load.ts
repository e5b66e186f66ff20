/**
 * Puts load on a server: each connection sends one registration after the other, each with a proof of its
 * own.
 */
import { randomUUID } from 'node:crypto';
import { Client } from 'undici';
import { percentiles } from '../report.ts';
import { answerAsks } from './ask.ts';
import { proofMaker, type Signer } from './proofs.ts';

export interface Load {
  /** Where nonces come from, and what proofs are signed for. */
  readonly url: string;
  /** Where the requests go, by connection in turn. @default the URL */
  readonly sendTo?: readonly string[];
  /** The requests that the server accepts: our registrations, oidc-provider's clients, or anything. */
  readonly kind: 'registration' | 'oidc-client' | 'anything';
  readonly issuer?: string;
  /** One for each connection, in turn. */
  readonly signers?: readonly Signer[];
  readonly connections: number;
  /** How long to continue, or how often. */
  readonly seconds?: number;
  readonly requests?: number;
}

export interface Driven {
  readonly requests: number;
  readonly seconds: number;
  /** Milliseconds from a request's first byte to its answer's last, at each percentile. */
  readonly latencyMs: Readonly<Record<'50' | '95' | '99', number>>;
}

/** Sends one request. @returns its latency in milliseconds */
type Send = () => Promise<number>;

const run = randomUUID().slice(0, 8);
let users = 0;

async function drive(load: Load): Promise<Driven> {
  const { connections, seconds = Number.POSITIVE_INFINITY, requests = Number.POSITIVE_INFINITY } = load;
  const { sendTo = [load.url] } = load;
  const clients = Array.from({ length: connections }, (_, i) => new Client(sendTo[i % sendTo.length]!));
  const sends = await Promise.all(clients.map((client, i) => sender(client, load, i)));
  const latencies: number[] = [];
  let left = requests;
  const start = performance.now();
  const end = start + seconds * 1000;
  await Promise.all(
    sends.map(async (send) => {
      while (left-- > 0 && performance.now() < end) latencies.push(await send());
    }),
  );
  const elapsed = (performance.now() - start) / 1000;
  await Promise.all(clients.map((client) => client.close()));
  return { requests: latencies.length, seconds: elapsed, latencyMs: percentiles(latencies) };
}

async function sender(client: Client, load: Load, connection: number): Promise<Send> {
  if (load.kind === 'registration') {
    const signers = load.signers!;
    return registrations(client, load, signers[connection % signers.length]!);
  }
  const path = load.kind === 'oidc-client' ? '/reg' : '/';
  return async () => {
    const host = `https://user-${run}-${++users}.example.com`;
    const body = JSON.stringify({ redirect_uris: [`${host}/callback`], client_name: `User ${users}` });
    return (await post(client, path, body, {})).latencyMs;
  };
}

/** As in the SDK: the answer to a registration carries the nonce for the next one. */
async function registrations(client: Client, { url, issuer }: Load, signer: Signer): Promise<Send> {
  const path = '/v1/register';
  const proof = proofMaker(signer, issuer!, url + path);
  const asked = await fetch(`${url}/v1/nonce?client_id=${signer.clientId}`);
  let { nonce } = (await asked.json()) as { nonce: string };
  return async () => {
    const user_id = `user-${run}-${++users}`;
    const body = JSON.stringify({ user_id, email: `${user_id}@example.com`, display_name: `User ${users}` });
    const authorization = `JWT ${proof(body, nonce)}`;
    const { headers, latencyMs } = await post(client, path, body, { authorization });
    nonce = headers['replay-nonce'] as string;
    return latencyMs;
  };
}

async function post(client: Client, path: string, body: string, more: Record<string, string>) {
  const start = performance.now();
  const answer = await client.request({
    method: 'POST',
    path,
    body,
    headers: { 'content-type': 'application/json', ...more },
  });
  const text = await answer.body.text();
  const latencyMs = performance.now() - start;
  if (answer.statusCode !== 201) throw new Error(`${answer.statusCode} ${text}`);
  return { headers: answer.headers, latencyMs };
}

answerAsks({ drive });
