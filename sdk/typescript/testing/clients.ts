/** The clients of a platform in memory, and the keys that verify their signatures. */
import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject, randomBytes } from 'node:crypto';
import type { JWK } from 'jose';
import { deriveApiKey, type Profile } from '../../../protocol/api-key.ts';
import type { ClientKey, ClientRecord } from '../../../protocol/client.ts';
import type { Refusal } from '../../../protocol/problem.ts';
import type { ProofLookups, VerificationKeys } from '../../../protocol/proof/verify.ts';
import { decideRollOver, type NewPublicKey, readPublicKey, sealApiKey } from '../../../protocol/roll-over.ts';

const KEY_LIFE_S = 90 * 24 * 3600;
/** Until the other Regions know a new key. */
const REPLICATION_S = 60;
/** The platform has one client root. */
const ROOT_KID = 'root';

export interface NewClient {
  /** Of the API key. @default strict */
  readonly profile?: Profile;
  /** The public half of a key pair of the client's own, with its `alg`. @default an API key */
  readonly jwk?: JWK;
  /** @default 90 days */
  readonly expiresInS?: number;
  /** Signatures a minute, in each Region. @default the platform's */
  readonly limit?: number;
}

export class Clients {
  readonly #root = randomBytes(32);
  readonly #clients = new Map<string, ClientRecord>();
  readonly #materials = new WeakMap<ClientKey, KeyObject>();

  /** @returns the API key */
  addApiKey(clientId: string, client: NewClient, nowMs: number): string {
    const { profile = 'strict', expiresInS } = client;
    const key = { kid: '1', alg: 'HS256', rootKid: ROOT_KID, jwk: null, ...lifeOf(expiresInS, nowMs) };
    return this.#apiKey(this.#add(clientId, { ...client, profile }, key, nowMs), key);
  }

  /** @throws Error where the platform would not take the key */
  async addPublicKey(clientId: string, jwk: JWK, client: NewClient, nowMs: number): Promise<void> {
    const key = await readPublicKey(jwk);
    if (!key) throw new Error('jwk must be a public key with its alg: ES256, Ed25519 or EdDSA');
    const made = { ...key, rootKid: null, ...lifeOf(client.expiresInS, nowMs) };
    this.#add(clientId, { ...client, profile: 'strict' }, made, nowMs);
  }

  #add(
    clientId: string,
    { profile, limit = null }: { readonly profile: Profile; readonly limit?: number | null },
    key: ClientKey,
    createdAtMs: number,
  ): ClientRecord {
    const record = {
      ...{ clientId, profile, salt: randomBytes(16), disabled: false, limit, createdAtMs },
      ...{ keys: [key], revoked: new Set<string>() },
    };
    this.#clients.set(clientId, record);
    return record;
  }

  change(clientId: string, change: Partial<ClientRecord>): void {
    this.#clients.set(clientId, { ...this.get(clientId), ...change });
  }

  /** @throws Error where there is no such client */
  get(clientId: string): ClientRecord {
    const client = this.#clients.get(clientId);
    if (!client) throw new Error(`there is no client ${clientId}`);
    return client;
  }

  readonly lookups: Pick<ProofLookups, 'client' | 'keys'> = {
    client: async (id) => ({
      client: this.#clients.get(id),
      again: async () => ({ kind: 'held_back' }),
    }),
    keys: async () => this.#verification,
  };

  readonly #verification: VerificationKeys = {
    of: (client, key) => ({ material: this.#material(client, key), made: false }),
    pretend: () => {},
  };

  /** @returns the next key of a client, and its API key for the holder of the current one */
  async rollOver(
    { clientId }: ClientRecord,
    askingKid: string,
    brought: NewPublicKey | undefined,
    nowMs: number,
  ): Promise<{ readonly key: ClientKey; readonly jwe: string | undefined } | Refusal> {
    const client = this.get(clientId);
    const asking = client.keys.find(({ kid }) => kid === askingKid)!;
    const decided = decideRollOver(client, asking, brought?.kid, [], nowMs);
    if ('ok' in decided) return decided;
    const usableAtS = Math.floor(nowMs / 1000) + REPLICATION_S;
    const made = { usableAtS, expiresAtS: usableAtS + KEY_LIFE_S, issuedBy: askingKid };
    const key: ClientKey =
      decided.kind === 'again'
        ? decided.key
        : brought
          ? { ...made, ...brought, rootKid: null }
          : { ...made, kid: decided.kid, alg: 'HS256', rootKid: ROOT_KID, jwk: null };
    if (decided.kind === 'new') this.change(clientId, { keys: [...client.keys, key] });
    if (key.jwk) return { key, jwe: undefined };
    const [current, next] = [asking, key].map((each) => this.#apiKey(client, each)) as [string, string];
    return { key, jwe: await sealApiKey(current, clientId, key.kid, next) };
  }

  #apiKey({ clientId, salt, profile }: ClientRecord, { kid }: ClientKey): string {
    return deriveApiKey({ root: this.#root, salt, clientId, generation: Number(kid), profile });
  }

  #material(client: ClientRecord, key: ClientKey): KeyObject {
    let material = this.#materials.get(key);
    if (!material) {
      material = key.jwk
        ? createPublicKey({ key: key.jwk as JsonWebKey, format: 'jwk' })
        : createSecretKey(this.#apiKey(client, key), 'utf8');
      this.#materials.set(key, material);
    }
    return material;
  }
}

function lifeOf(expiresInS = KEY_LIFE_S, nowMs: number) {
  const usableAtS = Math.floor(nowMs / 1000);
  return { usableAtS, expiresAtS: usableAtS + expiresInS, issuedBy: null };
}
