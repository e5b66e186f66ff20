/**
 * One Region's secrets as Secrets Manager keeps them: versions, and staging labels, each on one version. A
 * secret is the Region's own, or a replica of another Region's, which cannot be written (secret-regions.ts).
 */
import { randomBytes } from 'node:crypto';
import { AwsError } from './protocol.ts';

export interface SecretVersion {
  readonly id: string;
  /** Null for a version that a rotation has added but not filled yet. */
  readonly value: string | null;
  readonly createdAtMs: number;
  /** Staging labels, which AWS calls version stages. */
  readonly stages: ReadonlySet<string>;
}

export interface RotationSetting {
  readonly functionName: string;
  readonly functionArn: string;
  /** The rules as the request gave them: DescribeSecret returns the same. */
  readonly rules: Readonly<Record<string, unknown>>;
  readonly periodMs: number;
  readonly nextAtMs: number;
  readonly lastAtMs: number | null;
}

export interface Secret {
  readonly name: string;
  /** Random characters that AWS adds to the name in the ARN. */
  readonly suffix: string;
  readonly primaryRegion: string;
  readonly description: string | undefined;
  readonly kmsKeyId: string | undefined;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  readonly versions: ReadonlyMap<string, SecretVersion>;
  readonly rotation: RotationSetting | null;
}

/** A copy of another Region's secret. */
export interface Replica {
  readonly primaryRegion: string;
  /** @returns undefined until the first copy arrived */
  read(): Secret | undefined;
}

const CURRENT = 'AWSCURRENT';
const PENDING = 'AWSPENDING';
const PREVIOUS = 'AWSPREVIOUS';
const MAX_VALUE_BYTES = 65_536;
/** How many versions are kept of each secret, and how many past states for replicas that lag. */
const KEPT = 100;

type NewSecret = Pick<Secret, 'name' | 'description' | 'kmsKeyId'>;

export class SecretStore {
  readonly region: string;
  /**
   * By name, the states of each secret, the newest last. The states share their versions: a state never
   * changes.
   */
  readonly #own = new Map<string, readonly Secret[]>();
  readonly #replicas = new Map<string, Replica>();
  readonly #nowMs: () => number;

  constructor(region: string, nowMs: () => number) {
    this.region = region;
    this.#nowMs = nowMs;
  }

  /** @throws AwsError ResourceExistsException, except for a repeated request; ValidationException as `put` */
  create(secret: NewSecret, token: string, value: string | null): Secret {
    const known = this.all().find(({ name }) => name === secret.name);
    if (known) {
      if (known.versions.get(token)?.value === value) return known;
      const message = `The operation failed because the secret ${secret.name} already exists.`;
      throw new AwsError('ResourceExistsException', message);
    }
    requireSize(value ?? '');
    const now = this.#nowMs();
    this.#write({
      ...secret,
      primaryRegion: this.region,
      suffix: randomBytes(3).toString('hex'),
      createdAtMs: now,
      changedAtMs: now,
      versions: new Map(),
      rotation: null,
    });
    if (value !== null) this.put(secret.name, token, value, [CURRENT]);
    return this.find(secret.name);
  }

  /**
   * @param id name, ARN, or ARN without its suffix
   * @throws AwsError ResourceNotFoundException
   */
  find(id: string): Secret {
    const name = id.replace(/^arn:aws:secretsmanager:[^:]*:[^:]*:secret:/, '');
    const found = this.all().find(
      (secret) => secret.name === name || `${secret.name}-${secret.suffix}` === name,
    );
    if (found) return found;
    throw new AwsError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
  }

  /** @throws AwsError as `find`; InvalidRequestException where it is a replica */
  primary(id: string): Secret {
    const secret = this.find(id);
    if (this.#own.has(secret.name)) return secret;
    throw new AwsError(
      'InvalidRequestException',
      `Operation not permitted on a replica secret. Call must be made in primary secret's region, ${secret.primaryRegion}.`,
    );
  }

  all(): Secret[] {
    const own = [...this.#own.values()].map((states) => states.at(-1)!);
    const replicas = [...this.#replicas.values()].flatMap((replica) => replica.read() ?? []);
    return [...own, ...replicas].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @returns the secret of the Region's own as it was at a time; undefined before it was made */
  at(name: string, atMs: number): Secret | undefined {
    return this.#own.get(name)?.findLast(({ changedAtMs }) => changedAtMs <= atMs);
  }

  replica(name: string): Replica | undefined {
    return this.#replicas.get(name);
  }

  /** Takes the place of a secret of this name. */
  setReplica(name: string, replica: Replica): void {
    this.#own.delete(name);
    this.#replicas.set(name, replica);
  }

  /** Makes a replica a secret of the Region's own, as it was last seen. Rotation is off. */
  own(name: string): void {
    const seen = this.#replicas.get(name)?.read();
    if (!seen) return;
    this.#replicas.delete(name);
    this.#own.set(name, [{ ...seen, primaryRegion: this.region, rotation: null }]);
  }

  remove(name: string): void {
    this.#own.delete(name);
    this.#replicas.delete(name);
  }

  /**
   * Finds the version with this id and this label; without both, the version with AWSCURRENT.
   *
   * @throws AwsError ResourceNotFoundException, also where the version has no value yet
   */
  read(
    secret: Secret,
    versionId: string | undefined,
    stage: string | undefined,
  ): SecretVersion & { value: string } {
    const label = stage ?? (versionId === undefined ? CURRENT : undefined);
    const found = [...secret.versions.values()].find(
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
   * Adds a version, or fills a version that has no value. A repeated call with the same value changes
   * nothing.
   *
   * @throws AwsError ResourceExistsException where the version has another value; ValidationException where
   * the value is too large
   */
  put(id: string, token: string, value: string, stages: readonly string[]): SecretVersion {
    requireSize(value);
    const secret = this.primary(id);
    const known = secret.versions.get(token);
    if (known && known.value !== null) {
      if (known.value === value) return known;
      const message = `You can't use ClientRequestToken ${token} because that value is already in use for a version of secret ${secret.name}.`;
      throw new AwsError('ResourceExistsException', message);
    }
    const labels = secret.versions.size === 0 ? [...stages, CURRENT] : stages;
    this.#stage(secret, token, value, labels);
    return this.find(id).versions.get(token)!;
  }

  /**
   * Begins a rotation as AWS does: it adds a version with the label AWSPENDING and no value.
   *
   * @throws AwsError InvalidRequestException while another rotation is not finished
   */
  stagePending(id: string, token: string): void {
    const secret = this.primary(id);
    const pending = holderOf(secret.versions, PENDING);
    if (pending && !pending.stages.has(CURRENT) && pending.id !== token) {
      const message = "A previous rotation isn't complete. That rotation will be reattempted.";
      throw new AwsError('InvalidRequestException', message);
    }
    if (!secret.versions.has(token)) this.#stage(secret, token, null, [PENDING]);
  }

  /**
   * Moves a label from the version that has it, or removes it where `to` is undefined.
   *
   * @throws AwsError InvalidParameterException where another version has it; ResourceNotFoundException
   */
  moveStage(id: string, stage: string, from: string | undefined, to: string | undefined): void {
    const secret = this.primary(id);
    const holder = holderOf(secret.versions, stage)?.id;
    if (from === undefined && to === undefined) throw invalid('Name a version to move the label from or to.');
    if (to === undefined && stage === CURRENT)
      throw invalid(`You can only move staging label ${CURRENT} to a different secret version.`);
    if (from !== undefined && from !== holder)
      throw invalid(`Staging label ${stage} is not attached to version ${from}.`);
    if (from === undefined && holder !== undefined && holder !== to)
      throw invalid(
        `Staging label ${stage} is currently attached to version ${holder}, so you must explicitly reference that version in RemoveFromVersionId.`,
      );
    if (to !== undefined && !secret.versions.has(to))
      throw new AwsError('ResourceNotFoundException', "Secrets Manager can't find the specified version.");
    this.#write({ ...secret, versions: withLabels(secret.versions, to, [stage]) });
  }

  /**
   * Sets the rotation; null turns it off. This does not change `changedAtMs`, the time of the last change of
   * a version or a label.
   */
  setRotation(id: string, rotation: RotationSetting | null): void {
    const secret = this.primary(id);
    this.#write({ ...secret, rotation }, secret.changedAtMs);
  }

  #stage(secret: Secret, token: string, value: string | null, labels: readonly string[]): void {
    const stages = secret.versions.get(token)?.stages ?? new Set<string>();
    const added = { id: token, value, createdAtMs: this.#nowMs(), stages };
    const versions = new Map(secret.versions).set(token, added);
    this.#write({ ...secret, versions: withLabels(versions, token, labels) });
  }

  #write(secret: Secret, changedAtMs = this.#nowMs()): void {
    const before = this.#own.get(secret.name) ?? [];
    const state = { ...secret, changedAtMs, versions: withoutDeprecated(secret.versions) };
    this.#own.set(secret.name, [...before.slice(1 - KEPT), state]);
  }
}

function requireSize(value: string): void {
  if (Buffer.byteLength(value) <= MAX_VALUE_BYTES) return;
  const rule = `Member must have length less than or equal to ${MAX_VALUE_BYTES}`;
  const message = `1 validation error detected: Value at 'secretString' failed to satisfy constraint: ${rule}`;
  throw new AwsError('ValidationException', message);
}

const invalid = (message: string): AwsError => new AwsError('InvalidParameterException', message);

const holderOf = (versions: ReadonlyMap<string, SecretVersion>, stage: string): SecretVersion | undefined =>
  [...versions.values()].find(({ stages }) => stages.has(stage));

/**
 * Moves labels to one version. A label is on one version only. The version that loses AWSCURRENT gets
 * AWSPREVIOUS.
 */
function withLabels(
  versions: ReadonlyMap<string, SecretVersion>,
  to: string | undefined,
  labels: readonly string[],
): ReadonlyMap<string, SecretVersion> {
  const left = labels.includes(CURRENT) ? holderOf(versions, CURRENT)?.id : undefined;
  const next = new Map<string, SecretVersion>();
  for (const [id, version] of versions) {
    const stages = new Set([...version.stages].filter((stage) => !labels.includes(stage)));
    if (left !== undefined && left !== to) {
      if (id === left) stages.add(PREVIOUS);
      else stages.delete(PREVIOUS);
    }
    if (id === to) for (const label of labels) stages.add(label);
    next.set(id, { ...version, stages });
  }
  return next;
}

/** Drops the oldest versions without a label, which AWS calls deprecated, once there are more than `KEPT`. */
function withoutDeprecated(versions: ReadonlyMap<string, SecretVersion>): ReadonlyMap<string, SecretVersion> {
  const kept = [...versions];
  for (let i = 0; kept.length > KEPT && i < kept.length; )
    if (kept[i]![1].stages.size === 0) kept.splice(i, 1);
    else i++;
  return new Map(kept);
}
