/** Makes proofs synchronously, so that the load generator is not the slow part. */
import { createHash, createHmac, createPrivateKey, type JsonWebKey, randomUUID, sign } from 'node:crypto';

/** A client and its key. */
export interface Signer {
  readonly clientId: string;
  readonly kid: string;
  readonly alg: 'HS256' | 'ES256' | 'Ed25519';
  /** For HS256. */
  readonly apiKey?: string;
  /** A private key, for the others. */
  readonly jwk?: JsonWebKey;
}

/** @returns a function that makes strict proofs for a POST to `url` (docs/protocol.md) */
export function proofMaker(signer: Signer, issuer: string, url: string) {
  const { clientId, kid, alg } = signer;
  const header = base64url({ alg, typ: 'countersign-proof+jwt', kid });
  const signature = signatureMaker(signer);
  return (body: string, nonce: string): string => {
    const iat = Math.floor(Date.now() / 1000);
    const fingerprint = createHash('sha256').update(body).digest('base64url');
    const own = { iss: clientId, aud: issuer, jti: randomUUID(), iat, exp: iat + 120 };
    const input = `${header}.${base64url({ ...own, htm: 'POST', htu: url, fingerprint, nonce })}`;
    return `${input}.${signature(input)}`;
  };
}

function signatureMaker({ alg, apiKey, jwk }: Signer): (input: string) => string {
  if (alg === 'HS256') return (input) => createHmac('sha256', apiKey!).update(input).digest('base64url');
  const key = createPrivateKey({ key: jwk!, format: 'jwk' });
  const options = { key, dsaEncoding: 'ieee-p1363' } as const;
  const digest = alg === 'ES256' ? 'sha256' : null;
  return (input) => sign(digest, Buffer.from(input), options).toString('base64url');
}

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
