/** The whole platform in one process: Regions, their stores, the entry and the AWS endpoint. */
import { randomBytes, randomUUID } from 'node:crypto';
import { localTarget } from '../cli/target.ts';
import { DEFAULTS } from '../lambda/contract/defaults.ts';
import type { Purpose } from '../lambda/contract/purposes.ts';
import { checkersRoute } from '../lambda/contract/routes.ts';
import type { Log } from '../lambda/log.ts';
import type { KeyLags } from '../protocol/key-windows.ts';
import { type CloudWatch, cloudwatchService } from './aws/cloudwatch.ts';
import { dynamodbService } from './aws/dynamodb.ts';
import { type AwsFault, type AwsRegion, createAwsEndpoint } from './aws/endpoint.ts';
import { type LambdaHandler, lambdaService } from './aws/lambda.ts';
import { SecretRotation } from './aws/secret-rotation.ts';
import { SecretStore } from './aws/secret-store.ts';
import { secretArn, secretsManagerService } from './aws/secrets-manager.ts';
import { startChecker } from './dns/checker.ts';
import { Dynamodb } from './dynamodb/dynamodb.ts';
import { startReplication } from './dynamodb/replication.ts';
import { withErrorPages } from './error-pages.ts';
import { createCloudWatch, evacuatedData, startEvacuation } from './evacuation.ts';
import { setUpKeys } from './keys.ts';
import { createRegion, type PlatformSettings } from './region.ts';
import { createRouter } from './router.ts';
import { type LocalServer, startServer } from './server.ts';
import { createDevClients, createTables, isGlobalTable, type LocalClient, tableKinds } from './stage.ts';
import { startVault, type VaultChoice } from './vault/start.ts';

export interface PlatformOptions {
  /** The entry's port. The Regions use the next ports, the AWS endpoint the port 50 higher. 0: any free ports. */
  readonly port: number;
  /** @default 2 */
  readonly regions?: 2 | 3;
  /** @default 'strong' */
  readonly consistency?: 'strong' | 'eventual';
  /** How long a write of a strongly consistent table takes, in milliseconds. @default 10 */
  readonly strongWriteMs?: number;
  /** The Vault that makes the keys: embedded in this process, an OpenBao that is started, or a URL. @default 'embedded' */
  readonly vault?: VaultChoice;
  /** Life of a nonce. @default 300000 */
  readonly nonceLifeMs?: number;
  /**
   * From one health check to the next, and the period of evacuations' schedule and alarm, which is a minute on AWS; in
   * milliseconds. @default 5000
   */
  readonly checkEveryMs?: number;
  /** A Region that was unhealthy stays so until it has been good for this long. @default 180000 */
  readonly holdDownMs?: number;
  /** Epoch milliseconds. @default Date.now */
  readonly nowMs?: () => number;
  /** Receives the functions' log. @default the log is dropped */
  readonly log?: Log;
  /** Called with the entry's port once every port is taken, before the first log line. */
  readonly onListening?: (port: number) => Promise<void>;
  /** Origins whose pages may call the entry and the Regions, besides the platform's own. @default [] */
  readonly allowOrigin?: readonly string[];
  readonly keys?: KeyTimes;
  /** Decides for each call to AWS whether it fails. @default no call fails */
  readonly awsFault?: AwsFault;
}

/** Delays and ages of keysets. The defaults are the config's. */
export interface KeyTimes {
  readonly lags?: Partial<Omit<KeyLags, 'maxLifeMs'>>;
  /** By purpose, the longest life of anything its keys sign, in milliseconds. */
  readonly maxLifeMs?: Readonly<Partial<Record<Purpose, number>>>;
  /** By Region, the hard limit on the age of its copies of keysets, in milliseconds. @default a day */
  readonly copyAgeMs?: Readonly<Record<string, number>>;
  /** How late a Region sees a write of the home Region, in milliseconds. @default 0 */
  readonly replicaLagMs?: (region: string) => number;
}

/** The content of `.countersign/local.json`, which `--json` prints too (docs/guide.md). */
export interface PlatformInfo {
  readonly entry: string;
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  readonly awsEndpoint: string;
  readonly vault: string | null;
  readonly console: string | null;
  readonly clients: readonly LocalClient[];
}

export interface Platform {
  readonly info: PlatformInfo;
  /** Stops a Region's front door, so that it answers nobody. */
  stopRegion(region: string): Promise<void>;
  /** Stops every server. All state is lost. */
  stop(): Promise<void>;
}

const REGION_NAMES = ['local-a', 'local-b', 'local-c'] as const;
const AWS_PORT_OFFSET = 50;
const VAULT_PORT_OFFSET = 60;
const CHECK_EVERY_MS = 5_000;
/** Longest delay until a Region sees another's write. Strongly consistent reads are never late. */
const REPLICATION_MS = 100;
/** Long enough that two Regions which write one item at once conflict, as they do on AWS. */
const STRONG_WRITE_MS = 10;
/** Life of the key of `dev-basic`: within the limit on keys of clients. */
const BASIC_KEY_LIFE_MS = DEFAULTS.clientKeyLifeMs - 24 * 3600 * 1000;

/** @throws PortInUse */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { nonceLifeMs, holdDownMs, nowMs = Date.now } = { ...DEFAULTS, ...options };
  const { checkEveryMs = CHECK_EVERY_MS } = options;
  const names = REGION_NAMES.slice(0, options.regions ?? 2);
  const undo: (() => Promise<void> | void)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    // Take the ports first: the functions' configuration contains their URLs.
    const siblings = new Set<number>();
    const listen = async (part: string, offset: number, origins: readonly string[] = []) => {
      const port = options.port === 0 ? 0 : options.port + offset;
      const server = await startServer(port, siblings, origins, part);
      undo.push(server.stop);
      return server;
    };
    const entry = await listen('the entry', 0, options.allowOrigin);
    const fronts: { readonly name: string; readonly server: LocalServer }[] = [];
    for (const [i, name] of names.entries())
      fronts.push({ name, server: await listen(`the Region ${name}`, 1 + i, options.allowOrigin) });
    const aws = await listen('the AWS endpoint', AWS_PORT_OFFSET);
    const vault = await startVault(options.vault ?? 'embedded', () =>
      listen('the embedded Vault', VAULT_PORT_OFFSET),
    );
    undo.push(vault.stop);
    await options.onListening?.(entry.port);

    const checkers = checkersRoute(randomBytes(16).toString('hex'));
    const settings: PlatformSettings = {
      entryUrl: entry.url,
      awsEndpoint: aws.url,
      regions: fronts.map(({ name, server }) => ({ name, url: server.url })),
      consistency: options.consistency ?? 'strong',
      nonceLifeMs,
      holdDownMs,
      checkers,
      nowMs,
      log: (entry) => {
        // The checkers would fill the log.
        if (entry.route !== checkers.resource || entry.status !== 200) options.log?.(entry);
      },
    };
    const regions = fronts.map(({ name, server: { url } }) =>
      createRegion(name, url, settings, options.keys?.copyAgeMs?.[name]),
    );
    undo.push(...regions.map((region) => region.aws.destroy));
    // The Lambda functions of each Region. The rotation functions are added once Vault is ready.
    const functions = regions.map((region) => new Map<string, LambdaHandler>(region.functions));
    const cloudwatch = createCloudWatch(names, checkEveryMs, nowMs);
    const { endpoint, rotation, store } = awsRegions(names, functions, cloudwatch, settings, options);
    undo.push(startReplication(store, REPLICATION_MS));
    aws.serve(createAwsEndpoint(endpoint, options.awsFault));

    for (const kind of ['global', 'region'] as const)
      for (const region of kind === 'global' ? regions.slice(0, 1) : regions)
        await createTables(region.aws.dynamodb, tableKinds(kind));
    const parts = names.map((name, i) => ({ name, aws: regions[i]!.aws, functions: functions[i]! }));
    undo.push(
      await setUpKeys({
        vault,
        regions: parts,
        rotation,
        lags: options.keys?.lags ?? {},
        maxLifeMs: options.keys?.maxLifeMs ?? {},
        errorDocsUrl: `${settings.entryUrl}/errors`,
        nowMs,
        log: settings.log,
      }),
    );
    const clients = await createDevClients(localTarget(aws.url, names), nowMs() + BASIC_KEY_LIFE_MS);
    for (const [i, { server }] of fronts.entries()) server.serve(regions[i]!.gateway);
    undo.push(startEvacuation({ regions: parts, everyMs: checkEveryMs, nowMs, log: settings.log }));
    const checker = startChecker(
      fronts.map(({ name, server }) => ({
        name,
        healthUrl: `${server.url}${checkers.resource}`,
        evacuated: () => evacuatedData(cloudwatch, name, names),
      })),
      checkEveryMs,
    );
    undo.push(checker.stop);
    const destinations = regions.map(({ gateway }, i) => ({
      gateway,
      isHealthy: () => checker.isHealthy(names[i]!),
    }));
    entry.serve(withErrorPages(createRouter(destinations)));
    const { entryUrl, awsEndpoint } = settings;
    return {
      info: {
        entry: entryUrl,
        regions: settings.regions,
        awsEndpoint,
        vault: vault.address,
        console: null,
        clients,
      },
      stopRegion: async (region) => fronts.find(({ name }) => name === region)?.server.stop(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One store for the tables of all Regions, and one for their secrets. */
function awsRegions(
  names: readonly string[],
  functions: readonly ReadonlyMap<string, LambdaHandler>[],
  cloudwatch: ReadonlyMap<string, CloudWatch>,
  { consistency, nowMs }: PlatformSettings,
  { strongWriteMs = STRONG_WRITE_MS, keys: { replicaLagMs } = {} }: PlatformOptions,
) {
  const store = new Dynamodb({
    regions: names,
    ...(names.length === 2 && { witness: 'witness' }),
    modeOf: (table) => (isGlobalTable(table) ? consistency : 'regional'),
    nowMs,
  });
  const secrets = new SecretStore(nowMs, replicaLagMs && { replicaLagMs });
  const invoke = (name: string, event: object) =>
    functions[0]!.get(name)!(event, { awsRequestId: randomUUID() });
  const rotation = new SecretRotation(secrets, invoke, nowMs, (secret) => secretArn(names[0]!, secret));
  const endpoint = new Map<string, AwsRegion>(
    names.map((name, i) => [
      name,
      {
        dynamodb: dynamodbService(store, name, strongWriteMs),
        secretsmanager: secretsManagerService(secrets, name, names, i === 0 ? rotation : undefined),
        lambda: lambdaService(functions[i]!, name),
        monitoring: cloudwatchService(cloudwatch.get(name)!),
      },
    ]),
  );
  return { endpoint, rotation, store };
}
