/**
 * The life of keys as a state machine over the real protocol functions: one secret with its labels, replicas that may
 * lag, a signer and a verifier with copies of any age, rotations and revocations that interleave and break off at any
 * call, and clocks that err. Time runs in ticks; `t` is the true one, which nobody knows.
 */
import type { KeyLags } from '../../protocol/key-windows.ts';
import {
  type Keyset,
  type KeysetKey,
  newerKeyset,
  signingKey,
  verificationKey,
  verificationKeys,
} from '../../protocol/keyset.ts';
import { checkPending, type NewKey, nextKeyset, revokedKeyset } from '../../protocol/rotation.ts';
import type { Model } from './search.ts';

/** What is being checked, each part of it replaceable by a planted fault. */
export interface Rules {
  readonly nextKeyset: typeof nextKeyset;
  readonly revokedKeyset: typeof revokedKeyset;
  readonly checkPending: typeof checkPending;
  /** `finishSecret` moves AWSCURRENT only from the version that the new keyset is based on. */
  readonly compareAndSwap: boolean;
  /** An AWSPENDING older than X is removed. */
  readonly watch: boolean;
  /** A copy beyond its age limit is not used. */
  readonly hardLimit: boolean;
}

export const RULES: Rules = {
  nextKeyset,
  revokedKeyset,
  checkPending,
  compareAndSwap: true,
  watch: true,
  hardLimit: true,
};

export interface Bounds {
  readonly lags: KeyLags;
  /** Ordinary rotations; the first begins at once, the others at any tick. */
  readonly rotations: number;
  readonly revocations: number;
  /** Whether Vault may export its first key again, as a stale cache or a restored Vault does. */
  readonly staleVault?: boolean;
  /** The search ends here. */
  readonly horizon: number;
}

interface Version {
  readonly id: string;
  /** Null as AWS stages it: a label, no value. */
  readonly keyset: Keyset | null;
}

interface Job {
  readonly kind: 'rotate' | 'revoke';
  readonly version: Version;
  readonly startedAt: number;
  /** Error of the clock that made the keyset. */
  readonly skew: number;
  readonly phase: 'staged' | 'created' | 'checked';
}

interface Copy {
  readonly keyset: Keyset | undefined;
  /** Null: never read, or too old to be used. */
  readonly readAt: number | null;
}

interface World {
  readonly t: number;
  /** What has been AWSCURRENT, and since when: the last is. */
  readonly published: readonly { readonly at: number; readonly version: Version }[];
  readonly pending: { readonly id: string; readonly since: number } | null;
  readonly jobs: readonly Job[];
  /** Still to come. */
  readonly left: { readonly rotations: number; readonly revocations: number };
  readonly made: number;
  readonly signer: Copy;
  readonly verifier: Copy;
  /** What signers have promised: the latest expiry, by their clock, of what a key signed. */
  readonly promises: readonly Promised[];
  readonly revoked: readonly string[];
  /** `seq` of the keysets that revocations made. */
  readonly emergencies: readonly number[];
  readonly wrong: string | undefined;
}

interface Promised {
  readonly kid: string;
  readonly expires: number;
  /**
   * The revocation that its signer had seen, by `seq`: a verifier's copy from before it may refuse, which is what an
   * emergency costs. 0: none.
   */
  readonly since: number;
}

const LONG_AGO = -1_000;
/** Of material of its own. */
const newKey = (n: number): NewKey => {
  const k = Buffer.alloc(32, 'k').fill(n, 0, 1).toString('base64url');
  return { kid: `k${n}`, alg: 'HKDF-SHA-256', jwk: { kty: 'oct', k }, vault: null };
};

const FIRST_JWK = newKey(0).jwk;
const isFirstAgain = ({ kid, jwk }: KeysetKey): boolean => kid !== 'k0' && jwk.k === FIRST_JWK.k;

export function keysModel(
  { lags, rotations, revocations, staleVault = false, horizon }: Bounds,
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
    pending: null,
    jobs: [],
    left: { rotations, revocations },
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
    for (const job of w.jobs) {
      yield* steps(w, job);
      yield { name: `${job.kind} ${job.version.id} crashes`, state: { ...w, jobs: without(w, job) } };
    }
    // The check and the move that follows it are two calls, but no tick apart. All that happens is counted from the
    // first rotation's beginning.
    if (w.made > 0 && !w.jobs.some(({ phase }) => phase === 'checked')) yield* ticks(w);
  }

  function* starts(w: World) {
    const id = `v${w.made + 1}`;
    const began = { version: { id, keyset: null }, startedAt: w.t, skew: 0, phase: 'staged' } as const;
    const { left } = w;
    const makes = { made: w.made + 1, pending: { id, since: w.t } };
    // AWS refuses while another AWSPENDING stands.
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

  function* steps(w: World, job: Job): Generator<{ name: string; state: World }> {
    const { id, keyset } = job.version;
    const name = `${job.kind} ${id}`;
    const becomes = (changed: Partial<Job>): readonly Job[] =>
      w.jobs.map((each) => (each === job ? { ...job, ...changed } : each));

    if (job.phase === 'staged') {
      for (const skew of skews)
        for (const made of creates(job, current(w), w.t + skew)) {
          const created = becomes({ version: { id, keyset: made }, skew, phase: 'created' });
          yield { name: `${name} creates ${nameOf(made)}`, state: { ...w, jobs: created } };
        }
    } else if (job.phase === 'created') {
      for (const skew of skews)
        yield { name: `${name} checks ${skew}`, state: check(w, job, keyset!, skew, becomes) };
    } else {
      yield { name: `${name} moves`, state: move(w, job, keyset!) };
    }
  }

  /** A revocation takes all keys, or any one. */
  function creates({ kind, version }: Job, base: Version, now: number): Keyset[] {
    const fresh = newKey(Number(version.id.slice(1)));
    const exported = staleVault ? [fresh, { ...fresh, jwk: FIRST_JWK }] : [fresh];
    return exported.flatMap((key) => {
      if (kind === 'rotate') return [rules.nextKeyset(base.keyset!, base.id, key, lags, now)];
      const choices = [undefined, ...base.keyset!.keys.map(({ kid }) => [kid])];
      return choices.map((kids) => rules.revokedKeyset(base.keyset!, base.id, key, lags, now, kids));
    });
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
    if (isPending && faults.length === 0) return { ...w, jobs: becomes({ phase: 'checked' }) };
    // Given up: its AWSPENDING goes, and a later rotation starts over.
    const uncontended = isPending && keyset.based_on === base.id;
    const inTime = w.t - job.startedAt <= X && skew === job.skew;
    const wrong =
      uncontended && inTime && !keyset.keys.some(isFirstAgain)
        ? `a rotation within X was refused: ${faults.join('; ')}`
        : undefined;
    return { ...w, jobs: without(w, job), pending: isPending ? null : w.pending, wrong };
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
    return {
      ...w,
      jobs,
      published: [...w.published, { at: w.t, version: job.version }],
      revoked: [...new Set([...w.revoked, ...keyset.revoked])],
      emergencies: job.kind === 'revoke' ? [...w.emergencies, keyset.seq] : w.emergencies,
      wrong: lost ? 'a live key was dropped' : undefined,
    };
  }

  /**
   * A reader may look at any moment, and a replica may show any version since the one that was current L ago. Who reads
   * changes nothing for the rotations, so of each tick the end is moment enough.
   */
  function* ticks(w: World) {
    const oldest = w.published.findLastIndex(({ at }) => at <= w.t - L);
    const seen = [undefined, ...w.published.slice(oldest).map(({ version }) => version)];
    const reading = (copy: Copy, version: Version | undefined): Copy =>
      version ? { keyset: newerKeyset(copy.keyset, version.keyset!), readAt: w.t } : copy;
    for (const signs of seen)
      for (const verifies of seen) {
        const signer = reading(w.signer, signs);
        const read = observe({ ...w, signer, verifier: reading(w.verifier, verifies) });
        const name = `signer reads ${signs?.id}, verifier ${verifies?.id}, tick ${w.t + 1}`;
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

  /** The signer signs at every moment, by a clock as wrong as it may be. */
  function observe(w: World): World {
    if (w.signer.readAt === null) return w;
    const { keyset } = w.signer;
    const since = w.emergencies.findLast((seq) => seq <= keyset!.seq) ?? 0;
    let { promises } = w;
    for (const skew of skews) {
      const key = signingKey(keyset!, w.t + skew);
      if (!key) return { ...w, wrong: 'a signer has no key' };
      promises = withPromise(promises, { kid: key.kid, expires: w.t + skew + key.max_life, since });
    }
    return { ...w, promises };
  }

  function broken(w: World): string | undefined {
    if (w.wrong) return w.wrong;
    if (blocked(w) && w.t - w.pending!.since > X + 1) return 'a leftover AWSPENDING blocks rotation';
    const back = verificationKeys(current(w).keyset!, w.t).find(({ kid }) => w.revoked.includes(kid));
    if (back) return `revoked key ${back.kid} came back`;
    const live = verificationKeys(current(w).keyset!, w.t);
    if (w.revoked.includes('k0') && live.some(isFirstAgain))
      return 'the material of revoked key k0 came back';
    if (w.verifier.readAt === null) return undefined;
    const { keyset } = w.verifier;
    for (const { kid, expires, since } of w.promises) {
      if (w.revoked.includes(kid) || keyset!.seq < since) continue;
      for (let clock = w.t - E; clock <= Math.min(w.t + E, expires); clock++)
        if (!verificationKey(keyset!, kid, clock)) return `what ${kid} signed was refused`;
    }
    return undefined;
  }

  return { initial, key, next, broken };
}

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
    w.pending ? `${w.pending.id}/${w.pending.since}` : '-',
    ...w.published.map(({ at, version }) => `${version.id}/${at}/${nameOf(version.keyset)}`),
    '|',
    ...w.jobs.map(
      (j) => `${j.kind}/${j.version.id}/${nameOf(j.version.keyset)}/${j.startedAt}/${j.skew}/${j.phase}`,
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
