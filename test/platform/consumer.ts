/** An API consumer that sends each request once: no retry can hide a refusal. */

import type { LocalClient } from '../../local/stage.ts';
import { buildProof } from '../../protocol/proof/build.ts';

export interface Outcome {
  readonly status: number;
  readonly code: string | undefined;
  /** A fresh nonce, if the answer has one. */
  readonly nonce: string | null;
}

export interface Consumer {
  nonce(url: string): Promise<string>;
  register(url: string, nonce: string, userId: string): Promise<Outcome>;
}

/** @param issuer the entry's URL */
export function consumer({ client_id, api_key }: LocalClient, issuer: string, nowMs: () => number): Consumer {
  const key = Buffer.from(api_key);
  return {
    async nonce(url) {
      const answer = await fetch(`${url}/v1/nonce?client_id=${client_id}`);
      const body = await answer.json();
      if (answer.status !== 200) throw new Error(`no nonce: ${answer.status} ${body.code}`);
      return body.nonce;
    },

    async register(url, nonce, userId) {
      const body = Buffer.from(JSON.stringify({ user_id: userId }));
      const path = `${url}/v1/register`;
      const proof = await buildProof({
        key,
        alg: 'HS256',
        kid: '1',
        clientId: client_id,
        issuer,
        method: 'POST',
        url: path,
        body,
        nonce,
        nowS: nowMs() / 1000,
        lifeS: 120,
      });
      const headers = { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' };
      const answer = await fetch(path, { method: 'POST', headers, body });
      const { code } = await answer.json();
      return { status: answer.status, code, nonce: answer.headers.get('Replay-Nonce') };
    },
  };
}
