/** Params that several actions share. */
import * as z from 'zod';
import { isClientId } from '../../protocol/client-id.ts';
import { isScope, MOST_SCOPES } from '../../protocol/oauth/scope.ts';
import { type Action, AdminError } from './actions.ts';

export const ClientId = z.string().refine(isClientId, {
  error: 'must be 3 to 32 of a-z, 0-9 and -, and begin with a letter, e.g. "billing-service"',
});

/** Signatures a minute. */
export const Limit = z.int().min(1);

export const Scopes = z
  .array(
    z.string().refine(isScope, { error: 'must be 1 to 64 printable characters without space, " and \\' }),
  )
  .max(MOST_SCOPES)
  .transform((scopes) => [...new Set(scopes)]);

/** RFC 7638, SHA-256. */
export const Thumbprint = z.string().regex(/^[\w-]{43}$/, { error: 'must be a thumbprint of 43 characters' });

/** Checks that schema and work have one type of params, then drops the type. */
export function action<P, R>(
  params: z.ZodType<P>,
  target: (params: P) => string,
  run: (params: P) => Promise<R>,
): Action {
  return { params, target, run } as Action<P, R> as unknown as Action;
}

export const noClient = (clientId: string): AdminError =>
  new AdminError(404, 'not_found', `there is no client ${clientId}`);

/** RFC 3339, UTC. */
export const timestamp = (epochS: number): string => new Date(epochS * 1000).toISOString();
