/** What an operator may ask of a purpose's rotation function: the keyset as it stands, and to change it now. */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { keyWindows } from '../../protocol/key-windows.ts';
import { type Keyset, keyState, parseKeyset } from '../../protocol/keyset.ts';
import type { SecretVersions } from '../adapters/secret-versions.ts';
import { VaultError } from '../adapters/vault.ts';
import { type Action, AdminError } from '../admin/actions.ts';
import type { KeySummary, KeysAction, KeysetSummary, RevokedKeys } from '../contract/keys.ts';
import { describeError } from '../log.ts';
import { type PublishRevoked, revoke } from './revoke.ts';
import { Rotation, type RotationOptions } from './rotation.ts';
import { ownWords, RotationError } from './rotation-error.ts';

export interface KeysActionsOptions extends RotationOptions {
  /** The other Regions' copies of the secret. */
  readonly replicas: readonly { readonly region: string; readonly secret: Pick<SecretVersions, 'read'> }[];
  readonly publishRevoked: PublishRevoked;
}

const Nothing = z.strictObject({});
const Unstick = z.strictObject({ version_id: z.string().optional() });
const Revoke = z.strictObject({
  only_kids: z
    .array(z.string().regex(/^[\w-]{6}$/))
    .min(1)
    .optional(),
});

export function keysActions(options: KeysActionsOptions): Readonly<Record<KeysAction, Action>> {
  const { purpose, secret, lags, nowMs, replicas } = options;
  const rotation = new Rotation(options);
  const action = <P>(params: z.ZodType<P>, run: (params: P) => Promise<unknown>): Action =>
    ({ params, target: () => purpose, run: (given: P) => run(given).catch(explain) }) as Action;

  return {
    'keys.list': action(Nothing, list),

    'keys.rotate': action(Nothing, async () => {
      const pending = await leftover();
      if (pending)
        throw new AdminError(
          409,
          'rotation_in_progress',
          `version ${pending} is AWSPENDING: wait, or unstick`,
        );
      const token = randomUUID();
      await rotation.createSecret(token);
      await rotation.testSecret(token);
      await rotation.finishSecret(token);
      return list();
    }),

    'keys.revoke': action(Revoke, async ({ only_kids }): Promise<RevokedKeys> => {
      await refuseUnknown(only_kids ?? []);
      const { failure, revoked, regions } = await revoke(options, only_kids);
      if (failure === undefined) return { keyset: await list(), failure: null, revoked, regions };
      return { keyset: null, failure: ownWords(failure) ?? describeError(failure).error!, revoked, regions };
    }),

    'keys.unstick': action(Unstick, async ({ version_id }) => {
      const pending = await leftover();
      if (pending !== undefined && (version_id ?? pending) === pending)
        await secret.move('AWSPENDING', pending, undefined);
      return list();
    }),
  };

  async function leftover(): Promise<string | undefined> {
    const { current, pending } = await secret.describe();
    return pending === current ? undefined : pending;
  }

  /** A kid that was mistyped revokes nothing. Where the keyset cannot be read, the operator's word counts. */
  async function refuseUnknown(kids: readonly string[]): Promise<void> {
    const held = await rotation.current().catch(() => undefined);
    const known = held && [...held.keyset.revoked, ...held.keyset.keys.map(({ kid }) => kid)];
    const unknown = kids.filter((kid) => known && !known.includes(kid));
    if (unknown.length > 0)
      throw new AdminError(404, 'not_found', `the keyset has no key ${unknown.join(', ')}`);
  }

  async function list(): Promise<KeysetSummary> {
    const { keyset, versionId } = await rotation.current();
    const { changedAtMs } = await secret.describe();
    const { publishToSignMs, signToRemoveMs } = keyWindows(lags);
    return {
      purpose,
      seq: keyset.seq,
      version_id: versionId,
      pending: (await leftover()) ?? null,
      changed_at: new Date(changedAtMs).toISOString(),
      keys: summaries(keyset, nowMs()),
      revoked: keyset.revoked,
      windows: { finish: lags.finishMs, publish_to_sign: publishToSignMs, sign_to_remove: signToRemoveMs },
      regions: await Promise.all(
        replicas.map(async (each) => ({ region: each.region, kids: await kidsIn(each.secret) })),
      ),
    };
  }
}

const summaries = (keyset: Keyset, now: number): KeySummary[] =>
  keyset.keys.map((key) => ({
    kid: key.kid,
    alg: key.alg,
    state: keyState(keyset, key, now),
    activates_at: new Date(key.activates_at).toISOString(),
    retires_at: key.retires_at === null ? null : new Date(key.retires_at).toISOString(),
    vault_version: key.vault?.version ?? null,
  }));

async function kidsIn(secret: Pick<SecretVersions, 'read'>): Promise<string[] | null> {
  try {
    const held = await secret.read({ stage: 'AWSCURRENT' });
    return held ? parseKeyset(held.text).keys.map(({ kid }) => kid) : null;
  } catch {
    return null;
  }
}

/** A rotation's own errors, and Vault's, say what to mend, and hold no value. */
function explain(error: unknown): never {
  if (error instanceof RotationError) throw new AdminError(409, 'rotation_refused', error.message);
  if (error instanceof VaultError) throw new AdminError(503, 'unavailable', error.message);
  throw error;
}
