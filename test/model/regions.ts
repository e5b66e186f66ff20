/**
 * Registrations over two Regions as a state machine over the real protocol functions: nonces that are issued,
 * proofs that are delivered any number of times to any Region, invocations that interleave, repeat a write
 * whose answer was lost, and end between any two calls; ledgers that are lost, Regions that fail and return,
 * a registry that replicates late, and a setting that changes. Time runs in ticks of five minutes.
 */
import { createHash } from 'node:crypto';
import { consumes, type LedgerRecord, ledgerTtlS } from '../../protocol/ledger.ts';
import { checkNonce, deriveNonceKey, mintNonce, type NonceContent, readNonce } from '../../protocol/nonce.ts';
import {
  decideDelete,
  decideRegister,
  isTombstone,
  type Registration,
  type RegistryRecord,
} from '../../protocol/registration.ts';
import type { Model } from './search.ts';

/** The rules under test. A planted fault can replace each of them. */
export interface Rules {
  /** The Region is in the nonce and in its key. */
  readonly regionInNonce: boolean;
  /** A Region's ledger is its own; otherwise it is one table that replicates late. */
  readonly ledgerPerRegion: boolean;
  /** A lost ledger gets a new name, and nonce keys are derived from that name. */
  readonly newLedgerName: boolean;
  /** A nonce's age is checked against the life that it carries; otherwise against the setting. */
  readonly ownLife: boolean;
  /** An invocation recognises its own write by its own token; otherwise by the proof's jti. */
  readonly ownToken: boolean;
  /** A registration over a tombstone needs a nonce that is younger than the deletion. */
  readonly nonceAfterDeletion: boolean;
  /**
   * Lambda ends an invocation within seconds: none verifies before a row expires and writes after it is gone.
   */
  readonly invocationsEnd: boolean;
  /** In strong mode an answer waits for the second Region. */
  readonly waitsForSecond: boolean;
}

export const RULES: Rules = {
  regionInNonce: true,
  ledgerPerRegion: true,
  newLedgerName: true,
  ownLife: true,
  ownToken: true,
  nonceAfterDeletion: true,
  invocationsEnd: true,
  waitsForSecond: true,
};

export interface Bounds {
  readonly mode: 'strong' | 'eventual';
  /** The requests that the client signs, each with its own nonce. */
  readonly proofs: readonly ('register' | 'delete')[];
  /** How often proofs are delivered, in total. */
  readonly deliveries: number;
  readonly horizon: number;
  /** How far each Region's clock is off, in milliseconds. @default 0 for both */
  readonly skew?: Readonly<Record<RegionName, number>>;
  /** How many ledgers are lost. @default 0 */
  readonly lostLedgers?: number;
  /** How many Regions fail, for good or until they return. @default 0 */
  readonly failures?: number;
  /** The nonce life, in ticks, that the setting changes to. @default no change */
  readonly longerLife?: number;
}

const REGIONS = ['a', 'b'] as const;
type RegionName = (typeof REGIONS)[number];
type PerRegion<T> = Readonly<Record<RegionName, T>>;

const TICK_MS = 300_000;
const LIFE_TICKS = 1;
const E_MS = 2_000;
const T0 = 1_795_430_000_000;
const CLIENT = 'client';
const REGISTRATION: Registration = {
  id: 'i',
  clientId: CLIENT,
  userId: 'u',
  createdAtMs: T0,
  data: { user_id: 'u' },
};

interface Nonce {
  readonly text: string;
  /** The tick in which it was issued. */
  readonly t: number;
}

interface Invocation {
  readonly region: RegionName;
  readonly proof: number;
  /** Its number is its token. */
  readonly w: number;
  /** The ledger that it was verified for, and writes to. */
  readonly generation: number;
  readonly phase: 'verified' | 'unclear' | 'consumed';
}

type Ledger = Readonly<Record<string, LedgerRecord & { readonly ttlS: number }>>;

interface World {
  readonly t: number;
  readonly up: PerRegion<boolean>;
  readonly lifeTicks: PerRegion<number>;
  readonly ledgerGeneration: PerRegion<number>;
  readonly ledgers: PerRegion<Ledger>;
  /** Each Region's copy; in strong mode they differ only while a write is under way. */
  readonly registry: PerRegion<Stored | undefined>;
  /** Ledger rows that have not reached the other Region yet, if the ledger replicates. */
  readonly late: readonly { readonly to: RegionName; readonly nonce: string; readonly row: Ledger[string] }[];
  readonly nonces: readonly (Nonce | undefined)[];
  readonly invocations: readonly Invocation[];
  /** For each proof, the invocations that consumed its nonce. */
  readonly accepted: readonly (readonly number[])[];
  /** The last answer that a client got. */
  readonly acknowledged: 'nothing' | 'registered' | 'deleted';
  /** The tick of the last acknowledged deletion. */
  readonly deletedAt: number | undefined;
  readonly left: {
    readonly deliveries: number;
    readonly lostLedgers: number;
    readonly failures: number;
    readonly changes: number;
  };
  readonly wrong: string | undefined;
}

interface Stored {
  readonly record: RegistryRecord;
  /** When it was written, by the Region's clock: the later write wins. */
  readonly atMs: number;
  readonly by: RegionName;
}

const other = (region: RegionName): RegionName => (region === 'a' ? 'b' : 'a');
const ROOT = createHash('sha256').update('root').digest();

export function regionsModel(bounds: Bounds, rules: Rules = RULES): Model<World> {
  const { mode, proofs, horizon, skew = { a: 0, b: 0 } } = bounds;
  const nowMs = (world: World, region: RegionName) => T0 + world.t * TICK_MS + skew[region];

  const keys = new Map<string, ReturnType<typeof deriveNonceKey>>();
  function nonceKey(region: RegionName, generation: number) {
    const name = rules.regionInNonce ? region : 'any';
    const ledger = rules.ledgerPerRegion ? `ledger-${region}-${generation}` : 'ledger';
    const table = rules.newLedgerName ? ledger : ledger.replace(/\d+$/, '1');
    const id = `${name}/${rules.regionInNonce ? table : table.replace(`-${region}`, '')}`;
    const key = keys.get(id) ?? deriveNonceKey(ROOT, name, id);
    keys.set(id, key);
    return key;
  }

  function mint(world: World, region: RegionName, proof: number): string {
    return mintNonce({
      kid: 'AAAAAA',
      key: nonceKey(region, world.ledgerGeneration[region]),
      region: rules.regionInNonce ? region : 'any',
      issuedMs: nowMs(world, region),
      lifeMs: world.lifeTicks[region] * TICK_MS,
      clientId: CLIENT,
      random: new Uint8Array(12).fill(proof),
    });
  }

  const checks = new Map<string, NonceContent | undefined>();
  function check(world: World, region: RegionName, text: string): NonceContent | undefined {
    const generation = world.ledgerGeneration[region];
    const ms = nowMs(world, region);
    const life = world.lifeTicks[region] * TICK_MS;
    const id = [text, region, generation, ms, life].join(' ');
    if (checks.has(id)) return checks.get(id);
    const content = readNonce(text)!;
    const nonce = checkNonce(text, {
      key: nonceKey(region, generation),
      region: rules.regionInNonce ? region : 'any',
      // With the setting: the nonce seems younger by the difference between the setting and its own life.
      nowMs: rules.ownLife ? ms : Math.max(content.issuedMs, ms - life + content.lifeMs),
      clockErrorMs: E_MS,
      clientId: CLIENT,
    });
    checks.set(id, nonce);
    return nonce;
  }

  const tokenOf = ({ w, proof }: Invocation) => (rules.ownToken ? `w${w}` : `jti${proof}`);

  function* next(world: World): Iterable<{ name: string; state: World }> {
    const { left } = world;
    if (world.wrong !== undefined) return;
    if (world.t < horizon) yield { name: 'five minutes pass', state: pass(world) };
    for (const [proof, nonce] of world.nonces.entries())
      if (!nonce)
        for (const region of REGIONS)
          if (world.up[region] && world.nonces.slice(0, proof).every(Boolean))
            yield {
              name: `${region} issues nonce ${proof} (${proofs[proof]})`,
              state: {
                ...world,
                nonces: at(world.nonces, proof, { text: mint(world, region, proof), t: world.t }),
              },
            };
    if (left.deliveries > 0)
      for (const [proof, nonce] of world.nonces.entries())
        for (const region of nonce ? REGIONS : [])
          if (world.up[region] && check(world, region, nonce!.text)) {
            const w = bounds.deliveries - left.deliveries;
            const generation = world.ledgerGeneration[region];
            yield {
              name: `proof ${proof} reaches ${region}, as invocation ${w}`,
              state: {
                ...world,
                invocations: [...world.invocations, { region, proof, w, generation, phase: 'verified' }],
                left: { ...left, deliveries: left.deliveries - 1 },
              },
            };
          }
    for (const invocation of world.invocations) yield* continued(world, invocation);
    for (const region of REGIONS) yield* disturbed(world, region);
    for (const [i, { to, nonce, row }] of world.late.entries())
      yield {
        name: `${to} hears of a used nonce`,
        state: {
          ...world,
          ledgers: { ...world.ledgers, [to]: { ...world.ledgers[to], [nonce]: row } },
          late: world.late.toSpliced(i, 1),
        },
      };
    if (world.up.a && world.up.b && JSON.stringify(world.registry.a) !== JSON.stringify(world.registry.b)) {
      const { a, b } = world.registry;
      const later = !a || (b && (b.atMs > a.atMs || (b.atMs === a.atMs && b.by > a.by))) ? b : a;
      yield { name: 'the registries agree', state: { ...world, registry: { a: later, b: later } } };
    }
  }

  function* continued(world: World, invocation: Invocation): Iterable<{ name: string; state: World }> {
    const { region, proof, w, phase } = invocation;
    const named = `invocation ${w} in ${region}`;
    const without = world.invocations.filter((each) => each !== invocation);
    const becomes = (phase: Invocation['phase']) => [...without, { ...invocation, phase }];
    yield { name: `${named} ends`, state: { ...world, invocations: without } };
    if (!world.up[region]) return;
    if (phase === 'verified' || phase === 'unclear') {
      // Its table is gone.
      if (rules.newLedgerName && invocation.generation !== world.ledgerGeneration[region]) return;
      const text = world.nonces[proof]!.text;
      const token = tokenOf(invocation);
      if (!consumes(world.ledgers[region][text], token)) {
        yield { name: `${named} finds the nonce used`, state: { ...world, invocations: without } };
        return;
      }
      const row = { w: token, ttlS: ledgerTtlS(readNonce(text)!) };
      const late = rules.ledgerPerRegion ? [] : [{ to: other(region), nonce: text, row }];
      const written = {
        ...world,
        ledgers: { ...world.ledgers, [region]: { ...world.ledgers[region], [text]: row } },
        late: [...world.late, ...late],
      };
      if (phase === 'verified')
        yield {
          name: `${named} uses the nonce up, and the answer is lost`,
          state: { ...written, invocations: becomes('unclear') },
        };
      const accepted = at(world.accepted, proof, [...world.accepted[proof]!, w]);
      const twice = accepted[proof]!.length > 1 ? `nonce ${proof} was accepted twice` : undefined;
      yield {
        name: `${named} uses the nonce up`,
        state: { ...written, accepted, invocations: becomes('consumed'), wrong: twice },
      };
    }
    if (phase === 'consumed') yield* changed(world, invocation, without);
  }

  function* changed(
    world: World,
    { region, proof, w }: Invocation,
    without: readonly Invocation[],
  ): Iterable<{ name: string; state: World }> {
    const ms = nowMs(world, region);
    const held = mode === 'strong' ? latest(world) : world.registry[region];
    const write = (record: RegistryRecord): World => {
      // A write is always later than the one that it replaces.
      const stored = { record, atMs: Math.max(ms, (held?.atMs ?? 0) + 1), by: region };
      // In strong mode the answer waits until a second Region has the write: the other one here, or the
      // witness.
      const reached = mode === 'strong' && rules.waitsForSecond && world.up[other(region)];
      const registry = reached ? { a: stored, b: stored } : { ...world.registry, [region]: stored };
      return acknowledged({ ...world, registry, invocations: without }, proof);
    };
    if (proofs[proof] === 'delete') {
      const state = write(decideDelete(held?.record, ms, E_MS));
      yield { name: `invocation ${w} in ${region} deletes`, state: { ...state, deletedAt: world.t } };
      return;
    }
    const issuedMs = rules.nonceAfterDeletion ? readNonce(world.nonces[proof]!.text)!.issuedMs : Infinity;
    const { kind } = decideRegister(held?.record, REGISTRATION, issuedMs, E_MS);
    const name = `invocation ${w} in ${region} registers: ${kind}`;
    if (kind === 'stored') yield { name, state: write(REGISTRATION) };
    else yield { name, state: { ...world, invocations: without } };
  }

  function acknowledged(world: World, proof: number): World {
    const { deletedAt, nonces } = world;
    if (proofs[proof] === 'delete') return { ...world, acknowledged: 'deleted' };
    const revived = deletedAt !== undefined && nonces[proof]!.t < deletedAt;
    const wrong = `proof ${proof}, from before a deletion, registered after it`;
    return { ...world, acknowledged: 'registered', ...(revived && { wrong }) };
  }

  function* disturbed(world: World, region: RegionName): Iterable<{ name: string; state: World }> {
    const { left } = world;
    if (left.lostLedgers > 0)
      yield {
        name: `${region} loses its ledger`,
        state: {
          ...world,
          ledgers: { ...world.ledgers, [region]: {} },
          ledgerGeneration: { ...world.ledgerGeneration, [region]: world.ledgerGeneration[region] + 1 },
          left: { ...left, lostLedgers: left.lostLedgers - 1 },
        },
      };
    if (left.changes > 0)
      yield {
        name: `${region} lets nonces live longer`,
        state: {
          ...world,
          lifeTicks: { ...world.lifeTicks, [region]: bounds.longerLife! },
          left: { ...left, changes: left.changes - 1 },
        },
      };
    if (world.up[region] && world.up[other(region)] && left.failures > 0) {
      const lost: World = {
        ...world,
        up: { ...world.up, [region]: false },
        left: { ...left, failures: left.failures - 1 },
      };
      const survivor = world.registry[other(region)]?.record;
      const gone =
        mode === 'strong' &&
        world.acknowledged === 'registered' &&
        (survivor === undefined || isTombstone(survivor));
      yield {
        name: `${region} fails`,
        state: gone ? { ...lost, wrong: 'an acknowledged registration was lost with a Region' } : lost,
      };
    }
    if (!world.up[region])
      yield { name: `${region} returns`, state: { ...world, up: { ...world.up, [region]: true } } };
  }

  const latest = ({ registry: { a, b } }: World): Stored | undefined =>
    !a || (b && b.atMs > a.atMs) ? b : a;

  /** TTL removes expired items, as early as it may. */
  function pass(world: World): World {
    const t = world.t + 1;
    const swept = (region: RegionName): Ledger => {
      const nowS = nowMs({ ...world, t }, region) / 1000;
      return Object.fromEntries(Object.entries(world.ledgers[region]).filter(([, { ttlS }]) => ttlS >= nowS));
    };
    const invocations = rules.invocationsEnd ? [] : world.invocations;
    return { ...world, t, invocations, ledgers: { a: swept('a'), b: swept('b') } };
  }

  const initial: World = {
    t: 0,
    up: { a: true, b: true },
    lifeTicks: { a: LIFE_TICKS, b: LIFE_TICKS },
    ledgerGeneration: { a: 1, b: 1 },
    ledgers: { a: {}, b: {} },
    registry: { a: undefined, b: undefined },
    late: [],
    nonces: proofs.map(() => undefined),
    invocations: [],
    accepted: proofs.map(() => []),
    acknowledged: 'nothing',
    deletedAt: undefined,
    left: {
      deliveries: bounds.deliveries,
      lostLedgers: bounds.lostLedgers ?? 0,
      failures: bounds.failures ?? 0,
      changes: bounds.longerLife === undefined ? 0 : 1,
    },
    wrong: undefined,
  };
  return { initial, key: (world) => JSON.stringify(world), next, broken: ({ wrong }) => wrong };
}

const at = <T>(list: readonly T[], index: number, value: T): T[] =>
  list.map((each, i) => (i === index ? value : each));
