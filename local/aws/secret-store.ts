/**
 * Secrets as Secrets Manager keeps them: versions, and staging labels that stand on one version each. One store
 * for all Regions; a secret is written in its primary Region and replicated to the others at once.
 */
import { randomBytes } from 'node:crypto';
import { AwsError } from './protocol.ts';

export interface SecretVersion {
  readonly id: string;
  /** Null where the version has a label only, as a rotation finds it. */
  readonly value: string | null;
  readonly createdAtMs: number;
  readonly stages: ReadonlySet<string>;
}

export interface Secret {
  readonly name: string;
  /** What AWS puts behind the name in the ARN. */
  readonly suffix: string;
  readonly primaryRegion: string;
  readonly description: string | undefined;
  readonly createdAtMs: number;
  readonly versions: ReadonlyMap<string, SecretVersion>;
}

const CURRENT = 'AWSCURRENT';
const PREVIOUS = 'AWSPREVIOUS';

export class SecretStore {
  readonly #secrets = new Map<string, Secret>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @throws AwsError ResourceExistsException, unless it is the same request again */
  create(
    secret: Pick<Secret, 'name' | 'primaryRegion' | 'description'>,
    token: string,
    value: string | null,
  ): Secret {
    const known = this.#secrets.get(secret.name);
    if (known) {
      if (known.versions.get(token)?.value === value) return known;
      const message = `The operation failed because the secret ${secret.name} already exists.`;
      throw new AwsError('ResourceExistsException', message);
    }
    const suffix = randomBytes(3).toString('hex');
    this.#secrets.set(secret.name, { ...secret, suffix, createdAtMs: this.#nowMs(), versions: new Map() });
    if (value !== null) this.put(secret.name, token, value, [CURRENT]);
    return this.find(secret.name);
  }

  /**
   * @param id name, ARN, or ARN without its suffix
   * @throws AwsError ResourceNotFoundException
   */
  find(id: string): Secret {
    const name = id.replace(/^arn:aws:secretsmanager:[^:]*:[^:]*:secret:/, '');
    const found =
      this.#secrets.get(name) ?? this.all().find((secret) => `${secret.name}-${secret.suffix}` === name);
    if (found) return found;
    throw new AwsError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
  }

  all(): Secret[] {
    return [...this.#secrets.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * The version that the id and the label name; without either, the one that is AWSCURRENT.
   *
   * @throws AwsError ResourceNotFoundException, also where the version has no value yet
   */
  read(
    id: string,
    versionId: string | undefined,
    stage: string | undefined,
  ): SecretVersion & { value: string } {
    const versions = [...this.find(id).versions.values()];
    const label = stage ?? (versionId === undefined ? CURRENT : undefined);
    const found = versions.find(
      (version) =>
        (versionId === undefined || version.id === versionId) &&
        (label === undefined || version.stages.has(label)),
    );
    if (found && found.value !== null) return { ...found, value: found.value };
    const by = label === undefined ? `VersionId: ${versionId}` : `staging label: ${label}`;
    const message = `Secrets Manager can't find the specified secret value for ${by}`;
    throw new AwsError('ResourceNotFoundException', message);
  }

  /**
   * Adds a version, or gives a valueless one its value. Once more with the same value does nothing.
   *
   * @throws AwsError ResourceExistsException where the token stands for another value
   */
  put(id: string, token: string, value: string, stages: readonly string[]): SecretVersion {
    const secret = this.find(id);
    const known = secret.versions.get(token);
    if (known && known.value !== null) {
      if (known.value === value) return known;
      const message = `You can't use ClientRequestToken ${token} because that value is already in use for a version of secret ${secret.name}.`;
      throw new AwsError('ResourceExistsException', message);
    }
    const labels = new Set([
      ...(known?.stages ?? []),
      ...stages,
      ...(secret.versions.size === 0 ? [CURRENT] : []),
    ]);
    const added: SecretVersion = { id: token, value, createdAtMs: this.#nowMs(), stages: labels };
    this.#secrets.set(secret.name, { ...secret, versions: withVersion(secret.versions, added) });
    return added;
  }
}

/** A label stands on one version: it leaves the others, and where AWSCURRENT leaves, AWSPREVIOUS comes. */
function withVersion(
  versions: ReadonlyMap<string, SecretVersion>,
  added: SecretVersion,
): ReadonlyMap<string, SecretVersion> {
  const next = new Map<string, SecretVersion>();
  const currentMoves = added.stages.has(CURRENT);
  for (const [id, version] of versions) {
    const kept = new Set([...version.stages].filter((stage) => !added.stages.has(stage)));
    if (currentMoves) kept.delete(PREVIOUS);
    if (currentMoves && version.stages.has(CURRENT)) kept.add(PREVIOUS);
    next.set(id, { ...version, stages: kept });
  }
  return next.set(added.id, added);
}
