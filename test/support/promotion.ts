/**
 * Three Regions with the real rotation functions and the local Secrets Manager, behind one endpoint: small
 * enough to be made anew for every place where a command may be killed.
 */

import { LOCAL_DEPLOY } from '../../cli/local.ts';
import type { Target } from '../../cli/target.ts';
import { Unavailable } from '../../lambda/adapters/call.ts';
import { createSecretVersions } from '../../lambda/adapters/secret-versions.ts';
import { DEFAULT_LAGS } from '../../lambda/contract/defaults.ts';
import type { LogEntry } from '../../lambda/contract/log-entry.ts';
import { EMPTY_KEYSET, rotationFunctionName, secretName } from '../../lambda/contract/names.ts';
import { algorithmOf, KEYSETS, PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { rotateHandler } from '../../lambda/rotate/handler.ts';
import type { KeyRegion } from '../../lambda/rotate/regions.ts';
import { createAwsEndpoint } from '../../local/aws/endpoint.ts';
import { type LambdaHandler, lambdaService } from '../../local/aws/lambda.ts';
import { AwsError } from '../../local/aws/protocol.ts';
import { SecretRegions } from '../../local/aws/secret-regions.ts';
import { secretsManagerService } from '../../local/aws/secrets-manager.ts';
import type { HttpListener } from '../../local/server.ts';
import type { KeyLags } from '../../protocol/key-windows.ts';
import { type Keyset, parseKeyset } from '../../protocol/keyset.ts';
import { NOTHING_PUBLISHED, type Published } from '../../protocol/published.ts';
import { fakeVault, localSecrets, newToken } from '../lambda/rotate/parts.ts';

export const [HOME, NEXT, THIRD] = ['eu-west-1', 'eu-central-1', 'eu-west-3'] as const;
export const REGIONS = [HOME, NEXT, THIRD] as const;
export const STAGE = 'live';

const LAGS: KeyLags = { ...DEFAULT_LAGS, maxLifeMs: 60_000 };
const kmsKeyIn = (region: string) => `arn:aws:kms:${region}:000000000000:key/${region}`;

/** One Region's table `limits`, as far as it concerns a purpose. */
interface Limits {
  readonly revoked: Set<string>;
  published: Published;
}

export class World {
  readonly clock = { nowMs: Date.UTC(2026, 10, 23) };
  readonly log: LogEntry[] = [];
  readonly lagMs = { value: 0 };
  readonly regions: readonly string[];
  readonly secrets: SecretRegions;
  /** Regions whose KMS key is disabled. */
  readonly disabledKeys = new Set<string>();
  readonly lost = new Set<string>();
  /** Regions whose functions reach no other Region, as in a VPC without a way out. */
  readonly shutIn = new Set<string>();
  /** By Region, the Region that makes keys as its stack was deployed. */
  readonly managedBy: Map<string, string>;
  readonly calls: string[] = [];
  /**
   * Awaited where a function of a Region waits for what a Region remembers of `nonce`: `read` and `changed`
   * before the answer, `changes` before the change.
   */
  meanwhile: (from: string, does: 'read' | 'changes' | 'changed', to: string) => Promise<void> | undefined =
    () => undefined;
  readonly endpoint: HttpListener;
  readonly #limits = new Map<string, Limits>();
  readonly #vaults = new Map(PURPOSES.map((purpose) => [purpose, fakeVault(KEYSETS[purpose].keyType)]));

  constructor(regions: readonly string[] = REGIONS) {
    this.regions = regions;
    this.secrets = new SecretRegions(regions, () => this.clock.nowMs, {
      replicaLagMs: () => this.lagMs.value,
      isKeyUsable: (region) => !this.disabledKeys.has(region),
    });
    this.managedBy = new Map(regions.map((region) => [region, HOME]));
    for (const region of regions)
      for (const purpose of PURPOSES)
        this.#limits.set(`${region} ${purpose}`, { revoked: new Set(), published: NOTHING_PUBLISHED });
    const others = regions.slice(1).map((region) => ({ region, kmsKeyId: kmsKeyIn(region) }));
    for (const purpose of PURPOSES) {
      const secret = { name: secretName(STAGE, purpose), description: undefined, kmsKeyId: kmsKeyIn(HOME) };
      this.secrets.in(HOME).create(secret, '0'.repeat(32), EMPTY_KEYSET);
      this.secrets.replicate(HOME, secret.name, others, false);
    }
    this.deploy(HOME, HOME);
    const services = regions.map((region) => {
      const functions = new Map<string, LambdaHandler>(
        PURPOSES.map((purpose) => [
          rotationFunctionName(STAGE, purpose),
          (event, context) => this.function(region, purpose)(event, context),
        ]),
      );
      functions.set(LOCAL_DEPLOY, async ({ params }) => {
        this.deploy(region, params.managed_by);
        return { ok: true, result: {} };
      });
      const nowhere = () => Promise.reject(new Error('not here'));
      const secretsmanager = secretsManagerService(this.secrets, region);
      return [
        region,
        { dynamodb: nowhere, lambda: lambdaService(functions, region), monitoring: nowhere, secretsmanager },
      ] as const;
    });
    this.endpoint = createAwsEndpoint(new Map(services), ({ region, service, operation }) => {
      this.calls.push(`${region} ${operation || service}`);
      return this.lost.has(region)
        ? new AwsError('ServiceUnavailableException', `Region ${region} is lost`, 503)
        : undefined;
    });
  }

  /** What a deployment of a Region's stack does. */
  deploy(region: string, keysManagedBy: string): void {
    this.managedBy.set(region, keysManagedBy);
    const store = this.secrets.in(region);
    for (const purpose of PURPOSES) {
      const secret = store.all().find(({ name }) => name === secretName(STAGE, purpose));
      if (!secret) continue;
      const functionName = rotationFunctionName(STAGE, purpose);
      if (keysManagedBy === region)
        store.setRotation(secret.name, {
          functionName,
          functionArn: functionName,
          rules: {},
          periodMs: 1,
          nextAtMs: this.clock.nowMs + 1,
          lastAtMs: null,
        });
      else if (secret.rotation) store.setRotation(secret.name, null);
    }
  }

  function(region: string, purpose: Purpose): LambdaHandler {
    const regions = this.regions.map((each) => this.#seenFrom(region, each, purpose));
    return rotateHandler({
      purpose,
      alg: algorithmOf(purpose),
      secretName: secretName(STAGE, purpose),
      secret: createSecretVersions(localSecrets(this.secrets, region), secretName(STAGE, purpose)),
      vault: this.#vaults.get(purpose)!,
      vaultKey: `countersign-${STAGE}-${purpose}`,
      lags: LAGS,
      nowMs: () => this.clock.nowMs,
      log: (entry) => this.log.push(entry),
      region,
      keysManagedBy: this.managedBy.get(region)!,
      errorDocsUrl: 'https://docs.example.com/errors',
      regions,
      record: { read: async () => null, failed: async () => {}, succeeded: async () => {} },
    }) as LambdaHandler;
  }

  /** As its function is asked by an operator. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  operate(region: string, purpose: Purpose, action: string, params: object = {}): Promise<any> {
    return this.function(region, purpose)({ action, params }, { awsRequestId: newToken() });
  }

  /** Makes the first keys, and time enough that they sign in every Region. */
  async start(): Promise<void> {
    for (const purpose of PURPOSES) await this.operate(HOME, purpose, 'keys.rotate');
    this.clock.nowMs += 30 * 86_400_000;
  }

  lose(region: string): void {
    this.lost.add(region);
    this.secrets.lose(region);
  }

  bringBack(region: string): void {
    this.lost.delete(region);
    this.secrets.bringBack(region);
  }

  keyset(region: string, purpose: Purpose): Keyset {
    const store = this.secrets.in(region);
    return parseKeyset(store.read(store.find(secretName(STAGE, purpose)), undefined, undefined).value);
  }

  /** What may change where a key is made: Vault's versions of the purpose's keys, and those of the secret. */
  made = (region: string, purpose: Purpose = 'nonce'): readonly number[] => [
    this.#vaults.get(purpose)!.made.length,
    this.secrets.in(region).find(secretName(STAGE, purpose)).versions.size,
  ];

  kids = (region: string, purpose: Purpose = 'nonce'): string[] =>
    this.keyset(region, purpose).keys.map(({ kid }) => kid);

  limits = (region: string, purpose: Purpose = 'nonce'): Limits => this.#limits.get(`${region} ${purpose}`)!;

  /** All that a promotion decides. */
  state(): object {
    return this.regions.flatMap((region) =>
      PURPOSES.map((purpose) => {
        const { name, primaryRegion, kmsKeyId, rotation } = this.secrets
          .in(region)
          .find(secretName(STAGE, purpose));
        return {
          region,
          name,
          primaryRegion,
          kmsKeyId,
          replicas: this.secrets
            .status(region, name)
            .map((each) => [each.region, each.status])
            .sort(),
          isScheduled: rotation !== null,
          managedBy: this.managedBy.get(region),
          home: this.limits(region, purpose).published.home,
          kids: this.kids(region, purpose),
        };
      }),
    );
  }

  target(url: string, more: Partial<Target> = {}): Target {
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    return {
      stage: STAGE,
      regions: this.regions,
      args: '',
      aws: (region) => ({ region, endpoint: url, credentials }),
      ...more,
    };
  }

  #seenFrom(region: string, other: string, purpose: Purpose): KeyRegion {
    const reach = <R>(work: () => R | Promise<R>): Promise<R> =>
      this.lost.has(other) || (this.shutIn.has(region) && other !== region)
        ? Promise.reject(new Unavailable('limits'))
        : Promise.resolve().then(work);
    const limits = this.limits(other, purpose);
    const meanwhile: World['meanwhile'] = (...step) =>
      purpose === 'nonce' ? this.meanwhile(...step) : undefined;
    const secret = createSecretVersions(localSecrets(this.secrets, other), secretName(STAGE, purpose));
    return {
      region: other,
      secret: { read: (version) => reach(() => version).then((asked) => secret.read(asked)) },
      revokedKids: {
        read: () => reach(() => [...limits.revoked]),
        add: (kids) => reach(() => kids.forEach((kid) => void limits.revoked.add(kid))),
      },
      published: {
        read: () =>
          reach(async () => {
            const { published } = limits;
            await meanwhile(region, 'read', other);
            return published;
          }),
        change: (change) =>
          reach(async () => {
            await meanwhile(region, 'changes', other);
            limits.published = change(limits.published);
            await meanwhile(region, 'changed', other);
          }),
      },
    };
  }
}
