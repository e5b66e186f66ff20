/** What an operator may ask of a purpose's rotation function: the keyset as it stands, and to change it now. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { keyWindows } from '../../protocol/key-windows.ts';
import { type Keyset, keyState, parseKeyset } from '../../protocol/keyset.ts';
import type { RotationRecord } from '../adapters/rotation-record.ts';
import type { SecretState, SecretVersions } from '../adapters/secret-versions.ts';
import { type Action, AdminError } from '../admin/actions.ts';
import type { KeySummary, KeysAction, KeysetSummary, RevokedKeys } from '../contract/keys.ts';
import { EMPTY_KEYSET } from '../contract/names.ts';
import { describeError } from '../log.ts';
import { VaultError } from '../vault/keys.ts';
import { Deadline, TIMES, TooLate } from './deadline.ts';
import { lookAtRegions, unique } from './regions.ts';
import { type RevokeOptions, revoke } from './revoke.ts';
import { type HeldKeyset, Rotation } from './rotation.ts';
import { ownWords, RotationError } from './rotation-error.ts';

export interface KeysActionsOptions extends RevokeOptions {
  readonly record: RotationRecord;
}

/** How long to wait for a label before each further read. */
const READ_AGAIN_MS = [50, 200, 500];

const Nothing = z.strictObject({});
const Rotate = z.strictObject({ force: z.boolean().default(false) });
const Unstick = z.strictObject({ version_id: z.string().optional() });
const Revoke = z.strictObject({
  only_kids: z
    .array(z.string().regex(/^[\w-]{6}$/))
    .min(1)
    .optional(),
});

export function keysActions(options: KeysActionsOptions): Readonly<Record<KeysAction, Action>> {
  const { purpose, region, secret, lags, nowMs, regions, record, times = TIMES } = options;
  const rotation = new Rotation(options);
  const action = <P>(params: z.ZodType<P>, run: (params: P) => Promise<unknown>): Action =>
    ({ params, target: () => purpose, run: (given: P) => run(given).catch(explain) }) as Action;

  return {
    'keys.list': action(Nothing, list),

    'keys.rotate': action(Rotate, async ({ force }) => {
      const deadline = new Deadline();
      const made = await deadline.changing(times.swapMs, secret, (closing) =>
        rotate(new Rotation({ ...options, secret: closing }), force, closing),
      );
      await succeeded();
      const keyset = await summary(made, stateOf(made));
      await rotation.tidy(made.versionId, deadline);
      return keyset;
    }),

    'keys.revoke': action(Revoke, async ({ only_kids }): Promise<RevokedKeys> => {
      const { held, failure, tidy, ...told } = await revoke(options, only_kids);
      if (!held)
        return { keyset: null, failure: ownWords(failure) ?? describeError(failure).error!, ...told };
      await succeeded();
      const keyset = await summary(held, stateOf(held));
      await tidy();
      return { keyset, failure: null, ...told };
    }),

    'keys.unstick': action(Unstick, async ({ version_id }) => {
      const pending = leftover(await secret.describe());
      if (pending !== undefined && (version_id ?? pending) === pending)
        await secret.move('AWSPENDING', pending, undefined);
      return list();
    }),
  };

  /** The four steps of Secrets Manager in one. @returns what was made: a read may still show what was there before */
  async function rotate(
    rotation: Rotation,
    force: boolean,
    { move }: Pick<SecretVersions, 'move'>,
  ): Promise<HeldKeyset> {
    const pending = leftover(await secret.describe());
    if (pending)
      throw new AdminError(409, 'rotation_in_progress', `version ${pending} is AWSPENDING: wait, or unstick`);
    const { keyset: before } = await rotation.current();
    const next = before.keys.find((key) => keyState(before, key, nowMs()) === 'next');
    if (next && !force)
      throw new RotationError(
        `key ${next.kid} was made for ${new Date(next.activates_at).toISOString()} and has yet to sign: wait until it does, or rotate with --force`,
      );
    const token = randomUUID();
    let keyset: Keyset | undefined;
    try {
      await rotation.create(token, async (current) => {
        keyset = await rotation.next(current);
        return keyset;
      });
      await shown(token);
      await rotation.testSecret(token);
      await rotation.finish(token);
    } catch (error) {
      // Nobody goes on with it, and every later rotation would be refused.
      await move('AWSPENDING', token, undefined).catch(() => {});
      throw error;
    }
    return { versionId: token, keyset: keyset! };
  }

  /** A read right after a write may show what was there before: waits a moment for the version to have its label. */
  async function shown(token: string): Promise<void> {
    for (const ms of READ_AGAIN_MS) {
      const { current, pending } = await secret.describe();
      if (pending === token || current === token) return;
      await delay(ms);
    }
  }

  /** Also where AWSCURRENT is no keyset: whoever looks then needs all the rest the most. */
  async function list(): Promise<KeysetSummary> {
    const state = await secret.describe();
    const held = await rotation.current().catch((error: unknown) => {
      if (error instanceof RotationError) return { versionId: state.current, unreadable: error.message };
      throw error;
    });
    return summary(held, state);
  }

  /** @returns the version that had keys before the current one had none */
  async function fallBack(): Promise<string | null> {
    const before = await secret.read({ stage: 'AWSPREVIOUS' });
    return before && parseKeyset(before.text).keys.length > 0 ? before.versionId : null;
  }

  /** Of what was made just now. Where it cannot be read, it is what it was made to be. */
  function stateOf({ versionId }: HeldKeyset): Promise<SecretState> {
    const written = {
      current: versionId,
      pending: undefined,
      changedAtMs: nowMs(),
      primaryRegion: region,
      nextRotationAtMs: undefined,
    };
    return new Deadline().by(times.eachMs, secret.describe()).catch(() => written);
  }

  /** Never fails for what it cannot read. */
  async function summary(
    held: HeldKeyset | UnreadableKeyset,
    state: SecretState | Promise<SecretState>,
  ): Promise<KeysetSummary> {
    const unreadable = 'unreadable' in held ? held.unreadable : null;
    const keyset = 'keyset' in held ? held.keyset : parseKeyset(EMPTY_KEYSET);
    const failure = new Deadline().by(times.eachMs, record.read()).catch(() => null);
    const before =
      keyset.keys.length > 0 ? null : new Deadline().by(times.eachMs, fallBack()).catch(() => null);
    const looked = await lookAtRegions(regions, times.eachMs);
    const { changedAtMs, nextRotationAtMs, ...labels } = await state;
    // What its readers take for the keyset: a kid that `limits` refuses is revoked.
    const read: Keyset = { ...keyset, revoked: unique([...keyset.revoked, ...looked.revoked]) };
    const own = keyset.keys.map(({ kid }) => kid);
    const { publishToSignMs, signToRemoveMs } = keyWindows(lags);
    return {
      purpose,
      seq: unreadable === null ? keyset.seq : null,
      version_id: held.versionId ?? null,
      unreadable,
      fall_back: await before,
      pending: leftover(labels) ?? null,
      changed_at: new Date(changedAtMs).toISOString(),
      keys: summaries(read, nowMs()),
      revoked: read.revoked,
      windows: { finish: lags.finishMs, publish_to_sign: publishToSignMs, sign_to_remove: signToRemoveMs },
      regions: looked.regions.map((each) =>
        each.region === region && unreadable === null ? { ...each, kids: own } : each,
      ),
      known_kids: unique([...own, ...looked.held, ...read.revoked]),
      next_rotation_at: nextRotationAtMs === undefined ? null : new Date(nextRotationAtMs).toISOString(),
      last_failure: await failure,
    };
  }

  /** The record is for a person to read: nothing fails for it. */
  function succeeded(): Promise<void> {
    return new Deadline().by(times.eachMs, record.succeeded()).catch(() => {});
  }
}

/** AWSCURRENT is no keyset, or there is none. */
interface UnreadableKeyset {
  readonly versionId: string | undefined;
  readonly unreadable: string;
}

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

/** A rotation's own errors, and Vault's, say what to do, and hold no value. */
function explain(error: unknown): never {
  if (error instanceof TooLate) throw new AdminError(503, 'unavailable', error.message);
  if (error instanceof RotationError) throw new AdminError(409, 'rotation_refused', error.message);
  if (error instanceof VaultError) throw new AdminError(503, 'unavailable', error.message);
  throw error;
}
