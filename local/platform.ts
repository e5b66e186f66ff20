/** The whole platform in one process: Regions, their stores, the entry and the AWS endpoint. */
import { randomUUID } from 'node:crypto';
import { DEFAULTS } from '../lambda/contract/defaults.ts';
import type { Purpose } from '../lambda/contract/purposes.ts';
import type { Log } from '../lambda/log.ts';
import type { KeyLags } from '../protocol/key-windows.ts';
import { dynamodbService } from './aws/dynamodb.ts';
import { type AwsFault, type AwsRegion, createAwsEndpoint } from './aws/endpoint.ts';
import { type LambdaHandler, lambdaService } from './aws/lambda.ts';
import { AwsError } from './aws/protocol.ts';
import { SecretRegions } from './aws/secret-regions.ts';
import { SecretRotation } from './aws/secret-rotation.ts';
import { secretArn, secretsManagerService } from './aws/secrets-manager.ts';
import { Dynamodb } from './dynamodb/dynamodb.ts';
import { startReplication } from './dynamodb/replication.ts';
import { withErrorPages } from './error-pages.ts';
import { setUpKeys } from './keys.ts';
import { createRegion, type Deployment } from './region.ts';
import { createRouter } from './router.ts';
import { type HttpListener, type LocalServer, startServer } from './server.ts';
import { createClients, createTables, isGlobalTable, type LocalClient, tableKinds } from './stage.ts';
import { startVault, type VaultChoice } from './vault/start.ts';

export interface PlatformOptions {
  /** The entry's port. The Regions use the next ports, the AWS endpoint the port 50 higher. 0: any free ports. */
  readonly port: number;
  /** @default 2 */
  readonly regions?: 2 | 3;
  /** @default 'strong' */
  readonly consistency?: 'strong' | 'eventual';
  /** The Vault that makes the keys: embedded in this process, an OpenBao that is started, or a URL. @default 'embedded' */
  readonly vault?: VaultChoice;
  /** Life of a nonce. @default 300000 */
  readonly nonceLifeMs?: number;
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
  /** Cuts a Region off: it answers nobody, and nothing leaves it or reaches it. Its data stays. */
  loseRegion(region: string): void;
  bringBackRegion(region: string): void;
  /** Deploys a Region's stack with this `keys.managedBy`, as far as it concerns keys. */
  deployKeys(region: string, managedBy: string): Promise<void>;
  /** Stops every server. All state is lost. */
  stop(): Promise<void>;
}

const REGION_NAMES = ['local-a', 'local-b', 'local-c'] as const;
const AWS_PORT_OFFSET = 50;
const VAULT_PORT_OFFSET = 60;
/** Longest delay until a Region sees another's write. Strongly consistent reads are never late. */
const REPLICATION_MS = 100;
/** Life of the key of `dev-basic`: within the limit on keys of clients. */
const BASIC_KEY_LIFE_MS = DEFAULTS.clientKeyLifeMs - 24 * 3600 * 1000;

/** @throws PortInUse */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { nonceLifeMs = DEFAULTS.nonceLifeMs, nowMs = Date.now } = options;
  const names = REGION_NAMES.slice(0, options.regions ?? 2);
  const undo: (() => Promise<void> | void)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    // Take the ports first: the functions' configuration contains their URLs.
    const siblings = new Set<number>();
    const listen = async (offset: number, origins: readonly string[] = []) => {
      const port = options.port === 0 ? 0 : options.port + offset;
      const server = await startServer(port, siblings, origins);
      undo.push(server.stop);
      return server;
    };
    const entry = await listen(0, options.allowOrigin);
    const fronts: { readonly name: string; readonly server: LocalServer }[] = [];
    for (const [i, name] of names.entries())
      fronts.push({ name, server: await listen(1 + i, options.allowOrigin) });
    const aws = await listen(AWS_PORT_OFFSET);
    const vault = await startVault(options.vault ?? 'embedded', () => listen(VAULT_PORT_OFFSET));
    undo.push(vault.stop);
    await options.onListening?.(entry.port);

    const deployment: Deployment = {
      entryUrl: entry.url,
      awsEndpoint: aws.url,
      regions: fronts.map(({ name, server }) => ({ name, url: server.url })),
      consistency: options.consistency ?? 'strong',
      nonceLifeMs,
      nowMs,
      log: options.log ?? (() => {}),
    };
    const regions = fronts.map(({ name, server: { url } }) =>
      createRegion(name, url, deployment, options.keys?.copyAgeMs?.[name]),
    );
    undo.push(...regions.map((region) => region.aws.destroy));
    // The Lambda functions of each Region. The rotation functions are added once Vault is ready.
    const functions = regions.map((region) => new Map<string, LambdaHandler>(region.functions));
    const { endpoint, rotations, secrets, store } = awsRegions(names, functions, deployment, options.keys);
    undo.push(startReplication(store, REPLICATION_MS));
    const faultOf: AwsFault = (call) =>
      store.network.isLost(call.region)
        ? new AwsError('ServiceUnavailableException', `Region ${call.region} is lost`, 503)
        : options.awsFault?.(call);
    aws.serve(createAwsEndpoint(endpoint, faultOf));

    for (const kind of ['global', 'region'] as const)
      for (const region of kind === 'global' ? regions.slice(0, 1) : regions)
        await createTables(region.aws.dynamodb, tableKinds(kind));
    const keys = await setUpKeys({
      vault,
      regions: names.map((name, i) => ({
        name,
        aws: regions[i]!.aws,
        functions: functions[i]!,
        rotation: rotations[i]!,
      })),
      lags: options.keys?.lags ?? {},
      maxLifeMs: options.keys?.maxLifeMs ?? {},
      errorDocsUrl: `${deployment.entryUrl}/errors`,
      nowMs,
      log: deployment.log,
    });
    undo.push(keys.stop);
    const clients = await createClients(regions[0]!.aws.lambda, nowMs() + BASIC_KEY_LIFE_MS);
    const gateways = regions.map(
      ({ gateway }, i): HttpListener =>
        async (request, response) => {
          if (store.network.isLost(names[i]!)) request.socket.destroy();
          else await gateway(request, response);
        },
    );
    for (const [i, { server }] of fronts.entries()) server.serve(gateways[i]!);
    const destinations = gateways.map((gateway, i) => ({
      gateway,
      healthUrl: `${fronts[i]!.server.url}/v1/health`,
    }));
    entry.serve(withErrorPages(createRouter(destinations, nowMs)));
    const { entryUrl, awsEndpoint } = deployment;
    return {
      info: {
        entry: entryUrl,
        regions: deployment.regions,
        awsEndpoint,
        vault: vault.address,
        console: null,
        clients,
      },
      loseRegion(region) {
        store.network.lose(region);
        secrets.lose(region);
      },
      bringBackRegion(region) {
        store.network.bringBack(region);
        secrets.restore(region);
      },
      deployKeys: keys.deploy,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One store for the tables of all Regions, and one for each Region's secrets. */
function awsRegions(
  names: readonly string[],
  functions: readonly ReadonlyMap<string, LambdaHandler>[],
  { consistency, nowMs }: Deployment,
  { replicaLagMs }: KeyTimes = {},
) {
  const store = new Dynamodb({
    regions: names,
    ...(names.length === 2 && { witness: 'witness' }),
    modeOf: (table) => (isGlobalTable(table) ? consistency : 'regional'),
    nowMs,
  });
  const secrets = new SecretRegions(names, nowMs, { replicaLagMs });
  const rotations = names.map((name, i) => {
    const invoke = (function_: string, event: object) =>
      functions[i]!.get(function_)!(event, { awsRequestId: randomUUID() });
    return new SecretRotation(secrets.in(name), invoke, nowMs, (secret) => secretArn(name, secret));
  });
  const endpoint = new Map<string, AwsRegion>(
    names.map((name, i) => [
      name,
      {
        dynamodb: dynamodbService(store, name),
        secretsmanager: secretsManagerService(secrets, name, rotations[i]),
        lambda: lambdaService(functions[i]!, name),
      },
    ]),
  );
  return { endpoint, rotations, secrets, store };
}
