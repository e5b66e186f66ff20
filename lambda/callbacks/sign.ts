/** Signs callbacks: with the platform's key, and with the secret of the endpoint. */
import { deriveEndpointSecret } from '../../protocol/endpoint-secret.ts';
import { type KeysetKey, keyBytes, verificationKey, verificationKeys } from '../../protocol/keyset.ts';
import { readKey, readPrivateJwk, type SignatureKey, sign, signedContent } from '../../protocol/webhook.ts';
import { Unavailable } from '../adapters/call.ts';
import type { Endpoint } from '../adapters/endpoints.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';

export interface SignOptions {
  readonly webhook: Pick<KeysetCache, 'current'>;
  readonly roots: Pick<KeysetCache, 'current'>;
}

export interface Signed {
  /** The value of `webhook-signature`. */
  readonly header: string;
  /** Whether the endpoint's own secret signed: the key that it was derived from may be gone. */
  readonly bySecret: boolean;
}

export type SignCallback = (
  endpoint: Pick<Endpoint, 'id' | 'rootKid' | 'salt' | 'previous'>,
  message: { readonly id: string; readonly body: Uint8Array; readonly nowMs: number },
) => Promise<Signed>;

/** @returns a signer; it throws Unavailable where the keysets cannot be read, or no key can sign */
export function createSigner({ webhook, roots }: SignOptions): SignCallback {
  const imported = new Map<string, Promise<SignatureKey>>();
  const own = (key: KeysetKey): Promise<SignatureKey> => {
    const known = imported.get(key.kid) ?? readPrivateJwk(key.jwk);
    imported.set(key.kid, known);
    return known;
  };

  return async (endpoint, { id, body, nowMs }) => {
    const [platform, root] = await Promise.all([webhook.current(), roots.current()]);
    // The previous key signs, too, for as long as it verifies: a consumer may have only its public half.
    const active = verificationKeys(platform, nowMs).filter(({ activates_at }) => activates_at <= nowMs);
    const secrets = [
      { rootKid: endpoint.rootKid, salt: endpoint.salt },
      ...endpoint.previous.filter(({ untilMs }) => untilMs > nowMs),
    ].flatMap(({ rootKid, salt }) => {
      const key = verificationKey(root, rootKid, nowMs);
      return key ? [deriveEndpointSecret({ root: keyBytes(key), salt, endpointId: endpoint.id })] : [];
    });
    const keys = await Promise.all([...active.map(own), ...secrets.map((secret) => readKey(secret)!())]);
    if (keys.length === 0) throw new Unavailable('keysets webhook and webhook-root: no key can sign');
    const content = signedContent(id, Math.floor(nowMs / 1000), body);
    const signatures = await Promise.all(keys.map((key) => sign(key, content)));
    return { header: signatures.join(' '), bySecret: secrets.length > 0 };
  };
}
