/**
 * The operators' actions on registrations. Audit lines name one by its id, which is a hash, never by its
 * user.
 */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { MAX_BODY_BYTES } from '../../protocol/proof/request.ts';
import { erasableAtMs, isTombstone, registrationId } from '../../protocol/registration.ts';
import type { Clients } from '../adapters/clients.ts';
import type { Registry } from '../adapters/registry.ts';
import type { ErasedRegistration } from '../contract/admin.ts';
import { representation } from '../http/representation.ts';
import { type Actions, AdminError } from './actions.ts';
import { action, ClientId, noClient } from './params.ts';

const Of = z.strictObject({
  client_id: ClientId,
  user_id: z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= MAX_BODY_BYTES, {
      error: `must have at most ${MAX_BODY_BYTES} bytes, as a body has`,
    })
    // A lone surrogate would be hashed as U+FFFD: the id would be another user's.
    .refine((text) => text.isWellFormed(), { error: 'must be whole characters (no lone surrogates)' }),
});
type Of = z.infer<typeof Of>;
const Erase = Of.extend({ erased: z.boolean().default(false) });

const idOf = ({ client_id, user_id }: Of): string => registrationId(client_id, user_id);
const target = (of: Of): string => `${of.client_id}#${idOf(of)}`;

export const registrationReadActions = (registry: Registry): Actions => ({
  'registrations.show': action(Of, target, async (of) => {
    const id = idOf(of);
    const record = await registry.read(of.client_id, id);
    if (!record)
      throw new AdminError(404, 'not_found', `client ${of.client_id} has not registered this user`);
    return isTombstone(record)
      ? { id, client_id: of.client_id, deleted_at: new Date(record.deletedAtMs).toISOString() }
      : representation(record);
  }),
});

export interface RegistrationWriteOptions {
  readonly registry: Registry;
  readonly clients: Clients;
  readonly clockErrorMs: number;
  readonly nowMs: () => number;
}

export const registrationWriteActions = (options: RegistrationWriteOptions): Actions => ({
  'registrations.delete': action(Of, target, async (of) => {
    const { client_id } = of;
    const id = idOf(of);
    if (!(await mayBeRegistered(options, client_id, id))) throw noClient(client_id);
    return { id, deleted: await remove(options, client_id, id) };
  }),
  'registrations.erase': action(Erase, target, ({ erased, ...of }) =>
    erase(options, of.client_id, idOf(of), erased),
  ),
});

/**
 * A client that never existed has no registration, and no proof that could make one. A deleted one may have
 * left both.
 */
const mayBeRegistered = async (
  { registry, clients }: RegistrationWriteOptions,
  clientId: string,
  id: string,
): Promise<boolean> => (await registry.read(clientId, id)) !== undefined || (await clients.known(clientId));

const remove = ({ registry, nowMs }: RegistrationWriteOptions, clientId: string, id: string) =>
  registry.remove(clientId, id, nowMs(), randomBytes(16).toString('base64url'));

/**
 * Deletes the registration, and its tombstone once no nonce can revive the registration. Where nothing is
 * stored there may still be a request that was held back, which a tombstone stops.
 *
 * @param erased whether another Region just deleted the tombstone: then nothing stored is nothing left
 */
async function erase(
  options: RegistrationWriteOptions,
  clientId: string,
  id: string,
  erased: boolean,
): Promise<ErasedRegistration> {
  const { registry, clockErrorMs, nowMs } = options;
  let stored = await registry.read(clientId, id);
  if (!stored && erased) return { id, state: 'erased' };
  if (!stored && !(await options.clients.known(clientId))) return { id, state: 'absent' };
  let existed = false;
  if (!stored || !isTombstone(stored)) {
    existed = await remove(options, clientId, id);
    stored = await registry.read(clientId, id);
  }
  // The client has registered it again, with a newer nonce: the operator must know.
  if (!stored || !isTombstone(stored))
    throw new AdminError(
      409,
      'registered_again',
      'the client has registered it again; disable the client first',
    );
  const clearMs = erasableAtMs(stored.deletedAtMs, clockErrorMs);
  if (nowMs() > clearMs && (await registry.erase(clientId, id, stored.deletedAtMs)))
    return { id, state: 'erased' };
  return { id, state: 'deleted', erasable_at: new Date(clearMs + 1000).toISOString(), existed };
}
