/** Revokes an access token in the Region that is asked. */
import * as z from 'zod';
import { LONGEST_NONCE_LIFE_MS } from '../../protocol/nonce.ts';
import type { DenyList } from '../adapters/deny-list.ts';
import type { Actions } from './actions.ts';
import { action } from './params.ts';

const Revoke = z.strictObject({
  jti: z.string().regex(/^[\w-]{22}$/, { error: 'must be the jti of an access token: 22 characters' }),
});

/** How long a token lives at most. */
const LONGEST_TOKEN_LIFE_MS = LONGEST_NONCE_LIFE_MS;

export const tokenActions = (denyList: DenyList, nowMs: () => number): Actions => ({
  'tokens.revoke': action(
    Revoke,
    ({ jti }) => jti,
    async ({ jti }) => {
      await denyList.add(jti, (nowMs() + LONGEST_TOKEN_LIFE_MS) / 1000);
      return { jti };
    },
  ),
});
