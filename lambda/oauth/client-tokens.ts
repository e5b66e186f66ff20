/**
 * Checks and makes the tokens that are derived from a client root: invites and registration access tokens.
 */
import type { ClientRecord } from '../../protocol/client.ts';
import { type KeysetKey, keyBytes, verificationKey, verificationKeys } from '../../protocol/keyset.ts';
import {
  type ClientTokenParts,
  deriveClientToken,
  isClientToken,
} from '../../protocol/oauth/client-token.ts';
import type { Invite } from '../../protocol/oauth/invite.ts';
import { Unavailable } from '../adapters/call.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';

export class ClientTokens {
  readonly #roots: KeysetCache;
  readonly #nowMs: () => number;

  constructor(roots: KeysetCache, nowMs: () => number) {
    this.#roots = roots;
    this.#nowMs = nowMs;
  }

  /** Whether `text` is the text of the client's invite. @throws Unavailable */
  async isInvite(text: string, client: ClientRecord, invite: Invite): Promise<boolean> {
    const root =
      verificationKey(await this.#roots.current(), invite.rootKid, this.#nowMs()) ??
      verificationKey(await this.#roots.refreshed(), invite.rootKid, this.#nowMs());
    return root !== undefined && isToken('invite', text, client, invite, root);
  }

  /**
   * Any live root will do: nothing of the token is stored, and each answer has a new one. @throws Unavailable
   */
  async isRegistrationToken(text: string, client: ClientRecord, invite: Invite): Promise<boolean> {
    const roots = verificationKeys(await this.#roots.current(), this.#nowMs());
    return roots.some((root) => isToken('registration', text, client, invite, root));
  }

  /** @throws Unavailable */
  async registrationToken({ clientId, salt }: ClientRecord, { serial }: Invite): Promise<string> {
    const root = await this.#roots.signingKey(this.#nowMs());
    if (!root) throw new Unavailable('keyset client-root');
    return deriveClientToken({ kind: 'registration', root: keyBytes(root), salt, clientId, serial });
  }
}

const isToken = (
  kind: ClientTokenParts['kind'],
  text: string,
  { clientId, salt }: ClientRecord,
  { serial }: Invite,
  root: KeysetKey,
): boolean => isClientToken(text, { kind, root: keyBytes(root), salt, clientId, serial });
