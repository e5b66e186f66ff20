/**
 * Simulates weeks of a platform's keys in a moment: the real rotation function and keys-watch, the real
 * caches of a signer and a verifier in each Region, replicas that lag, clocks that err, and rotations that
 * are late or interrupted.
 */

import { Unavailable } from '../../../lambda/adapters/call.ts';
import type { SecretVersions } from '../../../lambda/adapters/secret-versions.ts';
import { KeysetCache } from '../../../lambda/request/keyset-cache.ts';
import type { KeyLags } from '../../../protocol/key-windows.ts';
import { type Keyset, parseKeyset, signingKey, verificationKey } from '../../../protocol/keyset.ts';
import { AWAY, HOME, NAME, newToken, rotationParts, STEPS, step } from './parts.ts';

export interface SimulatedRotation {
  readonly atMs: number;
  /** How long each of the four steps waits before it runs. */
  readonly delaysMs: readonly number[];
  /** The number of steps before the rotation is interrupted; undefined means all. */
  readonly crashesAfter?: number | undefined;
}

export interface SimulatedReader {
  readonly skewMs: number;
  /** Whether Secrets Manager answers this reader. If it never does, a copy still ends at its hard limit. */
  reads(nowMs: number, publishedAtMs: number): boolean;
}

export interface Simulation {
  readonly lags: KeyLags;
  readonly stepMs: number;
  readonly endMs: number;
  readonly rotations: readonly SimulatedRotation[];
  readonly rotatorSkewMs: () => number;
  readonly replicaLagMs: number;
  readonly signers: readonly [SimulatedReader, SimulatedReader];
  readonly verifiers: readonly [SimulatedReader, SimulatedReader];
  /** Planted faults. */
  readonly rotatorLags?: KeyLags;
  readonly maxAgeFactor?: number;
  readonly watches?: boolean;
  readonly spoil?: (pending: Keyset) => Keyset;
}

export interface Outcome {
  /** Kids whose signatures a verifier refused before they expired. */
  readonly refused: readonly string[];
  /** Kids that signed, in order. */
  readonly signed: readonly string[];
  /** Times at which a signer had no key. */
  readonly keyless: number;
  /** Steps that Secrets Manager or the rotation refused. */
  readonly failed: readonly string[];
}

export async function simulate(simulation: Simulation): Promise<Outcome> {
  const { lags, stepMs, endMs, rotatorSkewMs, replicaLagMs, maxAgeFactor = 1 } = simulation;
  const parts = rotationParts({
    lags: simulation.rotatorLags ?? lags,
    replicaLagMs: () => replicaLagMs,
    // Its rotations follow each other sooner than its lags, which no rotation waits for.
    getsStuck: false,
    skewMs: rotatorSkewMs,
  });
  const { clock, replicas, store } = parts;
  const handler = parts.rotator({ secret: spoiling(parts.secret, simulation.spoil) });

  // A first key, which every copy may know.
  for (const name of STEPS) await step(handler, name, '1'.repeat(32));
  clock.nowMs += lags.replicationMs + lags.verifierAgeMs + lags.signerAgeMs + lags.maxLifeMs;
  const startMs = clock.nowMs;
  let publishedAtMs = startMs;

  const reader = (region: string, { skewMs, reads }: SimulatedReader, limitMs: number) => {
    let readAtMs = Number.NEGATIVE_INFINITY;
    const maxAgeMs = limitMs * maxAgeFactor;
    const allowed = () => reads(clock.nowMs, publishedAtMs);
    const cache = new KeysetCache({
      purpose: 'nonce',
      read: async () => {
        if (!allowed() && clock.nowMs - readAtMs <= maxAgeMs) throw new Error('throttled');
        readAtMs = clock.nowMs;
        return store.read(replicas.in(region).find(NAME), undefined, undefined).value;
      },
      nowMs: () => clock.nowMs + skewMs,
      maxAgeMs,
      log: () => {},
    });
    const keyset = async (): Promise<Keyset | undefined> => {
      if (allowed()) return cache.refreshed();
      return cache.current().catch((error: unknown) => {
        if (error instanceof Unavailable) return undefined;
        throw error;
      });
    };
    return { keyset, nowMs: () => clock.nowMs + skewMs };
  };
  const regions = [HOME, AWAY];
  const signers = simulation.signers.map((each, i) => reader(regions[i]!, each, lags.signerAgeMs));
  const verifiers = simulation.verifiers.map((each, i) => reader(regions[i]!, each, lags.verifierAgeMs));

  const promised = new Map<string, { expiresMs: number; k: string }>();
  const [refused, signed] = [new Set<string>(), new Set<string>()];
  const failed: string[] = [];
  let [keyless, ticks] = [0, 0];
  const due = simulation.rotations.map((each) => ({
    rotation: { ...each, atMs: startMs + each.atMs },
    token: newToken(),
    done: 0,
  }));

  for (; clock.nowMs <= startMs + endMs; clock.nowMs += stepMs) {
    if (simulation.watches !== false && ticks++ % 4 === 0) await parts.watch();
    for (const each of due) {
      const before = parts.holder('AWSCURRENT');
      each.done = await attempt(each.rotation, each.token, each.done).catch((error: Error) => {
        failed.push(error.message);
        return STEPS.length;
      });
      if (parts.holder('AWSCURRENT') !== before) publishedAtMs = clock.nowMs;
    }
    for (const signer of signers) {
      const keyset = await signer.keyset();
      const key = keyset && signingKey(keyset, signer.nowMs());
      if (!key) {
        keyless += 1;
        continue;
      }
      signed.add(key.kid);
      const expiresMs = Math.max(promised.get(key.kid)?.expiresMs ?? 0, signer.nowMs() + key.max_life);
      promised.set(key.kid, { expiresMs, k: key.jwk.k! });
    }
    for (const verifier of verifiers) {
      const keyset = await verifier.keyset();
      for (const [kid, { expiresMs, k }] of keyset ? promised : [])
        if (verifier.nowMs() <= expiresMs && verificationKey(keyset!, kid, verifier.nowMs())?.jwk.k !== k)
          refused.add(kid);
    }
    const goneMs = clock.nowMs - lags.clockErrorMs;
    for (const [kid, { expiresMs }] of promised) if (expiresMs < goneMs) promised.delete(kid);
  }
  return { refused: [...refused], signed: [...signed], keyless, failed };

  /** Continues as far as time allows. @returns the number of completed steps */
  async function attempt({ atMs, delaysMs, crashesAfter }: SimulatedRotation, token: string, done: number) {
    let at = atMs;
    for (const [i, name] of STEPS.entries()) {
      at += delaysMs[i] ?? 0;
      if (i < done) continue;
      if (clock.nowMs < at || i === crashesAfter) return i;
      if (i === 0) store.stagePending(NAME, token);
      await step(handler, name, token);
    }
    return STEPS.length;
  }
}

/** Replaces what the rotation made, and bypasses the rotation's own checks. */
function spoiling(secret: SecretVersions, spoil: Simulation['spoil']): SecretVersions {
  if (!spoil) return secret;
  const made = new Map<string, string>();
  return {
    ...secret,
    put(id, text) {
      made.set(id, text);
      return secret.put(id, JSON.stringify(spoil(parseKeyset(text))));
    },
    async read(version) {
      const held = await secret.read(version);
      const text = 'id' in version ? made.get(version.id) : undefined;
      return held && text !== undefined ? { ...held, text } : held;
    },
  };
}
