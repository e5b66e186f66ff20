/**
 * The real rotation function, with the local Secrets Manager, a small Vault, and a clock that the test
 * controls.
 */
import { randomBytes } from 'node:crypto';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import type { RotationRecord } from '../../../lambda/adapters/rotation-record.ts';
import { createSecretVersions, type SecretVersions } from '../../../lambda/adapters/secret-versions.ts';
import { DEFAULT_LAGS, DEFAULTS } from '../../../lambda/contract/defaults.ts';
import type { RotationFailure } from '../../../lambda/contract/keys.ts';
import type { LogEntry } from '../../../lambda/contract/log-entry.ts';
import { EMPTY_KEYSET, secretName } from '../../../lambda/contract/names.ts';
import { TIMES } from '../../../lambda/rotate/deadline.ts';
import { type RotateHandler, type RotateOptions, rotateHandler } from '../../../lambda/rotate/handler.ts';
import type { KeyRegion } from '../../../lambda/rotate/regions.ts';
import { type AskKeys, keysWatchHandler } from '../../../lambda/rotate/watch/handler.ts';
import type { VaultKeys } from '../../../lambda/vault/keys.ts';
import { SecretRegions, type SecretRegionsOptions } from '../../../local/aws/secret-regions.ts';
import { secretsManagerService } from '../../../local/aws/secrets-manager.ts';
import type { KeyLags } from '../../../protocol/key-windows.ts';
import { type Keyset, parseKeyset } from '../../../protocol/keyset.ts';
import { NOTHING_PUBLISHED, type Published } from '../../../protocol/published.ts';

export const HOME = 'eu-west-1';
export const AWAY = 'eu-central-1';
export const NAME = secretName('test', 'nonce');
export const T0 = Date.UTC(2026, 10, 23);
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The platform's defaults, for keys whose signatures live as long as a nonce. */
export const LAGS: KeyLags = { ...DEFAULT_LAGS, maxLifeMs: DEFAULTS.nonceLifeMs };

const ALGORITHMS = { hmac: 'HKDF-SHA-256', 'ecdsa-p256': 'ES256', ed25519: 'Ed25519' } as const;

export interface FakeVault extends VaultKeys {
  readonly kind: keyof typeof ALGORITHMS;
  readonly made: JWK[];
  min: number;
}

/** The parts of a Transit engine that the rotation uses. */
export function fakeVault(kind: 'hmac' | 'ecdsa-p256' | 'ed25519' = 'hmac'): FakeVault {
  const made: JWK[] = [];
  return {
    kind,
    made,
    min: 1,
    async rotate() {
      made.push(await freshJwk(kind));
      return made.length;
    },
    async versions() {
      return { latest: made.length, min: this.min };
    },
    async exportKey(_, version) {
      if (version < this.min) throw new Error('trimmed');
      return made[version - 1]!;
    },
    async trim(_, version) {
      this.min = Math.max(this.min, version);
    },
  };
}

async function freshJwk(kind: 'hmac' | 'ecdsa-p256' | 'ed25519'): Promise<JWK> {
  if (kind === 'hmac') return { kty: 'oct', k: randomBytes(32).toString('base64url') };
  const alg = kind === 'ed25519' ? 'Ed25519' : 'ES256';
  return exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey);
}

/** An SDK client of the local Secrets Manager, without HTTP in between. */
export function localSecrets(regions: SecretRegions, region: string): SecretsManagerClient {
  const service = secretsManagerService(regions, region);
  const send = async (command: { input: object; constructor: { name: string } }) => {
    const operation = command.constructor.name.replace(/Command$/, '');
    const headers = { 'x-amz-target': `secretsmanager.${operation}` };
    const body = Buffer.from(JSON.stringify(command.input));
    const answer = await service({ method: 'POST', path: '/', headers, body });
    return JSON.parse(answer.body, (name, value) => (name.endsWith('Date') ? new Date(value * 1000) : value));
  };
  return { send } as unknown as SecretsManagerClient;
}

export interface PartsOptions {
  readonly lags?: KeyLags;
  readonly replicaLagMs?: SecretRegionsOptions['replicaLagMs'];
  readonly getsStuck?: SecretRegionsOptions['getsStuck'];
  readonly vault?: FakeVault;
  /** The error of the rotation's clock. */
  readonly skewMs?: () => number;
}

export function rotationParts(options: PartsOptions = {}) {
  const { lags = LAGS, vault = fakeVault(), skewMs = () => 0 } = options;
  const clock = { nowMs: T0 };
  const log: LogEntry[] = [];
  const told: string[][] = [];
  const replicas = new SecretRegions([HOME, AWAY], () => clock.nowMs, {
    replicaLagMs: options.replicaLagMs,
    getsStuck: options.getsStuck,
  });
  const store = replicas.in(HOME);
  const initial = { name: NAME, description: undefined, kmsKeyId: undefined };
  store.create(initial, '0'.repeat(32), EMPTY_KEYSET);
  replicas.replicate(HOME, NAME, [{ region: AWAY, kmsKeyId: undefined }], false);
  const secretIn = (region: string) => createSecretVersions(localSecrets(replicas, region), NAME);
  const secret = secretIn(HOME);
  const tables = new Map([HOME, AWAY].map((region) => [region, new Set<string>()]));
  const memories = new Map<string, Published>([HOME, AWAY].map((region) => [region, NOTHING_PUBLISHED]));
  const regionOf = (region: string): KeyRegion => ({
    region,
    secret: secretIn(region),
    revokedKids: {
      read: async () => [...tables.get(region)!],
      async add(kids) {
        if (kids.length === 0) throw new RangeError('no kids to revoke');
        if (region === HOME) told.push([...kids]);
        for (const kid of kids) tables.get(region)!.add(kid);
      },
    },
    published: {
      read: async () => memories.get(region)!,
      async change(change) {
        memories.set(region, change(memories.get(region)!));
      },
    },
  });
  const failures: { last: RotationFailure | null } = { last: null };
  const record: RotationRecord = {
    read: async () => failures.last,
    async failed(failure) {
      failures.last = failure;
    },
    async succeeded() {
      failures.last = null;
    },
  };

  const rotator = (changes: Partial<RotateOptions> = {}): RotateHandler =>
    rotateHandler({
      purpose: 'nonce',
      alg: ALGORITHMS[vault.kind],
      secretName: NAME,
      secret,
      vault,
      vaultKey: 'countersign-nonce',
      lags,
      nowMs: () => clock.nowMs + skewMs(),
      log: (entry) => log.push(entry),
      region: HOME,
      keysManagedBy: HOME,
      errorDocsUrl: 'https://docs.example.com/errors',
      regions: [regionOf(HOME), regionOf(AWAY)],
      record,
      // This clock does not run during a call, so nothing that lags arrives.
      ...(options.replicaLagMs && { times: { ...TIMES, replicatedMs: 0 } }),
      ...changes,
    });
  const watch = keysWatchHandler({
    ask: askDirectly(rotator()),
    rotates: true,
    rotationPeriodsMs: { nonce: 30 * DAY },
    nowMs: () => clock.nowMs,
    log: (entry) => log.push(entry),
  });
  const keysetIn = (region: string): Keyset =>
    parseKeyset(store.read(replicas.in(region).find(NAME), undefined, undefined).value);

  return {
    clock,
    log,
    /** The kids that the home Region's table received, call by call. */
    told,
    regionOf,
    /** The kids that a Region's readers refuse. */
    refusedIn: (region: string) => [...tables.get(region)!],
    /** The earlier keysets that a Region remembers. */
    memories,
    record,
    replicas,
    store,
    vault,
    secret,
    secretIn,
    rotator,
    watch,
    keysetIn,
    keyset: () => keysetIn(HOME),
    /** The version that has a label. */
    holder: (stage: 'AWSCURRENT' | 'AWSPENDING'): string | undefined =>
      [...store.find(NAME).versions.values()].find(({ stages }) => stages.has(stage))?.id,
  };
}

export type Parts = ReturnType<typeof rotationParts>;

export const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
const invocation = { awsRequestId: '00000000-0000-4000-8000-000000000000' };

export const step = (handler: RotateHandler, Step: (typeof STEPS)[number], token: string): Promise<unknown> =>
  handler({ Step, SecretId: NAME, ClientRequestToken: token, RotationToken: 'r' }, invocation);

/**
 * Acts as Secrets Manager: stages a version without a value, then runs the four steps, up to the first that
 * fails.
 */
export async function rotate(parts: Parts, token: string, handler = parts.rotator()): Promise<void> {
  parts.store.stagePending(NAME, token);
  for (const each of STEPS) await step(handler, each, token);
}

/** How keys-watch calls the function here: directly, without Lambda in between. */
export const askDirectly =
  (handler: RotateHandler): AskKeys =>
  async (_, action, params) => {
    const answer = await operate(handler, action, params);
    if (!answer.ok) throw new Error(answer.problem.detail);
    return answer.result;
  };

// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
export const operate = (handler: RotateHandler, action: string, params: object = {}): Promise<any> =>
  handler({ action, params }, invocation);

let tokens = 0;
export const newToken = (): string => `${++tokens}`.padStart(32, 't');

/**
 * Runs `gate` before and after each call of a part: a place to crash, to wait, or to let other work run
 * first.
 */
export function gated<T extends object>(
  part: T,
  gate: (call: string, when: 'before' | 'after') => unknown,
): T {
  return new Proxy(part, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        await gate(String(name), 'before');
        const result = await member.apply(target, args);
        await gate(String(name), 'after');
        return result;
      };
    },
  });
}

export type { SecretVersions };
