/**
 * A stage of two Regions whose tables change as a state machine: writes are stopped, a table is restored and
 * copied into the next generation, Regions take it into use one after the other, and writes go on. Beside
 * that, ledgers are lost and Regions are evacuated and returned. Requests arrive at any time, and end between
 * any two steps. Time runs in ticks of five seconds.
 */
import { WRITE_STOP_SETTLE_MS } from '../../lambda/contract/limits.ts';
import { consumes, type LedgerRecord } from '../../protocol/ledger.ts';
import { decideRegister, type Registration, type RegistryRecord } from '../../protocol/registration.ts';
import type { Model } from './search.ts';

/** The rules under test. A planted fault can replace each of them. */
export interface Rules {
  /** The copy begins when no write can be under way any more. */
  readonly settles: boolean;
  /** Writes go on only when all Regions use the same tables. */
  readonly together: boolean;
  /** Who changes a table first marks it, and the copy never fills a table with a mark. */
  readonly marks: boolean;
  /** A lost ledger gets a new name, for which no older nonce is good. */
  readonly newLedgerName: boolean;
}

export const RULES: Rules = { settles: true, together: true, marks: true, newLedgerName: true };

export interface Bounds {
  /** The Region of each request. Each registers a user of its own. */
  readonly requests: readonly RegionName[];
  /** How often requests are delivered, in total. */
  readonly deliveries: number;
  readonly horizon: number;
  /** How often all registrations are deleted by a faulty program. @default 0 */
  readonly damages?: number;
  /** How many ledgers are lost. @default 0 */
  readonly lostLedgers?: number;
  /** How many Regions are evacuated. @default 0 */
  readonly evacuations?: number;
  /** How often a Region is deployed with other tables outside of the procedure. @default 0 */
  readonly bareDeploys?: number;
}

const REGIONS = ['a', 'b'] as const;
type RegionName = (typeof REGIONS)[number];
type Generation = 1 | 2;

const TICK_MS = 5_000;
/** An instance's copy of flag and stop, and the time that an invocation may take. */
const COPY_TICKS = 10_000 / TICK_MS;
const INVOCATION_TICKS = 10_000 / TICK_MS;
const SETTLE_TICKS = WRITE_STOP_SETTLE_MS / TICK_MS;
const T0 = 1_795_430_000_000;

type Table = Readonly<Record<string, RegistryRecord>>;

interface Region {
  readonly uses: Generation;
  /** The ticks since when; an instance may not know it yet. */
  readonly stopped: number | undefined;
  readonly evacuated: number | undefined;
  readonly ledgerGeneration: number;
  readonly ledger: Readonly<Record<number, LedgerRecord>>;
}

interface Invocation {
  readonly region: RegionName;
  readonly request: number;
  readonly since: number;
  /** Its process keeps the tables that it was started with. */
  readonly generation: Generation;
}

interface World {
  readonly t: number;
  readonly tables: Readonly<Record<Generation, Table>>;
  readonly marked: readonly Generation[];
  readonly regions: Readonly<Record<RegionName, Region>>;
  readonly invocations: readonly Invocation[];
  /** For each request, how often its nonce was accepted. */
  readonly accepted: readonly number[];
  /** The users that must not be missing: acknowledged, and not after the second that a restoration chose. */
  readonly promised: readonly string[];
  /** The table as it was before the damage, until the damage is repaired. */
  readonly restorable: Table | undefined;
  /** The generation that was filled, until writes go on. */
  readonly filled: Generation | undefined;
  readonly left: {
    readonly deliveries: number;
    readonly damages: number;
    readonly lostLedgers: number;
    readonly evacuations: number;
    readonly bareDeploys: number;
  };
  readonly wrong: string | undefined;
}

interface Step {
  readonly name: string;
  readonly state: World;
}

const user = (request: number): string => `u${request}`;
const registration = (request: number): Registration => ({
  ...{ id: user(request), clientId: 'client', userId: user(request), createdAtMs: T0 },
  data: { user_id: user(request) },
});

export function tablesModel(bounds: Bounds, rules: Rules = RULES): Model<World> {
  const change = (world: World, region: RegionName, changes: Partial<Region>): World => ({
    ...world,
    regions: { ...world.regions, [region]: { ...world.regions[region], ...changes } },
  });
  const spend = (world: World, what: keyof World['left']): World => ({
    ...world,
    left: { ...world.left, [what]: world.left[what] - 1 },
  });
  const mark = (world: World, generation: Generation): World =>
    world.marked.includes(generation)
      ? world
      : { ...world, marked: [...world.marked, generation].sort() as Generation[] };
  const uses = ({ regions }: World): Generation[] => [
    ...new Set(REGIONS.map((region) => regions[region].uses)),
  ];
  /** Whether an instance may still take a write, by a copy from before. */
  const mayNotKnow = ({ t }: World, since: number | undefined): boolean =>
    since === undefined || t - since <= COPY_TICKS;

  function* next(world: World): Iterable<Step> {
    if (world.wrong !== undefined) return;
    if (world.t < bounds.horizon) yield { name: 'five seconds pass', state: pass(world) };
    yield* requests(world);
    for (const region of REGIONS) yield* operated(world, region);
    yield* copied(world);
    yield* damaged(world);
  }

  function* requests(world: World): Iterable<Step> {
    for (const [request, region] of bounds.requests.entries()) {
      const { stopped, evacuated, uses, ledger, ledgerGeneration } = world.regions[region];
      const isGood = !rules.newLedgerName || ledgerGeneration === 1;
      if (world.left.deliveries === 0 || !isGood) continue;
      if (!mayNotKnow(world, stopped) || !mayNotKnow(world, evacuated)) continue;
      const w = `w${world.left.deliveries}`;
      if (!consumes(ledger[request], w)) continue;
      const accepted = world.accepted.with(request, world.accepted[request]! + 1);
      const invocation: Invocation = { region, request, since: world.t, generation: uses };
      const taken = change(spend(rules.marks ? mark(world, uses) : world, 'deliveries'), region, {
        ledger: { ...ledger, [request]: { w } },
      });
      yield {
        name: `${region} accepts request ${request}`,
        state: {
          ...taken,
          accepted,
          invocations: [...taken.invocations, invocation],
          ...(accepted[request]! > 1 && { wrong: `request ${request} was accepted twice` }),
        },
      };
    }
    for (const invocation of world.invocations) {
      const { region, request, generation } = invocation;
      const without = world.invocations.filter((each) => each !== invocation);
      yield { name: `request ${request} ends without a write`, state: { ...world, invocations: without } };
      const table = world.tables[generation];
      if (decideRegister(table[user(request)], registration(request), T0, 0).kind !== 'stored') continue;
      yield {
        name: `${region} registers ${user(request)} in generation ${generation}, and says so`,
        state: judged({
          ...world,
          invocations: without,
          tables: { ...world.tables, [generation]: { ...table, [user(request)]: registration(request) } },
          // What comes after the second of a restoration is not in it.
          promised: world.restorable ? world.promised : [...world.promised, user(request)].sort(),
        }),
      };
    }
  }

  function* operated(world: World, region: RegionName): Iterable<Step> {
    const { stopped, evacuated, uses: own, ledgerGeneration } = world.regions[region];
    const { left, filled } = world;
    if (stopped === undefined)
      yield { name: `writes stop in ${region}`, state: change(world, region, { stopped: world.t }) };
    else if (uses(world).length === 1 || !rules.together)
      yield {
        name: `writes go on in ${region}`,
        state: judged({
          ...change(rules.marks ? mark(world, own) : world, region, { stopped: undefined }),
          filled: undefined,
          // An operator who does not take the copy into use has repaired nothing.
          restorable: own === filled ? undefined : world.restorable,
        }),
      };
    if (filled !== undefined && own !== filled && stopped !== undefined)
      yield {
        name: `${region} is deployed with generation ${filled}`,
        state: judged(change(world, region, { uses: filled })),
      };
    if (left.bareDeploys > 0)
      yield {
        name: `${region} is deployed with the other generation, outside of the procedure`,
        state: change(spend(world, 'bareDeploys'), region, { uses: own === 1 ? 2 : 1 }),
      };
    if (left.lostLedgers > 0)
      yield {
        name: `${region} loses its ledger`,
        state: change(spend(world, 'lostLedgers'), region, {
          ledger: {},
          ledgerGeneration: ledgerGeneration + 1,
        }),
      };
    if (evacuated !== undefined)
      yield { name: `${region} is returned`, state: change(world, region, { evacuated: undefined }) };
    else if (left.evacuations > 0)
      yield {
        name: `${region} is evacuated`,
        state: change(spend(world, 'evacuations'), region, { evacuated: world.t }),
      };
  }

  function* copied(world: World): Iterable<Step> {
    const [from, ...others] = uses(world);
    if (others.length > 0 || world.filled !== undefined) return;
    const to: Generation = from === 1 ? 2 : 1;
    const since = REGIONS.map((region) => world.regions[region].stopped);
    const isQuiet = since.every((at) => at !== undefined && (!rules.settles || world.t - at >= SETTLE_TICKS));
    if (!isQuiet || world.marked.includes(to)) return;
    yield {
      name: `generation ${to} becomes like ${world.restorable ? 'the restored table' : `generation ${from}`}`,
      state: judged({
        ...world,
        // Users that the source lacks are removed: a rehearsal may have left them.
        tables: { ...world.tables, [to]: world.restorable ?? world.tables[from!] },
        filled: to,
      }),
    };
  }

  function* damaged(world: World): Iterable<Step> {
    const [generation, ...others] = uses(world);
    if (world.left.damages === 0 || others.length > 0 || world.filled !== undefined) return;
    yield {
      name: `a faulty program deletes all of generation ${generation}`,
      state: {
        ...spend(world, 'damages'),
        restorable: world.tables[generation!],
        tables: { ...world.tables, [generation!]: {} },
      },
    };
  }

  /** Nothing promised is destroyed, nor missing in tables that are in use while writes are allowed. */
  function judged(world: World): World {
    const held = [world.tables[1], world.tables[2], world.restorable ?? {}];
    const destroyed = world.promised.find((name) => !held.some((table) => name in table));
    if (destroyed !== undefined) return { ...world, wrong: `${destroyed} was acknowledged, and is nowhere` };
    if (bounds.bareDeploys || world.restorable) return world;
    for (const region of REGIONS) {
      const { stopped, uses } = world.regions[region];
      const missing = world.promised.find((name) => !(name in world.tables[uses]));
      if (stopped === undefined && missing !== undefined)
        return { ...world, wrong: `${missing} was acknowledged, and ${region} does not have it` };
    }
    return world;
  }

  function pass(world: World): World {
    const t = world.t + 1;
    return {
      ...world,
      t,
      invocations: world.invocations.filter(({ since }) => t - since <= INVOCATION_TICKS),
    };
  }

  const region: Region = {
    ...{ uses: 1, stopped: undefined, evacuated: undefined },
    ...{ ledgerGeneration: 1, ledger: {} },
  };
  const initial: World = {
    t: 0,
    tables: { 1: {}, 2: {} },
    // Generation 1 serves.
    marked: [1],
    regions: { a: region, b: region },
    invocations: [],
    accepted: bounds.requests.map(() => 0),
    promised: [],
    restorable: undefined,
    filled: undefined,
    left: {
      deliveries: bounds.deliveries,
      damages: bounds.damages ?? 0,
      lostLedgers: bounds.lostLedgers ?? 0,
      evacuations: bounds.evacuations ?? 0,
      bareDeploys: bounds.bareDeploys ?? 0,
    },
    wrong: undefined,
  };
  return { initial, key: (world) => JSON.stringify(world), next, broken: ({ wrong }) => wrong };
}
