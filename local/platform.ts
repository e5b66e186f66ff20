/**
 * The whole platform: the AWS endpoint with its stores, Vault, the entry, and Regions in this process or in
 * their own.
 */
import { randomBytes } from 'node:crypto';
import { localTarget } from '../cli/target.ts';
import { DEFAULTS } from '../lambda/contract/defaults.ts';
import { tableKinds } from '../lambda/contract/names.ts';
import type { Purpose } from '../lambda/contract/purposes.ts';
import { checkersRoute } from '../lambda/contract/routes.ts';
import type { TableConsistency } from '../lambda/contract/serving-environment.ts';
import type { Log } from '../lambda/log.ts';
import type { KeyLags } from '../protocol/key-windows.ts';
import type { AwsFault } from './aws/endpoint.ts';
import { createAwsEndpoint } from './aws/endpoint.ts';
import type { LambdaHandler } from './aws/lambda.ts';
import { createAws } from './aws/regions.ts';
import { type LocalCallbacks, startCallbacks } from './callbacks.ts';
import { createControl } from './control.ts';
import { startChecker } from './dns/checker.ts';
import { replicate, startReplication } from './dynamodb/replication.ts';
import { withErrorPages } from './error-pages.ts';
import { createCloudWatch, evacuatedData, startEvacuation } from './evacuation.ts';
import { createFaults, type Faults } from './faults.ts';
import { setUpKeys } from './keys.ts';
import { awsClients, type LocalRegionSettings } from './region.ts';
import { openHere, openProcess, type RegionHost } from './region-host.ts';
import { createRouter } from './router.ts';
import { startServer } from './server.ts';
import { createDevClients, createTables, type LocalClient } from './stage.ts';
import { startVault, type VaultChoice } from './vault/start.ts';

export interface PlatformOptions {
  /**
   * The entry's port. The Regions use the next ports, the AWS endpoint the port 50 higher. 0: any free ports.
   */
  readonly port: number;
  /** @default 2 */
  readonly regions?: 2 | 3;
  /** @default 'strong' */
  readonly consistency?: TableConsistency;
  /** How long a write of a strongly consistent table takes, in milliseconds. @default 10 */
  readonly strongWriteMs?: number;
  /**
   * The Vault that makes the keys: embedded in this process, an OpenBao that is started, or a URL. @default
   * 'embedded'
   */
  readonly vault?: VaultChoice;
  /** Each Region is a process of its own, by the machine's clock. @default false */
  readonly regionProcesses?: boolean;
  /** Life of a nonce. @default 300000 */
  readonly nonceLifeMs?: number;
  /**
   * From one health check to the next, and the period of evacuations' schedule and alarm, which is a minute
   * on AWS; in milliseconds. @default 5000
   */
  readonly checkEveryMs?: number;
  /** A Region that was unhealthy stays so until it has been good for this long. @default 180000 */
  readonly holdDownMs?: number;
  /** Epoch milliseconds. @default Date.now */
  readonly nowMs?: () => number;
  /** By Region, how far its clock is ahead, in milliseconds. @default 0 */
  readonly clockErrorMs?: Readonly<Record<string, number>>;
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
  readonly keysetMaxAgeMs?: Readonly<Record<string, number>>;
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
  /** Lets the command line cause faults (local/control.ts). */
  readonly controlToken: string;
  readonly faults: Faults;
  /** Stops a Region's front door, so that it answers nobody. */
  stopRegion(region: string): Promise<void>;
  /** Deploys a Region's stack with this `keys.managedBy`, as far as it concerns keys. */
  deployKeys(region: string, managedBy: string): Promise<void>;
  /** Stops every server. All state is lost. */
  stop(): Promise<void>;
}

const REGION_NAMES = ['local-a', 'local-b', 'local-c'] as const;
const AWS_PORT_OFFSET = 50;
const VAULT_PORT_OFFSET = 60;
const CHECK_EVERY_MS = 5_000;
/** How long an answer of DNS is kept, in health checks: 60 s and 30 s on AWS. */
const TTL_CHECKS = 2;
/** Longest delay until a Region sees another's write. Strongly consistent reads are never late. */
const REPLICATION_MS = 100;
/** Long enough that two Regions which write one item at once conflict, as they do on AWS. */
const STRONG_WRITE_MS = 10;
/** Life of the key of `dev-basic`: within the limit on keys of clients. */
const BASIC_KEY_LIFE_MS = DEFAULTS.clientKeyLifeMs - 24 * 3600 * 1000;

/** @throws PortInUse */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { nonceLifeMs, holdDownMs, nowMs = Date.now } = { ...DEFAULTS, ...options };
  const { checkEveryMs = CHECK_EVERY_MS, consistency = 'strong', allowOrigin = [] } = options;
  const names = REGION_NAMES.slice(0, options.regions ?? 2);
  const clockErrorMs = (region: string) => options.clockErrorMs?.[region] ?? 0;
  const undo: (() => Promise<unknown> | unknown)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    // Take the ports first: the functions' configuration contains their URLs.
    const siblings = new Set<number>();
    const portAt = (offset: number) => (options.port === 0 ? 0 : options.port + offset);
    const listen = async (part: string, offset: number, origins: readonly string[] = []) => {
      const server = await startServer(portAt(offset), siblings, origins, part);
      undo.push(server.stop);
      return server;
    };
    const entry = await listen('the entry', 0, allowOrigin);
    const open = options.regionProcesses ? openProcess : openHere;
    const opened = names.map(async (name, i) => {
      const host = await open({ name, port: portAt(1 + i), siblings, origins: allowOrigin });
      undo.push(host.kill);
      return host;
    });
    await Promise.allSettled(opened);
    const hosts: readonly RegionHost[] = await Promise.all(opened);
    const aws = await listen('the AWS endpoint', AWS_PORT_OFFSET);
    const vault = await startVault(options.vault ?? 'embedded', () =>
      listen('the embedded Vault', VAULT_PORT_OFFSET),
    );
    undo.push(vault.stop);
    await options.onListening?.(entry.port);

    const checkers = checkersRoute(randomBytes(16).toString('hex'));
    const log: Log = (line) => {
      // The checkers would fill the log.
      if (line.route !== checkers.resource || line.status !== 200) options.log?.(line);
    };
    const settings = (name: string, tableGeneration = 1): LocalRegionSettings => ({
      entryUrl: entry.url,
      awsEndpoint: aws.url,
      regions: hosts.map((host) => ({ name: host.name, url: host.url })),
      consistency,
      nonceLifeMs,
      holdDownMs,
      keysetMaxAgeMs: options.keys?.keysetMaxAgeMs?.[name] ?? DEFAULTS.keysetMaxAgeMs,
      tableGeneration,
      clockErrorMs: clockErrorMs(name),
      checkers,
    });
    const regions = hosts.map((host) => {
      const { name } = host;
      const clients = awsClients(aws.url, name);
      undo.push(clients.destroy);
      // The functions that serve run with the Region. Those for keys and evacuation are added later, and run
      // here.
      return { name, aws: clients, functions: new Map<string, LambdaHandler>(host.functions) };
    });
    const cloudwatch = createCloudWatch(names, checkEveryMs, nowMs);
    const { endpoint, rotations, secrets, store } = createAws({
      regions,
      cloudwatch,
      consistency,
      nowMs,
      clockErrorMs,
      replicaLagMs: options.keys?.replicaLagMs,
      strongWriteMs: options.strongWriteMs ?? STRONG_WRITE_MS,
    });
    undo.push(startReplication(store, REPLICATION_MS));
    let callbacks: LocalCallbacks | undefined;
    const faults = createFaults({
      ...{ hosts, store, secrets, vault },
      makeTables: (generation) => createTables(regions[0]!.aws.dynamodb, tableKinds('global'), generation),
      async useTables(generation) {
        for (const host of hosts) {
          await host.kill();
          await host.serve(settings(host.name, generation), nowMs, log);
          await host.start();
        }
        await callbacks?.useTables(generation);
      },
    });
    const controlToken = randomBytes(32).toString('base64url');
    aws.serve(
      createControl(
        { token: controlToken, consistency, faults },
        createAwsEndpoint(endpoint, async (call) => (await faults.of(call)) ?? options.awsFault?.(call)),
      ),
    );

    for (const kind of ['global', 'region'] as const)
      for (const region of kind === 'global' ? regions.slice(0, 1) : regions)
        await createTables(region.aws.dynamodb, tableKinds(kind));
    const runtime = { nowMs, log: options.log ?? (() => {}) };
    const keys = await setUpKeys({
      vault,
      regions: regions.map((region, i) => ({ ...region, rotation: rotations[i]! })),
      lags: options.keys?.lags ?? {},
      maxLifeMs: options.keys?.maxLifeMs ?? {},
      errorDocsUrl: `${entry.url}/errors`,
      ...runtime,
    });
    undo.push(keys.stop);
    await Promise.all(hosts.map((host) => host.serve(settings(host.name), nowMs, log)));
    const clients = await createDevClients(localTarget(aws.url, names), nowMs() + BASIC_KEY_LIFE_MS);
    // A platform that is ready knows its clients in every Region.
    replicate(store);
    callbacks = await startCallbacks({ regions, store, consistency, ...runtime });
    undo.push(callbacks.stop);
    undo.push(startEvacuation({ regions, everyMs: checkEveryMs, ...runtime }));
    const checker = startChecker(
      hosts.map(({ name, url }) => ({
        name,
        healthUrl: `${url}${checkers.resource}`,
        evacuated: () => evacuatedData(cloudwatch, name, names),
      })),
      checkEveryMs,
    );
    undo.push(checker.stop);
    const router = createRouter({
      regions: hosts.map(({ name, url }) => ({ url, isHealthy: () => checker.isHealthy(name) })),
      ttlMs: TTL_CHECKS * checkEveryMs,
    });
    undo.push(router.stop);
    entry.serve(withErrorPages(router.listener));
    return {
      info: {
        entry: entry.url,
        regions: hosts.map(({ name, url }) => ({ name, url })),
        awsEndpoint: aws.url,
        vault: vault.address,
        console: null,
        clients,
      },
      controlToken,
      faults,
      stopRegion: async (region) => hosts.find(({ name }) => name === region)!.kill(),
      deployKeys: keys.deploy,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
