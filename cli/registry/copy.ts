/**
 * Copies `registry` and `clients` into tables of another generation, and proves that both sides are equal.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DescribeTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { ShownTables } from '../../lambda/contract/admin.ts';
import { WRITE_STOP_SETTLE_MS } from '../../lambda/contract/limits.ts';
import { tableKinds, tableName } from '../../lambda/contract/names.ts';
import { CliError, EXIT, usage } from '../io.ts';
import { durationText } from '../time.ts';
import { type Digest, isSame, KINDS, type Kind } from './items.ts';
import { areLostStill, type LostRegion, lostRegions } from './lost.ts';
import { removeMark, writeMark } from './mark.ts';
import { tablesOfStage } from './stage.ts';
import {
  ask,
  type Copied,
  copyTable,
  digestOf,
  LATE_MS,
  type Pass,
  type Place,
  removeExtras,
  servedRegions,
} from './tables.ts';

export interface CopyOptions {
  readonly stage: string;
  /** The Regions that are asked, the home Region first. */
  readonly regions: readonly string[];
  /** The other Regions of the stage: they are lost for good, and left out. */
  readonly without: readonly string[];
  /** The options that name them, as they continue an operator's command. */
  readonly args: string;
  readonly toGeneration: number;
  /**
   * The Region to copy from. Others that its tables replicate to must hold the same; those that are cut off
   * are left behind. Absent: home, or the fullest replica of an eventual table in use.
   */
  readonly from?: string;
  /** Tables in that Region to copy from, in place of those in use. */
  readonly fromTables: readonly string[];
  /** Copy although writes go on: a rehearsal, which proves nothing. */
  readonly whileWriting: boolean;
}

/** The tables and clients that a copy uses; a test replaces them. */
export interface CopyParts {
  dynamodb(region: string): DynamoDBClient;
  /** @returns the tables that a Region's functions use, and whether writes are stopped there */
  shown(region: string): Promise<ShownTables>;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** Pause between two looks at a Region that replication has not reached yet. */
  readonly pollMs: number;
  /** Takes a line of progress. */
  report(text: string): void;
}

export interface CopiedTable extends Copied {
  readonly kind: Kind;
  readonly from: string;
  /** The Region whose copy was read. */
  readonly from_region: string;
  readonly to: string;
  readonly removed: number;
  readonly source: Digest;
  readonly target: readonly (Digest & { readonly region: string })[];
  readonly equal: boolean;
  /** Regions whose replica of the source differed: items that only they hold may be missing. */
  readonly may_be_missing: readonly (Digest & {
    readonly region: string;
    /** Whether the source replicates to it; else waiting does not help. */
    readonly replicates: boolean;
  })[];
  /** Regions that the source does not replicate to: what only they hold is not copied. */
  readonly left_behind: readonly LeftBehind[];
}

interface LeftBehind {
  readonly region: string;
  /** Null where they cannot be read. */
  readonly items: number | null;
}

export interface CopyResult {
  readonly tables: readonly CopiedTable[];
  readonly without: readonly LostRegion[];
  /**
   * Whether writes were stopped in every Region that was asked, from before the first read until after the
   * last, and the others left no mark meanwhile.
   */
  readonly stopped: boolean;
  /** Whether the target provably holds all of the source. */
  readonly complete: boolean;
}

/** How often a Region is looked at again that replication may not have reached yet. */
const LOOKS = 20;

/** @throws CliError if the copy fails; the items copied so far stay, and the next run continues */
export async function copyRegistry(options: CopyOptions, parts: CopyParts): Promise<CopyResult> {
  // One time for all passes: items that expire later are on both sides.
  const startS = Math.floor(parts.nowMs() / 1000);
  if (options.from !== undefined && !options.regions.includes(options.from))
    throw usage(
      options.without.includes(options.from)
        ? `--from: ${options.from} is left out by --without, so nothing can be copied from it`
        : `--from: ${options.from} is no Region of --region`,
    );
  const before = await lookEverywhere(options, parts);
  const late = lateIn(parts);
  const inUse = {
    dynamodb: parts.dynamodb(options.from ?? options.regions[0]!),
    region: options.from ?? options.regions[0]!,
    table: before.get(options.regions[0]!)!.registry,
    signal: parts.signal,
    late,
  };
  const lost = await lostRegions(options.without, {
    ...parts,
    registry: inUse,
    nowMs: clockOf(before, parts),
  });
  if (!options.whileWriting) await settle(options, before, parts);
  const home = options.regions[0]!;
  const named = await kindsOf(options, parts);
  const isInUse = (kind: Kind, table: string) => table === before.get(home)![kind];
  const consistency = before.get(home)!.consistency;

  const tables: CopiedTable[] = [];
  for (const kind of KINDS) {
    const place = (region: string, table: string): Place => ({
      dynamodb: parts.dynamodb(region),
      region,
      kind,
      table,
      signal: parts.signal,
      late,
    });
    const to = tableName(options.stage, kind, options.toGeneration);
    const from = named.get(kind) ?? before.get(home)![kind];
    const pass = (what: string) => passOf(parts, startS, `${kind}: ${what}`);
    const target = place(home, to);
    const served = await servedRegions(target);
    if (served.length > 0)
      throw usage(
        `--to-generation: ${to} has served in ${served.join(' and ')}, and may hold what the source lacks; make tables of ` +
          'another generation',
      );
    if (kind === 'registry') await removeMark(target);
    // Each Region of an eventual table has a copy of its own.
    const isReplicated = consistency === 'eventual' && isInUse(kind, from);
    const digestIn = (region: string) => digestOf(place(region, from), pass(`reading ${from} in ${region}`));
    const first = options.from ?? home;
    const copies = new Map([[first, await digestIn(first)]]);
    const leftBehind: LeftBehind[] = [];
    const group = isReplicated ? await replicatedTo(place(first, from)) : [];
    for (const region of isReplicated ? options.regions : [])
      if (region !== first && options.from !== undefined && !group.includes(region)) {
        await requireLarger(group, place(region, from), options.from);
        leftBehind.push({ region, items: await itemsIn(digestIn(region)) });
      } else if (region !== first) copies.set(region, await digestIn(region));
    const fullest = options.from ?? [...copies].reduce((a, b) => (b[1].items > a[1].items ? b : a))[0];
    const others = [...copies].filter(([, digest]) => !isSame(digest, copies.get(fullest)!));

    const source = place(fullest, from);
    const copied = await copyTable(source, target, pass(`copying ${from} to ${to}`));
    const removed = options.whileWriting
      ? 0
      : await removeExtras(source, target, pass(`looking in ${to} for what ${from} lacks`));
    const digest = await digestOf(source, pass(`reading ${from} again`));
    const there: (Digest & { region: string })[] = [];
    for (const region of await replicasOf(target, options.regions, parts))
      there.push({ region, ...(await reached(place(region, to), digest, startS, parts)) });
    tables.push({
      kind,
      from,
      from_region: fullest,
      to,
      ...copied,
      removed,
      source: digest,
      target: there,
      equal: there.every((each) => isSame(each, digest)),
      may_be_missing: others.map(([region, each]) => ({
        ...{ region, ...each },
        replicates: [first, ...group].includes(region) && [first, ...group].includes(fullest),
      })),
      left_behind: leftBehind,
    });
  }
  const after = await lookEverywhere(options, parts);
  const isStopped = options.regions.every((region) => {
    const at = before.get(region)!.stopped_at;
    return at !== null && at === after.get(region)!.stopped_at;
  });
  const stopped = isStopped && (await areLostStill(lost, inUse));
  const complete =
    stopped &&
    !options.whileWriting &&
    tables.every((each) => each.equal && each.may_be_missing.length === 0);
  if (complete) {
    const stops = Object.fromEntries([...after].map(([region, each]) => [region, each.stopped_at!]));
    const table = tableName(options.stage, 'registry', options.toGeneration);
    const { dynamodb, signal } = parts;
    const place = { dynamodb: dynamodb(home), region: home, table, signal };
    const marks = Object.fromEntries(lost.map(({ region, marked_at }) => [region, marked_at]));
    await writeMark(place, { from: before.get(home)!.registry, stops, without: marks });
  }
  return { tables, without: lost, stopped, complete };
}

/** @throws CliError where the target serves, a Region is not named, or they do not use the same tables */
async function lookEverywhere(
  { stage, regions, without, toGeneration }: CopyOptions,
  parts: CopyParts,
): Promise<Map<string, ShownTables>> {
  const found = await tablesOfStage(regions, without, parts.shown);
  const all = [...found.values()].flatMap((each) => each.regions);
  for (const region of without)
    if (!all.includes(region)) throw usage(`--without: the stage has no Region ${region}`);
  for (const [region, shown] of found)
    for (const kind of KINDS)
      if (shown[kind] === tableName(stage, kind, toGeneration))
        throw usage(`--to-generation: ${region} uses ${shown[kind]} already`);
  return found;
}

/**
 * @returns the time by a Region that answers: marks are of the Regions' clocks, and the operator's may be
 * minutes off. While no writes are stopped no Region says it, and a copy proves nothing
 */
function clockOf(shown: ReadonlyMap<string, ShownTables>, { nowMs }: CopyParts): number {
  const clocks = [...shown.values()].flatMap(({ stopped_at, stopped_ms }) =>
    stopped_at === null ? [] : [Date.parse(stopped_at) + stopped_ms!],
  );
  return clocks.length === 0 ? nowMs() : Math.min(...clocks);
}

/** Waits until no write can be under way. */
async function settle(
  { regions, args }: CopyOptions,
  shown: ReadonlyMap<string, ShownTables>,
  { report, signal }: CopyParts,
): Promise<void> {
  const open = regions.filter((region) => shown.get(region)!.stopped_ms === null);
  if (open.length > 0)
    throw new CliError(
      EXIT.failed,
      `writes go on in ${open.join(', ')}, and a copy would lack them: stop them with countersign registry stop-writes${args}, or ` +
        'rehearse with --while-writing',
    );
  const leftMs = Math.max(
    ...regions.map((region) => WRITE_STOP_SETTLE_MS - Math.max(0, shown.get(region)!.stopped_ms!)),
  );
  if (leftMs <= 0) return;
  report(`waiting ${durationText(leftMs)} until no write can be under way`);
  await delay(leftMs, undefined, { signal }).catch(() => {});
}

/**
 * @returns the named tables, by what their keys say they are
 * @throws CliError where one cannot be a source
 */
async function kindsOf(
  { stage, from, fromTables, regions, toGeneration }: CopyOptions,
  { dynamodb, signal }: CopyParts,
): Promise<Map<Kind, string>> {
  const found = new Map<Kind, string>();
  const region = from ?? regions[0]!;
  const targets = KINDS.map((kind) => tableName(stage, kind, toGeneration));
  for (const table of fromTables) {
    if (targets.includes(table))
      throw usage(`--from-table: ${table} is of the generation to fill: name the table to copy from`);
    // They have the key of registry.
    const own = tableKinds('region').find((kind) =>
      table.startsWith(tableName(stage, kind).replace(/1$/, '')),
    );
    if (own)
      throw usage(`--from-table: ${table} is a table of ${own}, and only registry and clients are copied`);
    const describe = new DescribeTableCommand({ TableName: table });
    const { Table } = await ask({ table, region, signal }, (options) =>
      dynamodb(region).send(describe, options),
    );
    const keys = (Table?.KeySchema ?? []).map(({ AttributeName }) => AttributeName).join();
    const kind = keys === 'pk' ? 'registry' : keys === 'pk,sk' ? 'clients' : undefined;
    if (!kind)
      throw usage(`--from-table: ${table} has the keys ${keys}, which neither registry nor clients has`);
    if (found.has(kind)) throw usage(`--from-table: ${found.get(kind)} and ${table} are both of ${kind}`);
    found.set(kind, table);
  }
  return found;
}

/**
 * @returns the Regions whose copy of the target can differ; of a strongly consistent table one is enough,
 * since a read there sees every Region's writes
 */
async function replicasOf(
  { table, region: home, signal }: Place,
  regions: readonly string[],
  parts: CopyParts,
): Promise<string[]> {
  const command = new DescribeTableCommand({ TableName: table });
  const describe = (region: string) =>
    ask({ table, region, signal }, (options) =>
      parts
        .dynamodb(region)
        .send(command, options)
        .catch((error: Error) => {
          if (error.name === 'ResourceNotFoundException' && region !== home) return undefined;
          throw error;
        }),
    );
  const { Table } = (await describe(home))!;
  if (Table?.MultiRegionConsistency === 'STRONG') return [home];
  const replicas = (Table?.Replicas ?? []).flatMap(({ RegionName }) => RegionName ?? []);
  const found = new Set([home, ...replicas]);
  for (const region of regions) {
    if (!found.has(region) && (await describe(region))) found.add(region);
  }
  return [...found];
}

/** @returns the Regions that this Region's table replicates to */
async function replicatedTo(place: Place): Promise<string[]> {
  const describe = new DescribeTableCommand({ TableName: place.table });
  const { Table } = await ask(place, (options) => place.dynamodb.send(describe, options));
  return (Table?.Replicas ?? []).flatMap(({ RegionName }) => RegionName ?? []);
}

/**
 * Of two Regions that replicate to none, an operator must say which counts. Of more, the larger group is the
 * table.
 *
 * @param group the Regions that the source replicates to
 * @param other a Region that would be left behind
 * @throws CliError where the source itself is cut off
 */
async function requireLarger(group: readonly string[], other: Place, from: string): Promise<void> {
  const others = await replicatedTo(other);
  if (new Set([other.region, ...others]).size <= new Set([from, ...group]).size) return;
  throw usage(
    `--from: ${from} is cut off: ${other.table} replicates between ${[...new Set([other.region, ...others])].join(', ')} without ` +
      'it. Name one of those',
  );
}

/** @returns null where the Region's copy cannot be read, as while its customer key is unusable */
const itemsIn = (digest: Promise<Digest>): Promise<number | null> =>
  digest.then(
    ({ items }) => items,
    (error: unknown) => {
      if (error instanceof CliError) return null;
      throw error;
    },
  );

/** @returns the digest of a Region's copy, once it equals `wanted`, or after `LOOKS` looks */
async function reached(place: Place, wanted: Digest, startS: number, parts: CopyParts): Promise<Digest> {
  const pass = passOf(parts, startS, `${place.kind}: comparing ${place.table} in ${place.region}`);
  let found = await digestOf(place, pass);
  for (let look = 1; look < LOOKS && !isSame(found, wanted) && !parts.signal.aborted; look++) {
    await delay(parts.pollMs, undefined, { signal: parts.signal }).catch(() => {});
    found = await digestOf(place, pass);
  }
  return found;
}

/** @returns reports a table that does not answer, once: several calls wait at the same time */
function lateIn({ report }: CopyParts): (what: string) => void {
  const named = new Set<string>();
  return (what) => {
    if (!named.has(what)) report(`${what} has not answered for ${durationText(LATE_MS)}: waiting`);
    named.add(what);
  };
}

/** Items between two lines of progress. */
const REPORTED = 5_000;

function passOf({ report }: CopyParts, startS: number, what: string): Pass {
  let next = REPORTED;
  return {
    startS,
    progress(items) {
      if (items < next) return;
      report(`${what}: ${items} items`);
      next = items - (items % REPORTED) + REPORTED;
    },
  };
}
