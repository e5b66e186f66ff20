/**
 * Invites: an operator lets one key in by a text (docs/oauth.md, "Register"). A client has one invite at
 * most, which names the key that redeemed it: so of two redemptions that know nothing of each other one
 * counts.
 */
import { type ClientRecord, isRevoked } from '../client.ts';
import { type OAuthRefusal, refuseOAuth } from './error.ts';

export interface Invite {
  /** From 1. A new invite has another text, and ends the one before. */
  readonly serial: number;
  /** Kid of the `client-root` key that its text is derived from. */
  readonly rootKid: string;
  /** Epoch seconds. */
  readonly expiresAtS: number;
  /** The only key that may redeem it; null for any. */
  readonly thumbprint: string | null;
  /** Thumbprint of the key that redeemed it; null while it is unused. */
  readonly redeemedBy: string | null;
}

export const newInvite = (
  client: Pick<ClientRecord, 'invite'>,
  made: Pick<Invite, 'rootKid' | 'expiresAtS' | 'thumbprint'>,
): Invite => ({ ...made, serial: (client.invite?.serial ?? 0) + 1, redeemedBy: null });

/**
 * Whether a key may redeem the client's invite, whose text is verified. The key that redeemed it may ask
 * again, also later: its first answer may have been lost.
 */
export function checkRedemption(
  client: ClientRecord,
  invite: Invite,
  thumbprint: string,
  nowMs: number,
): OAuthRefusal | undefined {
  if (client.disabled) return refuseOAuth('access_denied', 'client_disabled');
  if (invite.redeemedBy !== null && invite.redeemedBy !== thumbprint)
    return refuseOAuth('invalid_token', 'invite_used');
  if (invite.thumbprint !== null && invite.thumbprint !== thumbprint)
    return refuseOAuth('invalid_token', 'invite_thumbprint');
  if (client.revoked.has(thumbprint)) return refuseOAuth('invalid_token', 'invite_key_revoked');
  if (invite.redeemedBy === null && nowMs >= invite.expiresAtS * 1000)
    return refuseOAuth('invalid_token', 'invite_expired');
  return undefined;
}

/** The live keys of a client, as it may read them back. */
export const liveKeys = (client: ClientRecord, nowMs: number) =>
  client.keys.filter((key) => key.expiresAtS * 1000 > nowMs && !isRevoked(client, key));
