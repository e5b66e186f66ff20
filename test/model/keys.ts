/**
 * The life of keys as a state machine over the real protocol functions: one secret with its labels, replicas
 * that may lag, a signer and a verifier with copies of any age, rotations and revocations that interleave and
 * break off at any call, a hand that empties the secret or moves its label back, what the Regions remember of
 * all that, and clocks that err. Time runs in ticks; `t` is the true one, which nobody knows.
 */
import { EMPTY_KEYSET } from '../../lambda/contract/names.ts';
import { recallable, unique } from '../../lambda/rotate/regions.ts';
import type { KeyLags } from '../../protocol/key-windows.ts';
import {
  type Keyset,
  type KeysetKey,
  newerKeyset,
  parseKeyset,
  signingKey,
  verificationKey,
  verificationKeys,
} from '../../protocol/keyset.ts';
import {
  mergePublished,
  NOTHING_PUBLISHED,
  type Published,
  publishedKids,
  withPublished,
} from '../../protocol/published.ts';
import {
  checkPending,
  followingKeyset,
  type NewKey,
  recalled,
  revokedKeyset,
} from '../../protocol/rotation.ts';
import type { Model } from './search.ts';

/** The rules under test. A planted fault can replace each of them. */
export interface Rules {
  readonly followingKeyset: typeof followingKeyset;
  readonly revokedKeyset: typeof revokedKeyset;
  readonly checkPending: typeof checkPending;
  /** `finishSecret` moves AWSCURRENT only from the version that the new keyset is based on. */
  readonly compareAndSwap: boolean;
  /** An AWSPENDING older than X is removed. */
  readonly watch: boolean;
  /** A copy beyond its age limit is not used. */
  readonly hardLimit: boolean;
  /** The Regions refuse a revoked kid before the keyset is replaced. */
  readonly refusesFirst: boolean;
  /** The Regions remember the published keys. */
  readonly remembers: boolean;
}

export const RULES: Rules = {
  followingKeyset,
  revokedKeyset,
  checkPending,
  compareAndSwap: true,
  watch: true,
  hardLimit: true,
  refusesFirst: true,
  remembers: true,
};

export interface Bounds {
  readonly lags: KeyLags;
  /** Ordinary rotations. The first begins at once, the others at any tick. */
  readonly rotations: number;
  readonly revocations: number;
  /** How often an operator empties the secret, or moves AWSCURRENT back to an older version, by hand. */
  readonly hands?: number;
  /** Whether Vault may export its first key again, as a stale cache or a restored Vault does. */
  readonly staleVault?: boolean;
  /** The search ends here. */
  readonly horizon: number;
}

interface Version {
  readonly id: string;
  /** Null as AWS stages it: a label without a value. */
  readonly keyset: Keyset | null;
}

interface Job {
  readonly kind: 'rotate' | 'revoke';
  readonly version: Version;
  readonly startedAt: number;
  /** The error of the clock that made the keyset. */
  readonly skew: number;
  /** The revocation has told the Regions, and makes its keyset next. */
  readonly phase: 'staged' | 'refused' | 'created' | 'checked';
  /** The kids that a revocation names; undefined: all of them. */
  readonly only?: readonly string[] | undefined;
}

interface Copy {
  readonly keyset: Keyset | undefined;
  /** Null: never read, or too old to be used. */
  readonly readAt: number | null;
}

interface World {
  readonly t: number;
  /** The versions that were AWSCURRENT, each with its start; the last one still is. */
  readonly published: readonly { readonly at: number; readonly version: Version }[];
  /** AWSPREVIOUS. */
  readonly previous: Version | undefined;
  /** The versions that were AWSCURRENT, each once, as long as an operator may move the label back. */
  readonly older: readonly Version[];
  readonly pending: { readonly id: string; readonly since: number } | null;
  readonly jobs: readonly Job[];
  /** Events that are still to come. */
  readonly left: { readonly rotations: number; readonly revocations: number; readonly hands: number };
  /** Whether the secret was emptied or rolled back: readers may then lack the key of a valid signature. */
  readonly touched: boolean;
  /** Kids in the Regions' tables. */
  readonly refused: readonly string[];
  readonly memory: Published;
  /** The highest `seq` that a reader may hold. */
  readonly highest: number;
  readonly made: number;
  readonly signer: Copy;
  readonly verifier: Copy;
  /** The promises of the signers: the latest expiry, by their clock, of a signature of each key. */
  readonly promises: readonly Promised[];
  /** Kids that some AWSCURRENT revoked. */
  readonly revoked: readonly string[];
  /** `seq` of the keysets that revocations made. */
  readonly emergencies: readonly number[];
  readonly wrong: string | undefined;
}

interface Promised {
  readonly kid: string;
  readonly expires: number;
  /**
   * The last revocation that the signer had seen, by `seq`; 0 means none. A verifier with an older copy may
   * refuse the signature. That is the cost of a revocation.
   */
  readonly since: number;
}

const LONG_AGO = -1_000;
/** The secret as a template creates it. */
const EMPTY = parseKeyset(EMPTY_KEYSET);
/** A key with its own material. */
const newKey = (n: number): NewKey => {
  const k = Buffer.alloc(32, 'k').fill(n, 0, 1).toString('base64url');
  return { kid: `k${n}`, alg: 'HKDF-SHA-256', jwk: { kty: 'oct', k }, vault: null };
};

const FIRST_JWK = newKey(0).jwk;
const isFirstAgain = ({ kid, jwk }: KeysetKey): boolean => kid !== 'k0' && jwk.k === FIRST_JWK.k;

export function keysModel(
  { lags, rotations, revocations, hands = 0, staleVault = false, horizon }: Bounds,
  rules: Rules = RULES,
): Model<World> {
  const {
    replicationMs: L,
    verifierAgeMs: V,
    signerAgeMs: S,
    maxLifeMs: D,
    clockErrorMs: E,
    rotationTimeMs: X,
  } = lags;
  const skews = E === 0 ? [0] : [-E, E];

  const first: Version = {
    id: 'v0',
    keyset: {
      version: 1,
      seq: 1,
      based_on: null,
      revoked: [],
      fingerprints: [],
      keys: [{ ...newKey(0), activates_at: LONG_AGO, retires_at: null, max_life: D }],
    },
  };
  const unread: Copy = { keyset: undefined, readAt: null };
  const initial: World = {
    t: 0,
    published: [{ at: LONG_AGO, version: first }],
    previous: undefined,
    older: hands > 0 ? [first] : [],
    pending: null,
    jobs: [],
    left: { rotations, revocations, hands },
    touched: false,
    refused: [],
    memory: rules.remembers
      ? withPublished(NOTHING_PUBLISHED, first.keyset!, lags, LONG_AGO)
      : NOTHING_PUBLISHED,
    highest: 1,
    made: 0,
    signer: unread,
    verifier: unread,
    promises: [],
    revoked: [],
    emergencies: [],
    wrong: undefined,
  };

  const current = (w: World) => w.published.at(-1)!.version;
  const blocked = (w: World) => w.pending !== null && w.pending.id !== current(w).id;

  function* next(w: World): Generator<{ name: string; state: World }> {
    if (w.t > horizon) return;
    yield* starts(w);
    yield* byHand(w);
    for (const job of w.jobs) {
      yield* steps(w, job);
      yield { name: `${job.kind} ${job.version.id} crashes`, state: { ...w, jobs: without(w, job) } };
    }
    // The check and the move that follows it are two calls in the same tick. All times count from the first
    // rotation's beginning.
    if (w.made > 0 && !w.jobs.some(({ phase }) => phase === 'checked')) yield* ticks(w);
  }

  function* starts(w: World) {
    const id = `v${w.made + 1}`;
    const began = { version: { id, keyset: null }, startedAt: w.t, skew: 0, phase: 'staged' } as const;
    const { left } = w;
    const makes = { made: w.made + 1, pending: { id, since: w.t } };
    // AWS refuses this while another AWSPENDING exists.
    if (left.rotations > 0 && !blocked(w))
      yield {
        name: `rotate ${id}`,
        state: {
          ...w,
          ...makes,
          left: { ...left, rotations: left.rotations - 1 },
          jobs: [...w.jobs, { ...began, kind: 'rotate' as const }],
        },
      };
    if (left.revocations > 0)
      yield {
        name: `revoke ${id}`,
        state: {
          ...w,
          ...makes,
          left: { ...left, revocations: left.revocations - 1 },
          jobs: [...w.jobs, { ...began, kind: 'revoke' as const }],
        },
      };
  }

  function* byHand(w: World) {
    // Compare-and-swap does not notice a label that leaves and comes back in the moment before a move.
    // Readers then still refuse the revoked keys, and the next rotation completes the revocation.
    if (w.left.hands === 0 || w.jobs.some(({ phase }) => phase === 'checked')) return;
    const left = { ...w.left, hands: w.left.hands - 1 };
    // Earlier promises may now be broken. From here on the checks cover what the Regions remember.
    // The current version lost its other label when its rotation ended.
    const pending = blocked(w) ? w.pending : null;
    const touched = { ...w, left, pending, touched: true, promises: [] };
    const id = `e${left.hands}`;
    yield { name: 'emptied', state: becomesCurrent(touched, { id, keyset: EMPTY }) };
    for (const version of w.older)
      if (version.id !== current(w).id)
        yield { name: `rolled back to ${version.id}`, state: becomesCurrent(touched, version) };
  }

  /** Moves the labels as Secrets Manager does. */
  function becomesCurrent(w: World, version: Version): World {
    const keep = w.left.hands > 0 && !w.older.some(({ id }) => id === version.id);
    return {
      ...w,
      published: [...w.published, { at: w.t, version }],
      previous: current(w),
      older: w.left.hands === 0 ? [] : keep ? [...w.older, version] : w.older,
    };
  }

  /**
   * The state of the secret and of the Regions that a job reads before it makes a keyset: `lookAtRegions`.
   */
  function look(w: World) {
    const keysets = [current(w), w.previous].flatMap((version) => version?.keyset ?? []);
    const revoked = unique([...keysets.flatMap((keyset) => keyset.revoked), ...w.refused]);
    const published = mergePublished([w.memory, ...keysets.map(({ seq }) => ({ seq, kids: {} }))]);
    const held = keysets.flatMap(({ keys }) => keys.map(({ kid }) => kid));
    return { keysets, revoked, published, held };
  }

  function* steps(w: World, job: Job): Generator<{ name: string; state: World }> {
    const { id, keyset } = job.version;
    const name = `${job.kind} ${id}`;
    const becomes = (changed: Partial<Job>): readonly Job[] =>
      w.jobs.map((each) => (each === job ? { ...job, ...changed } : each));

    if (job.phase === 'staged' && job.kind === 'revoke') {
      const choices = [undefined, ...current(w).keyset!.keys.map(({ kid }) => [kid])];
      for (const only of choices) yield { name: `${name} refuses ${only}`, state: refuse(w, only, becomes) };
    } else if (job.phase === 'staged' || job.phase === 'refused') {
      if (job.kind === 'rotate' && isEmptied(w))
        yield {
          name: `${name} refuses to begin anew`,
          state: { ...w, jobs: without(w, job), pending: null },
        };
      else
        for (const skew of skews)
          for (const made of creates(w, job, w.t + skew)) {
            const jobs = becomes({ version: { id, keyset: made }, skew, phase: 'created' });
            const kept = made.keys.find(({ kid }) => w.refused.includes(kid));
            const wrong = kept && `a keyset is made with ${kept.kid}, which the Regions refuse`;
            yield { name: `${name} creates ${nameOf(made)}`, state: { ...w, jobs, wrong } };
          }
    } else if (job.phase === 'created') {
      for (const skew of skews)
        yield { name: `${name} checks ${skew}`, state: check(w, job, keyset!, skew, becomes) };
    } else {
      yield { name: `${name} moves`, state: move(w, job, keyset!) };
    }
  }

  /**
   * A revocation covers all keys, or any one. From here on every Region refuses them, whether or not it
   * continues.
   */
  function refuse(
    w: World,
    only: readonly string[] | undefined,
    becomes: (c: Partial<Job>) => readonly Job[],
  ): World {
    const { held, published } = look(w);
    const kids = only ?? [...held, ...publishedKids(published, w.t)];
    return {
      ...w,
      jobs: becomes({ phase: 'refused', only }),
      refused: rules.refusesFirst ? unique([...w.refused, ...kids]).sort() : w.refused,
    };
  }

  /** A rotation does not start over a keyset that had keys. */
  function isEmptied(w: World): boolean {
    const had = (w.previous?.keyset?.keys.length ?? 0) > 0 || w.memory.seq > 0;
    return current(w).keyset!.keys.length === 0 && had;
  }

  function creates(w: World, { kind, version, only }: Job, now: number): Keyset[] {
    const looked = look(w);
    const { id, keyset } = current(w);
    const base = recalled(keyset!, recallable(looked, keyset!, now));
    const kids = base.keys.map(({ kid }) => kid);
    const ended = only && [...only, ...kids.filter((kid) => looked.revoked.includes(kid))];
    const fresh = newKey(Number(version.id.slice(1)));
    const exported = staleVault ? [fresh, { ...fresh, jwk: FIRST_JWK }] : [fresh];
    return exported.map((key) =>
      kind === 'rotate'
        ? rules.followingKeyset(base, id, key, lags, now, looked.revoked)
        : rules.revokedKeyset(base, id, key, lags, now, ended && unique(ended)),
    );
  }

  function check(
    w: World,
    job: Job,
    keyset: Keyset,
    skew: number,
    becomes: (c: Partial<Job>) => readonly Job[],
  ): World {
    const { id } = job.version;
    const base = current(w);
    const isPending = w.pending?.id === id;
    const faults = rules.checkPending(base.keyset!, base.id, keyset, lags, w.t + skew);
    if (isPending && faults.length === 0)
      return { ...w, jobs: becomes({ phase: 'checked' }), memory: remember(w, [base.keyset!, keyset], skew) };
    // Given up: its AWSPENDING is removed, and a later rotation starts over.
    const uncontended = isPending && keyset.based_on === base.id;
    const inTime = w.t - job.startedAt <= X && skew === job.skew;
    const wrong =
      uncontended && inTime && !w.touched && !keyset.keys.some(isFirstAgain)
        ? `a rotation within X was refused: ${faults.join('; ')}`
        : undefined;
    return { ...w, jobs: without(w, job), pending: isPending ? null : w.pending, wrong };
  }

  function remember({ memory, t }: World, keysets: readonly Keyset[], skew: number): Published {
    if (!rules.remembers) return memory;
    return keysets.reduce((before, keyset) => withPublished(before, keyset, lags, t + skew), memory);
  }

  function move(w: World, job: Job, keyset: Keyset): World {
    const { id } = job.version;
    const base = current(w);
    const jobs = without(w, job);
    if (rules.compareAndSwap && keyset.based_on !== base.id)
      return { ...w, jobs, pending: w.pending?.id === id ? null : w.pending };
    const lost = verificationKeys(base.keyset!, w.t + E).some(
      ({ kid }) => !keyset.revoked.includes(kid) && !keyset.keys.some((key) => key.kid === kid),
    );
    const ends = keyset.revoked.length > base.keyset!.revoked.length;
    const back = verificationKeys(keyset, w.t).find(({ kid }) => w.revoked.includes(kid));
    return {
      ...becomesCurrent(w, job.version),
      jobs,
      revoked: unique([...w.revoked, ...keyset.revoked]),
      emergencies: ends ? [...w.emergencies, keyset.seq] : w.emergencies,
      highest: Math.max(w.highest, keyset.seq),
      wrong: lost
        ? 'a live key was dropped'
        : back
          ? `revoked key ${back.kid} came back`
          : keyset.seq <= w.highest
            ? `keyset ${keyset.seq} is refused by who holds ${w.highest}`
            : undefined,
    };
  }

  /**
   * A reader may read at any moment, and a replica may show any version since the one that was current L ago.
   * Reads do not affect the rotations, so it is enough to read at the end of each tick.
   */
  function* ticks(w: World) {
    const oldest = w.published.findLastIndex(({ at }) => at <= w.t - L);
    const shown = w.published.slice(oldest).map(({ version }) => version);
    // An older keyset counts as a read that failed.
    const readings = (copy: Copy): [id: string, Copy][] => [
      ['nothing', copy],
      ...shown.flatMap(({ id, keyset }): [string, Copy][] =>
        newerKeyset(copy.keyset, keyset!) === keyset ? [[id, { keyset: keyset!, readAt: w.t }]] : [],
      ),
    ];
    const verifiers = readings(w.verifier);
    for (const [signs, signer] of readings(w.signer))
      for (const [verifies, verifier] of verifiers) {
        const read = observe({ ...w, signer, verifier });
        const name = `signer reads ${signs}, verifier ${verifies}, tick ${w.t + 1}`;
        yield { name, state: broken(read) ? read : tick(read) };
      }
  }

  function tick(w: World): World {
    const t = w.t + 1;
    const overdue = rules.watch && blocked(w) && t - w.pending!.since > X;
    const aged = (copy: Copy, limit: number): Copy =>
      rules.hardLimit && copy.readAt !== null && t - copy.readAt > limit ? { ...copy, readAt: null } : copy;
    const oldest = w.published.findLastIndex(({ at }) => at <= t - L);
    return observe({
      ...w,
      t,
      pending: overdue ? null : w.pending,
      published: w.published.slice(oldest),
      signer: aged(w.signer, S),
      verifier: aged(w.verifier, V),
      promises: w.promises.filter(({ expires }) => expires >= t - E),
    });
  }

  /** The signer signs at every moment, with the worst allowed clock. */
  function observe(w: World): World {
    if (w.signer.readAt === null) return w;
    const { keyset } = w.signer;
    const since = w.emergencies.findLast((seq) => seq <= keyset!.seq) ?? 0;
    let { promises } = w;
    if (w.touched) return w;
    for (const skew of skews) {
      const key = signingKey(keyset!, w.t + skew);
      if (!key) return { ...w, wrong: 'a signer has no key' };
      // Until its copy has the revocation's new key, it signs with no key, or with one that verifiers may
      // lack.
      if (w.refused.includes(key.kid)) continue;
      promises = withPromise(promises, { kid: key.kid, expires: w.t + skew + key.max_life, since });
    }
    return { ...w, promises };
  }

  function broken(w: World): string | undefined {
    if (w.wrong) return w.wrong;
    if (blocked(w) && w.t - w.pending!.since > X + 1) return 'a leftover AWSPENDING blocks rotation';
    for (const { keyset, readAt } of [w.signer, w.verifier]) {
      if (readAt === null) continue;
      const accepted = verificationKeys(asRead(keyset!, w.refused), w.t);
      const back = accepted.find(({ kid }) => w.revoked.includes(kid));
      if (back) return `a reader accepts revoked key ${back.kid}`;
    }
    const live = verificationKeys(current(w).keyset!, w.t);
    if (w.revoked.includes('k0') && live.some(isFirstAgain))
      return 'the material of revoked key k0 came back';
    if (w.verifier.readAt === null) return undefined;
    const { keyset } = w.verifier;
    for (const { kid, expires, since } of w.promises) {
      if (w.refused.includes(kid) || w.revoked.includes(kid) || keyset!.seq < since) continue;
      for (let clock = w.t - E; clock <= Math.min(w.t + E, expires); clock++)
        if (!verificationKey(keyset!, kid, clock)) return `what ${kid} signed was refused`;
    }
    return undefined;
  }

  return { initial, key, next, broken };
}

/** A copy as readers use it: without the kids that their Region refuses. */
const asRead = (keyset: Keyset, refused: readonly string[]): Keyset => ({
  ...keyset,
  revoked: [...keyset.revoked, ...refused],
});

const without = (w: World, job: Job): readonly Job[] => w.jobs.filter((each) => each !== job);

function withPromise(promises: readonly Promised[], added: Promised): readonly Promised[] {
  const same = ({ kid, since }: Promised) => kid === added.kid && since === added.since;
  if (promises.some((each) => same(each) && each.expires >= added.expires)) return promises;
  return [...promises.filter((each) => !same(each)), added].sort((a, b) => (a.kid < b.kid ? -1 : 1));
}

const names = new WeakMap<Keyset, string>();
function nameOf(keyset: Keyset | null | undefined): string {
  if (!keyset) return '-';
  let name = names.get(keyset);
  if (name === undefined) {
    const keys = keyset.keys.map(
      (key) => `${key.kid}${isFirstAgain(key) ? '=k0' : ''}@${key.activates_at}-${key.retires_at}`,
    );
    name = `${keyset.seq}<${keyset.based_on}:${keys}!${keyset.revoked}~${keyset.fingerprints}`;
    names.set(keyset, name);
  }
  return name;
}

const copyKey = ({ keyset, readAt }: Copy): string => `${nameOf(keyset)}/${readAt}`;

function key(w: World): string {
  return [
    w.t,
    w.made,
    w.left.rotations,
    w.left.revocations,
    w.left.hands,
    w.touched,
    w.previous?.id,
    w.older.map(({ id }) => id),
    w.refused,
    JSON.stringify(w.memory),
    w.highest,
    w.pending ? `${w.pending.id}/${w.pending.since}` : '-',
    ...w.published.map(({ at, version }) => `${version.id}/${at}/${nameOf(version.keyset)}`),
    '|',
    ...w.jobs.map(
      (j) =>
        `${j.kind}/${j.version.id}/${nameOf(j.version.keyset)}/${j.startedAt}/${j.skew}/${j.phase}/${j.only}`,
    ),
    '|',
    copyKey(w.signer),
    copyKey(w.verifier),
    ...w.promises.map(({ kid, expires, since }) => `${kid}/${expires}/${since}`),
    '|',
    w.revoked,
    w.wrong,
  ].join(' ');
}
