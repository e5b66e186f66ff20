/** A strict client over HTTP that can send one request many times. */
import { setTimeout as delay } from 'node:timers/promises';
import { checkedFetch } from '../support/checked-fetch.ts';
import { proofFor, registerAsk, type Signer } from '../support/signer.ts';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly body: any;
}

export interface Client {
  readonly apiKey: string;
  nonce(): Promise<string>;
  /** A registration, signed over a fresh nonce or the given one. */
  prepare(user: object, nonce?: string): Promise<Request>;
  read(path: string): Request;
  remove(path: string): Promise<Request>;
  send(request: Request): Promise<Answer>;
}

/** @param url the Region's base URL */
export function connect(url: string, issuer: string, signer: Signer): Client {
  const http = checkedFetch();
  const sign = (method: string, path: string, rest: { body?: string; nonce?: string }) =>
    proofFor(signer, Date.now(), { method, url: url + path, ...rest }, { claims: { aud: issuer } });
  // Right after the keys were made an instance may still hold the empty keyset, for a second: the answer says
  // when to ask.
  const fetchNonce = async (): Promise<string> => {
    for (;;) {
      const answer = await http(`${url}/v1/nonce?client_id=${signer.clientId}`);
      const body = await answer.json();
      if (answer.ok) return body.nonce;
      if (answer.status !== 503) throw new Error(`nonce: ${JSON.stringify(body)}`);
      await delay(Number(answer.headers.get('Retry-After')) * 1000);
    }
  };
  const withProof = (method: string, path: string, nonce?: string): Request => {
    const proof = sign(method, path, nonce === undefined ? {} : { nonce });
    return { method, path, headers: { Authorization: `JWT ${proof}` } };
  };

  return {
    apiKey: signer.apiKey,
    nonce: fetchNonce,
    async prepare(user, nonce) {
      const body = JSON.stringify(user);
      const proof = sign('POST', '/v1/register', { body, nonce: nonce ?? (await fetchNonce()) });
      return registerAsk(proof, body) as Request;
    },
    read: (path) => withProof('GET', path),
    remove: async (path) => withProof('DELETE', path, await fetchNonce()),
    // Many functions run at once on a small machine. One may time out on its ledger, and answers so.
    async send({ path, ...init }) {
      for (;;) {
        const answer = await http(url + path, init);
        const { status, headers } = answer;
        const text = await answer.text();
        if (status !== 503) return { status, headers, body: text === '' ? undefined : JSON.parse(text) };
        await delay(Number(headers.get('Retry-After')) * 1000);
      }
    },
  };
}
