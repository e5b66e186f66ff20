/**
 * The public keys of issuers whose tokens let workloads in. Only the operator's policies say where they are:
 * nothing of a request is part of an address.
 */
import type { JsonWebKey } from 'node:crypto';
import { isJsonObject, parseJson } from '../../protocol/json.ts';
import type { EnrolmentPolicy } from '../../protocol/oauth/attestation.ts';
import { describeError, type Log } from '../log.ts';
import { Copy } from '../request/copy.ts';

export interface IssuerKeys {
  /**
   * @param fresh whether the keys in memory lack the one that a token names
   * @throws Unavailable where there are none, or only old ones
   */
  of(policy: EnrolmentPolicy, fresh: boolean): Promise<readonly JsonWebKey[]>;
}

/** Fetches a JSON document, and follows no redirect. @throws Error */
export type FetchJson = (url: string) => Promise<unknown>;

export interface IssuerKeysOptions {
  readonly fetchJson: FetchJson;
  readonly nowMs: () => number;
  readonly region: string;
  readonly log: Log;
}

/** A key that an issuer withdrew works for an hour at most. Forged kids cause one request in the cooldown. */
const TIMES = { refreshMs: 300_000, cooldownMs: 30_000, maxAgeMs: 3_600_000 };

export function createIssuerKeys({ fetchJson, nowMs, region, log }: IssuerKeysOptions): IssuerKeys {
  const held = new Map<string, Copy<readonly JsonWebKey[]>>();
  const copyOf = (policy: EnrolmentPolicy): Copy<readonly JsonWebKey[]> => {
    let copy = held.get(policy.issuer);
    if (!copy) {
      copy = new Copy({
        ...TIMES,
        part: 'issuer keys',
        read: async () => readKeySet(await fetchJson(await addressOf(policy, fetchJson))),
        nowMs,
        failed: (error) =>
          log({
            level: 'ERROR',
            message: 'enrolment',
            region,
            reason: 'issuer_keys',
            target: policy.client,
            ...describeError(error),
          }),
      });
      held.set(policy.issuer, copy);
    }
    return copy;
  };
  return {
    async of(policy, fresh) {
      const { keys } = policy;
      if (keys.kind === 'inline') return keys.keys;
      const copy = copyOf(policy);
      if (fresh) await copy.refreshUnlessTried();
      return copy.current();
    },
  };
}

/** OpenID Connect Discovery 1.0 §4; the keys must be where the document is (RFC 6454 §4). */
async function addressOf({ issuer, keys }: EnrolmentPolicy, fetchJson: FetchJson): Promise<string> {
  if (keys.kind === 'uri') return keys.uri;
  const document = await fetchJson(`${issuer}/.well-known/openid-configuration`);
  const address = isJsonObject(document) && document.issuer === issuer ? document.jwks_uri : undefined;
  if (typeof address !== 'string' || URL.parse(address)?.origin !== new URL(issuer).origin)
    throw new Error('the issuer names no keys on its own host');
  return address;
}

const MOST_KEYS = 100;

/** @throws Error where it is no JWK set (RFC 7517 §5) */
function readKeySet(value: unknown): readonly JsonWebKey[] {
  if (!isJsonObject(value) || !Array.isArray(value.keys) || value.keys.length > MOST_KEYS)
    throw new Error('the issuer has no key set');
  return value.keys.filter(isJsonObject) as JsonWebKey[];
}

const FETCH = { timeoutMs: 3_000, mostBytes: 262_144 };

/** @param isAllowed whether an address may be asked */
export const httpsJson =
  (isAllowed: (url: string) => boolean = isHttps): FetchJson =>
  async (url) => {
    if (!isAllowed(url)) throw new Error('an issuer is asked over https alone');
    const { timeoutMs, mostBytes } = FETCH;
    const answer = await fetch(url, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of answer.body ?? []) {
      bytes += chunk.length;
      // The end of the loop cancels the rest.
      if (bytes > mostBytes) throw new Error('the answer is too long');
      chunks.push(chunk);
    }
    if (answer.status !== 200) throw new Error(`the issuer answers ${answer.status}`);
    const json = parseJson(Buffer.concat(chunks), ISSUER_JSON);
    if (!json) throw new Error('the answer is not JSON');
    return json.value;
  };

const ISSUER_JSON = { maxDepth: 16, refuseProto: true };

const isHttps = (url: string): boolean => URL.parse(url)?.protocol === 'https:';
