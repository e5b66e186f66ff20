/** The Transit engine: it creates, rotates and exports keys with versions. It does not sign with them. */
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { text, type VaultBody, VaultFault, type VaultRequest, type VaultResult } from './protocol.ts';

interface TransitKey {
  readonly name: string;
  readonly type: string;
  readonly exportable: boolean;
  readonly keySize: number;
  /** Version 1 first; undefined if it was trimmed. */
  readonly versions: (Version | undefined)[];
  min: number;
  minSigning: number;
  /** 0 if nothing was trimmed. */
  available: number;
}

interface Version {
  readonly createdAt: string;
  /** The key as an export shows it. */
  readonly exported: string;
  readonly publicKey?: { readonly name: string; readonly public_key: string };
}

export class Transit {
  readonly #keys = new Map<string, TransitKey>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @param request its path below the mount */
  handle({ operation, path, data }: VaultRequest): VaultResult {
    const [kind, ...rest] = path.split('/');
    const [name = '', verb] = rest;
    if (kind === 'keys' && rest.length === 0 && operation === 'list') return this.#list();
    if (kind === 'keys' && rest.length === 1) {
      if (operation === 'read') return describe(this.#find(name));
      if (operation === 'update') return this.#create(name, data);
      if (operation === 'delete') throw new VaultFault(400, 'deletion is not allowed for this key');
    }
    if (kind === 'keys' && rest.length === 2 && operation === 'update') {
      if (verb === 'rotate') return this.#rotate(name);
      if (verb === 'config') return this.#configure(name, data);
      if (verb === 'trim') return this.#trim(name, data);
    }
    if (kind === 'export' && rest.length === 3 && operation === 'read')
      return this.#export(name, verb!, rest[2]!);
    if (kind === 'backup') throw new VaultFault(500, 'plaintext backup is disallowed on the policy');
    throw new VaultFault(405, 'unsupported operation');
  }

  #list(): VaultResult {
    if (this.#keys.size === 0) throw new VaultFault(404);
    return { data: { keys: [...this.#keys.keys()].sort() } };
  }

  /** Leaves an existing key unchanged. */
  #create(name: string, data: VaultBody): VaultResult {
    const existing = this.#keys.get(name);
    if (existing) return describe(existing);
    const { exportable = false, key_size: keySize = 0 } = data;
    const type = text(data, 'type');
    if (!Object.hasOwn(MAKE, type)) throw new VaultFault(400, `unknown key type ${type}`);
    if (type === 'hmac' && !((keySize as number) >= 32 && (keySize as number) <= 512))
      throw new VaultFault(500, 'invalid key size for HMAC key, must be between 32 and 512 bytes');
    const key: TransitKey = {
      name,
      type,
      exportable: exportable === true,
      keySize: keySize as number,
      versions: [],
      min: 1,
      minSigning: 0,
      available: 0,
    };
    this.#keys.set(name, key);
    return this.#rotate(name);
  }

  #rotate(name: string): VaultResult {
    const key = this.#keys.get(name);
    if (!key) throw new VaultFault(400, 'key not found');
    const createdAt = new Date(this.#nowMs()).toISOString();
    key.versions.push({ createdAt, ...MAKE[key.type]!(key.keySize) });
    return describe(key);
  }

  #configure(name: string, data: VaultBody): VaultResult {
    const key = this.#find(name);
    const {
      min_decryption_version: min = key.min,
      min_encryption_version: minSigning = key.minSigning,
      ...other
    } = data;
    if (Object.keys(other).length > 0)
      throw new VaultFault(400, `not here: ${Object.keys(other).join(', ')}`);
    const latest = key.versions.length;
    for (const version of [min, minSigning])
      if (!Number.isInteger(version) || (version as number) < 0 || (version as number) > latest)
        throw new VaultFault(400, `cannot set min version of ${version}, latest key version is ${latest}`);
    if (minSigning !== 0 && (minSigning as number) < (min as number))
      throw new VaultFault(
        400,
        'min encryption version must be greater than or equal to min decryption version',
      );
    if ((min as number) < key.available || (minSigning as number) < key.available)
      throw new VaultFault(400, 'min versions cannot be below the minimum available version');
    key.min = Math.max(1, min as number);
    key.minSigning = minSigning as number;
    return describe(key);
  }

  /** Final: a trimmed version is in no later export, even if the minimum versions are lowered. */
  #trim(name: string, { min_available_version: available }: VaultBody): VaultResult {
    const key = this.#find(name);
    const fault = (message: string) => new VaultFault(400, `minimum available version ${message}`);
    if (!Number.isInteger(available)) throw new VaultFault(400, 'missing min_available_version');
    const version = available as number;
    if (version < key.available) throw fault('cannot be decremented');
    if (key.minSigning === 0) throw fault('cannot be set when minimum encryption version is not set');
    if (version > key.minSigning) throw fault('cannot be greater than minimum encryption version');
    if (version > key.min) throw fault('cannot be greater than minimum decryption version');
    if (version < 1) throw fault('should be positive');
    key.available = version;
    key.versions.fill(undefined, 0, version - 1);
    return describe(key);
  }

  #export(kind: string, name: string, version: string): VaultResult {
    const key = this.#find(name);
    if (!key.exportable) throw new VaultFault(400, 'private key material is not exportable');
    if (kind !== (key.type === 'hmac' ? 'hmac-key' : 'signing-key'))
      throw new VaultFault(400, `${kind} not supported for the key`);
    const number = version === 'latest' ? key.versions.length : Number(version);
    const exported = key.versions[number - 1]?.exported;
    if (exported === undefined) throw new VaultFault(400, 'version does not exist or cannot be found');
    if (number < key.min) throw new VaultFault(400, 'version for export is below minimum decryption version');
    return { data: { keys: { [number]: exported }, name, type: key.type } };
  }

  #find(name: string): TransitKey {
    const key = this.#keys.get(name);
    if (!key) throw new VaultFault(404);
    return key;
  }
}

function describe(key: TransitKey): VaultResult {
  const published = key.versions.flatMap((version, i) =>
    version?.publicKey && i + 1 >= key.min
      ? [[i + 1, { creation_time: version.createdAt, ...version.publicKey }]]
      : [],
  );
  return {
    data: {
      name: key.name,
      type: key.type,
      exportable: key.exportable,
      latest_version: key.versions.length,
      min_decryption_version: key.min,
      min_encryption_version: key.minSigning,
      min_available_version: key.available,
      allow_plaintext_backup: false,
      deletion_allowed: false,
      derived: false,
      ...(key.type === 'hmac' ? { key_size: key.keySize } : { keys: Object.fromEntries(published) }),
    },
  };
}

/** By key type: creates a version, in the form in which Vault exports it. */
const MAKE: Readonly<Record<string, (keySize: number) => Omit<Version, 'createdAt'>>> = {
  hmac: (keySize) => ({ exported: randomBytes(keySize).toString('base64') }),

  'ecdsa-p256'() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const exported = privateKey.export({ type: 'sec1', format: 'pem' }).toString().trimEnd();
    const public_key = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    return { exported, publicKey: { name: 'P-256', public_key } };
  },

  ed25519() {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const part = (key: KeyObject, name: 'd' | 'x') =>
      Buffer.from(key.export({ format: 'jwk' })[name]!, 'base64url');
    const [seed, half] = [part(privateKey, 'd'), part(publicKey, 'x')];
    return {
      exported: Buffer.concat([seed, half]).toString('base64'),
      publicKey: { name: 'ed25519', public_key: half.toString('base64') },
    };
  },
};
