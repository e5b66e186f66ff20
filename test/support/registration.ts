/** A client that registers itself, at the handlers of a test's Regions. */
import { crc32 } from 'node:zlib';
import { base62 } from '../../protocol/bytes.ts';
import { dpopProof, type JwsChange, sha256, type TestKey } from './dpop.ts';
import { dpopNonce } from './oauth.ts';
import type { HttpAnswer, HttpAsk, Platform, Region } from './regions.ts';

export const REGISTER = '/v1/oauth/register';

export interface Asked {
  /** @default POST */
  readonly method?: string;
  /** @default the registration endpoint */
  readonly path?: string;
  readonly token: string;
  readonly key: TestKey;
  /** The metadata. @default the key alone; none with GET and DELETE */
  readonly body?: unknown;
  readonly dpop?: JwsChange;
  readonly headers?: HttpAsk['headers'];
}

export async function prepareRegistration(
  platform: Platform,
  region: Region,
  asked: Asked,
): Promise<HttpAsk> {
  const { method = 'POST', path = REGISTER, token, key, dpop } = asked;
  const isWrite = method === 'POST' || method === 'PUT';
  const { body = isWrite ? { jwks: { keys: [key.jwk] } } : undefined } = asked;
  const request = { method, url: region.url + path, token, nowS: platform.clock.nowMs / 1000 };
  const text = body === undefined ? undefined : JSON.stringify(body);
  const claims = { ...(method === 'PUT' && { fingerprint: sha256(text!) }), ...dpop?.claims };
  return {
    method,
    path,
    headers: {
      Authorization: `DPoP ${token}`,
      DPoP: dpopProof(key, { ...request, nonce: await dpopNonce(region) }, { ...dpop, claims }),
      ...(text !== undefined && { 'Content-Type': 'application/json' }),
      ...asked.headers,
    },
    ...(text !== undefined && { body: text }),
  };
}

export const askRegistration = async (
  platform: Platform,
  region: Region,
  asked: Asked,
): Promise<HttpAnswer> => region.send(await prepareRegistration(platform, region, asked));

/** The client and number of one text, with the secret of another; the checksum is right. */
export function forged(text: string, other: string): string {
  const [prefix, client, serial] = text.split('_');
  const unchecked = [prefix, client, serial, other.split('_')[3]].join('_');
  return `${unchecked}_${base62(BigInt(crc32(unchecked)), 6)}`;
}
