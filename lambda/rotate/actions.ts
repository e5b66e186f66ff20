/**
 * The operators' actions of a purpose's rotation function: show the keyset, rotate, revoke, remove an
 * unfinished rotation.
 */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { keyWindows } from '../../protocol/key-windows.ts';
import {
  type Keyset,
  type KeysetKey,
  keyState,
  parseKeyset,
  verificationKeys,
} from '../../protocol/keyset.ts';
import { publishedKids, withPublicKeys } from '../../protocol/published.ts';
import type { RotationRecord } from '../adapters/rotation-record.ts';
import type { SecretState, SecretVersions } from '../adapters/secret-versions.ts';
import { type Action, AdminError } from '../admin/actions.ts';
import type {
  KeySummary,
  KeysAction,
  KeysetSummary,
  PromotedKeys,
  RevokedKeys,
  WatchAction,
} from '../contract/keys.ts';
import { EMPTY_KEYSET } from '../contract/names.ts';
import { describeError } from '../log.ts';
import { VaultError } from '../vault/keys.ts';
import { Deadline, TIMES, TooLate } from './deadline.ts';
import type { HeldKeyset } from './held.ts';
import { promote } from './promote.ts';
import { type Looked, lookAtRegions, type Unreadable, unique } from './regions.ts';
import { type RevokeOptions, revoke } from './revoke.ts';
import type { Rotation } from './rotation.ts';
import { ownWords, RotationError } from './rotation-error.ts';

export interface KeysActionsOptions extends RevokeOptions {
  readonly record: RotationRecord;
}

const Nothing = z.strictObject({});
const Promote = z.strictObject({
  to: z.string(),
  home: z.strictObject({ term: z.int().min(1), region: z.string(), kids: z.array(z.string()) }).optional(),
});
const Rotate = z.strictObject({ force: z.boolean().default(false) });
const Unstick = z.strictObject({ version_id: z.string().optional() });
const UnstickByName = z.strictObject({ version_id: z.string() });
const Revoke = z.strictObject({
  only_kids: z
    .array(z.string().regex(/^[\w-]{6}$/))
    .min(1)
    .optional(),
});

export function keysActions(options: KeysActionsOptions): Readonly<Record<KeysAction, Action>> {
  const {
    purpose,
    region,
    keysManagedBy,
    secret,
    lags,
    nowMs,
    regions,
    record,
    rotation,
    times = TIMES,
  } = options;
  const action = <P>(params: z.ZodType<P>, run: (params: P) => Promise<unknown>): Action =>
    ({ params, target: () => purpose, run: (given: P) => run(given).catch(explain) }) as Action;

  return {
    'keys.list': action(Nothing, list),

    'keys.rotate': action(Rotate, async ({ force }) => {
      const deadline = new Deadline();
      const made = await rotation
        .within(times.swapMs, deadline, (closing, changing) => rotate(closing, force, changing.secret))
        .catch((error: unknown) => {
          // Its label cannot be removed any more.
          throw error instanceof TooLate ? stuck(error) : error;
        });
      await succeeded();
      const keyset = await summary(made, stateOf(made));
      await rotation.tidy(made.versionId, deadline);
      return keyset;
    }),

    'keys.revoke': action(Revoke, async ({ only_kids }): Promise<RevokedKeys> => {
      const { held, failure, tidy, unknown, unreadable, ...rest } = await revoke(options, only_kids);
      const answer = { ...rest, unknown_kids: unknown, unreadable: unreadable.map(sentence).sort() };
      if (!held)
        return { keyset: null, failure: ownWords(failure) ?? describeError(failure).error!, ...answer };
      await succeeded();
      const keyset = await summary(held, stateOf(held));
      await tidy();
      return { keyset, failure: null, ...answer };
    }),

    'keys.unstick': action(Unstick, async ({ version_id }) => {
      const pending = leftover(await secret.describe());
      if (pending !== undefined && (version_id ?? pending) === pending)
        await secret.move('AWSPENDING', pending, undefined);
      return list();
    }),

    'keys.promote': action(Promote, async ({ to, home }): Promise<PromotedKeys> => {
      const promoted = await promote(regions, to, home, times.eachMs);
      return { keyset: await list(), ...promoted };
    }),
  };

  /**
   * Does all steps of a rotation in one call. @returns what it made, since a read may still return the keyset
   * before it
   */
  async function rotate(
    rotation: Rotation,
    force: boolean,
    { move }: Pick<SecretVersions, 'move'>,
  ): Promise<HeldKeyset> {
    const pending = leftover(await secret.describe());
    if (pending)
      throw new AdminError(409, 'rotation_in_progress', `version ${pending} is AWSPENDING: wait, or unstick`);
    const next = force ? undefined : await waiting(await rotation.current());
    if (next)
      throw new RotationError(
        `key ${next.kid} signs from ${new Date(next.activates_at).toISOString()} on: wait until then, or rotate with --force`,
      );
    const token = randomUUID();
    let keyset: Keyset | undefined;
    try {
      await rotation.create(token, async (current) => {
        keyset = await rotation.next(current);
        return keyset;
      });
      await rotation.shown(({ current, pending }) => pending === token || current === token);
      await rotation.testSecret(token);
      await rotation.finish(token);
    } catch (error) {
      // Without a keyset no version was made, so there is no label to remove.
      if (!keyset) throw error;
      // Nothing continues this rotation, and its label would block every later one.
      await move('AWSPENDING', token, undefined).catch(() => {
        throw stuck(error);
      });
      throw error;
    }
    return { versionId: token, keyset: keyset! };
  }

  /** The rotation failed, and its label may stay. */
  function stuck(error: unknown): AdminError {
    const reason = ownWords(error) ?? describeError(error).error;
    return new AdminError(
      503,
      'unavailable',
      `${reason}; the version that it made may still be AWSPENDING, which blocks every later rotation: countersign keys unstick ${purpose} removes that`,
    );
  }

  /** @returns the next key, unless a Region refuses it: then it never signs */
  async function waiting({ keyset }: HeldKeyset): Promise<KeysetKey | undefined> {
    const read = asRead(keyset, await lookAtRegions(regions, times.eachMs));
    return keyset.keys.find((key) => keyState(read, key, nowMs()) === 'next');
  }

  /** Answers even if AWSCURRENT is not a keyset: then an operator needs the rest of the answer most. */
  async function list(): Promise<KeysetSummary> {
    const state = await secret.describe();
    const held = await rotation.current().catch((error: unknown) => {
      if (error instanceof RotationError) return { versionId: state.current, unreadable: error.message };
      throw error;
    });
    return summary(held, state);
  }

  /** @returns AWSPREVIOUS, if AWSCURRENT lost the keys that readers hold, and that version has them */
  async function fallBack(current: Keyset, looked: Looked): Promise<string | null> {
    const emptied = current.keys.length === 0;
    if (!emptied && current.seq >= looked.published.seq) return null;
    const before = await secret.read({ label: 'AWSPREVIOUS' });
    if (!before) return null;
    const keyset = parseKeyset(before.text);
    const serves = emptied
      ? keyset.keys.length > 0
      : keyset.seq === looked.published.seq && verificationKeys(asRead(keyset, looked), nowMs()).length > 0;
    return serves ? before.versionId : null;
  }

  /** Reads the secret's state after a change. If it cannot be read, assumes what was written. */
  function stateOf({ versionId }: HeldKeyset): Promise<SecretState> {
    const written = {
      current: versionId,
      pending: undefined,
      changedAtMs: nowMs(),
      primaryRegion: region,
      replicas: [],
      nextRotationAtMs: undefined,
    };
    return new Deadline().by(times.eachMs, secret.describe()).catch(() => written);
  }

  /** A part that cannot be read is null: the summary itself does not fail. */
  async function summary(
    held: HeldKeyset | UnreadableKeyset,
    state: SecretState | Promise<SecretState>,
  ): Promise<KeysetSummary> {
    const unreadable = 'unreadable' in held ? held.unreadable : null;
    const keyset = 'keyset' in held ? held.keyset : parseKeyset(EMPTY_KEYSET);
    const failure = new Deadline().by(times.eachMs, record.read()).catch(() => null);
    const looked = await lookAtRegions(regions, times.eachMs);
    const before = new Deadline().by(times.eachMs, fallBack(keyset, looked)).catch(() => null);
    const { changedAtMs, nextRotationAtMs, primaryRegion, replicas, ...labels } = await state;
    const read = asRead(keyset, looked);
    const own = keyset.keys.map(({ kid }) => kid);
    const { publishToSignMs, signToRemoveMs } = keyWindows(lags);
    return {
      purpose,
      seq: unreadable === null ? keyset.seq : null,
      published_seq: looked.published.seq,
      version_id: held.versionId ?? null,
      unreadable,
      fall_back: await before,
      pending: leftover(labels) ?? null,
      changed_at: new Date(changedAtMs).toISOString(),
      keys: summaries(read, nowMs()),
      revoked: read.revoked,
      windows: {
        finish: lags.rotationTimeMs,
        publish_to_sign: publishToSignMs,
        sign_to_remove: signToRemoveMs,
      },
      regions: looked.regions.map((each) =>
        each.region === region && unreadable === null ? { ...each, kids: own } : each,
      ),
      known_kids: unique([
        ...own,
        ...looked.held,
        ...publishedKids(looked.published, nowMs()),
        ...read.revoked,
      ]),
      managed_by: keysManagedBy,
      promoted_to: looked.published.home?.region ?? null,
      primary_region: primaryRegion ?? null,
      replicas,
      missing_kids: looked.newest.filter((kid) => !own.includes(kid) && !read.revoked.includes(kid)),
      next_rotation_at: nextRotationAtMs === undefined ? null : new Date(nextRotationAtMs).toISOString(),
      last_failure: await failure,
    };
  }

  /** The record is for people to read: an action succeeds without it. */
  function succeeded(): Promise<void> {
    return new Deadline().by(times.eachMs, record.succeeded()).catch(() => {});
  }
}

/**
 * The actions that the alias of keys-watch serves. `keys.unstick` removes no label that a rotation or
 * revocation may still need.
 */
export function watchActions(options: KeysActionsOptions): Readonly<Record<WatchAction, Action>> {
  const { secret, lags, nowMs } = options;
  const { 'keys.list': list, 'keys.unstick': unstick } = keysActions(options);
  return {
    'keys.list': {
      ...list,
      async run(params) {
        await publishLacking(options);
        return list.run(params);
      },
    },
    'keys.unstick': {
      ...unstick,
      params: UnstickByName,
      async run(params: z.infer<typeof UnstickByName>) {
        const { pending, changedAtMs } = await secret.describe();
        // The label's time comes from another clock than this one.
        if (
          pending === params.version_id &&
          nowMs() - changedAtMs + 2 * lags.clockErrorMs <= lags.rotationTimeMs
        )
          throw new AdminError(
            409,
            'rotation_in_progress',
            `version ${pending} may still become current: wait`,
          );
        return unstick.run(params);
      },
    } as Action,
  };
}

/**
 * Gives the own Region the public halves that it lacks: it could not be reached when they were published, or
 * an earlier release published none. The summary does not fail without it.
 */
async function publishLacking({
  region,
  regions,
  rotation,
  times = TIMES,
}: KeysActionsOptions): Promise<void> {
  const own = regions.find((each) => each.region === region);
  const publish = async () => {
    const { keyset } = await rotation.current();
    const before = await own?.published.read();
    if (before && withPublicKeys(before, keyset) !== before)
      await own?.published.change((now) => withPublicKeys(now, keyset));
  };
  await new Deadline().by(times.eachMs, publish()).catch(() => {});
}

const sentence = ({ part, region, reason }: Unreadable): string => `${part} in ${region} (${reason})`;

/** AWSCURRENT is not a keyset, or no version has the label. */
interface UnreadableKeyset {
  readonly versionId: string | undefined;
  readonly unreadable: string;
}

/** @returns the keyset as readers see it: a kid that a Region refuses is revoked */
const asRead = (keyset: Keyset, looked: Pick<Looked, 'revoked'>): Keyset => ({
  ...keyset,
  revoked: unique([...keyset.revoked, ...looked.revoked]),
});

const leftover = ({ current, pending }: Pick<SecretState, 'current' | 'pending'>): string | undefined =>
  pending === current ? undefined : pending;

const summaries = (keyset: Keyset, now: number): KeySummary[] =>
  keyset.keys.map((key) => ({
    kid: key.kid,
    alg: key.alg,
    state: keyState(keyset, key, now),
    activates_at: new Date(key.activates_at).toISOString(),
    retires_at: key.retires_at === null ? null : new Date(key.retires_at).toISOString(),
    vault_version: key.vault?.version ?? null,
  }));

/**
 * Turns the rotation's own errors, and Vault's, into problems. Their messages say what to do and quote no
 * value.
 */
function explain(error: unknown): never {
  if (error instanceof TooLate) throw new AdminError(503, 'unavailable', error.message);
  if (error instanceof RotationError) throw new AdminError(409, 'rotation_refused', error.message);
  if (error instanceof VaultError) throw new AdminError(503, 'unavailable', error.message);
  throw error;
}
