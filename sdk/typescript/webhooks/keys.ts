/** The keys that a receiver trusts: its endpoint's secret, or the platform's public keys. */
import { type CryptoKey, createRemoteJWKSet, importJWK, type JWK, type RemoteJWKSet } from 'jose';
import { isBaseUrl } from '../../../protocol/base-url.ts';
import { readKey, type Signature, type SignatureKey, verifies } from '../../../protocol/webhook.ts';
import { ConnectionError, InvalidArgumentError } from '../errors.ts';
import { once } from '../once.ts';

/**
 * One key, or several of which any may have signed:
 *
 * - `whsec_…`: the endpoint's secret;
 * - `https://…/.well-known/jwks.json`: the platform's public keys, which are fetched and followed;
 * - `whpk_…`: one public key, which is good until the platform rotates it.
 */
export type WebhookKeys = string | readonly string[];

/** How long fetched keys are used: the platform's own `max-age`. */
const LONGEST_AGE_MS = 300_000;

export class TrustedKeys {
  /** Whether a key also verifies what the platform signs for other receivers. */
  readonly includePublic: boolean;
  readonly #held: readonly (() => Promise<SignatureKey>)[];
  readonly #published: readonly PublishedKeys[];

  /** @throws InvalidArgumentError where a key has none of the forms. The message never quotes it. */
  constructor(keys: WebhookKeys) {
    const texts: readonly string[] = typeof keys === 'string' ? [keys] : Array.isArray(keys) ? keys : [];
    const held = texts.map((text) => (/^wh(sec|pk)_/.test(text) ? readKey(text) : undefined));
    const urls = texts.filter((text, i) => !held[i] && isBaseUrl(text));
    const imports = held.flatMap((read) => read ?? []);
    if (texts.length === 0 || imports.length + urls.length !== texts.length)
      throw new InvalidArgumentError(
        "keys must be the whsec_… of an endpoint, the URL of the platform's JWKS, or a whpk_…; or a list of them",
      );
    this.includePublic = texts.some((text) => !text.startsWith('whsec_'));
    this.#held = imports.map(once);
    this.#published = urls.map(publishedAt);
  }

  /**
   * @returns whether one of the keys verifies one of the signatures
   * @throws ConnectionError where the public keys cannot be fetched
   */
  async verify(content: Uint8Array, signatures: readonly Signature[]): Promise<boolean> {
    for (const held of this.#held) if (await verifies(await held(), content, signatures)) return true;
    if (!signatures.some(({ version }) => version === 'v1a')) return false;
    for (const published of this.#published) if (await published.verify(content, signatures)) return true;
    return false;
  }
}

/** The platform's public keys, as its JWKS lists them. */
class PublishedKeys {
  readonly #set: RemoteJWKSet;
  readonly #origin: string;

  constructor(url: string) {
    this.#set = createRemoteJWKSet(new URL(url), { cacheMaxAge: LONGEST_AGE_MS });
    this.#origin = new URL(url).origin;
  }

  /** Fetches the keys once more for a signature by none of them, but not soon after it did. */
  async verify(content: Uint8Array, signatures: readonly Signature[]): Promise<boolean> {
    if (!this.#set.fresh) await this.#fetch();
    if (await this.#verifies(content, signatures)) return true;
    if (this.#set.coolingDown) return false;
    await this.#fetch();
    return this.#verifies(content, signatures);
  }

  async #verifies(content: Uint8Array, signatures: readonly Signature[]): Promise<boolean> {
    for (const jwk of this.#set.jwks()!.keys.filter(isEd25519)) {
      const key = (await importJWK(jwk, 'Ed25519')) as CryptoKey;
      if (await verifies({ version: 'v1a', key }, content, signatures)) return true;
    }
    return false;
  }

  async #fetch(): Promise<void> {
    try {
      await this.#set.reload();
    } catch {
      throw new ConnectionError(this.#origin, 'the public keys could not be fetched');
    }
  }
}

/** Keys of other kinds sign tokens. */
const isEd25519 = ({ kty, crv, use }: JWK): boolean => kty === 'OKP' && crv === 'Ed25519' && use === 'sig';

const publishedByUrl = new Map<string, PublishedKeys>();

/** Everybody with the same URL shares the fetched keys. */
function publishedAt(url: string): PublishedKeys {
  const published = publishedByUrl.get(url) ?? new PublishedKeys(url);
  publishedByUrl.set(url, published);
  return published;
}
