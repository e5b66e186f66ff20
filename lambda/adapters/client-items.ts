/** A client's items, and the client that they make up together. */
import type { Profile } from '../../protocol/api-key.ts';
import type { ClientKey, ClientOrigin, ClientRecord } from '../../protocol/client.ts';
import type { Invite } from '../../protocol/oauth/invite.ts';
import { INVITE, KEY, RECORD, REVOKED, STATE } from '../contract/items.ts';
import { type Item, numberOf, present, textOf } from './dynamodb.ts';

/** A client as it was read. One that is created again under its name has another salt. */
export type Named = Pick<ClientRecord, 'clientId' | 'salt'>;

/** Issuers of a key that no other key issued. Neither is the form of a kid. */
const OPERATOR = 'operator';
const BY_INVITE = 'invite';

/** A new client's record. */
export const recordItem = ({ clientId, ...client }: Omit<ClientRecord, 'disabled' | 'revoked'>): Item => ({
  pk: { S: clientId },
  sk: { S: RECORD },
  profile: { S: client.profile },
  salt: { B: client.salt },
  created_at: { N: String(client.createdAtMs) },
  ...(client.limit !== null && { limit: { N: String(client.limit) } }),
  ...(client.scopes && { scopes: { S: client.scopes.join(' ') } }),
  ...(client.origin && { origin: { S: client.origin } }),
});

export const isRecord = (item: Item): boolean => textOf(item, 'sk') === RECORD;

/** A key names its client's salt: one that is written late is no key of a later client of that name. */
export function keyItem({ clientId, salt }: Named, key: ClientKey): Item {
  return {
    pk: { S: clientId },
    sk: { S: KEY + key.kid },
    salt: { B: salt },
    alg: { S: key.alg },
    usable_at: { N: String(key.usableAtS) },
    expires_at: { N: String(key.expiresAtS) },
    issued_by: { S: key.issuedBy ?? OPERATOR },
    ...(key.rootKid !== null && { root_kid: { S: key.rootKid } }),
    ...(key.jwk !== null && { jwk: { S: JSON.stringify(key.jwk) } }),
  };
}

/** A key that an invite let in. It counts only while the client's invite names it. */
export const invitedKeyItem = (client: Named, key: ClientKey): Item => ({
  ...keyItem(client, key),
  issued_by: { S: BY_INVITE },
});

/** The one item of a client's invite, in each of its forms: offered, and redeemed by a key. */
export const inviteItem = ({ clientId, salt }: Named, invite: Invite, nowMs: number): Item => ({
  pk: { S: clientId },
  sk: { S: INVITE },
  salt: { B: salt },
  serial: { N: String(invite.serial) },
  root_kid: { S: invite.rootKid },
  expires_at: { N: String(invite.expiresAtS) },
  changed_at: { N: String(nowMs) },
  ...(invite.thumbprint !== null && { thumbprint: { S: invite.thumbprint } }),
  ...(invite.redeemedBy !== null && { kid: { S: invite.redeemedBy } }),
});

const toInvite = (item: Item): Invite => ({
  serial: numberOf(item, 'serial'),
  rootKid: textOf(item, 'root_kid'),
  expiresAtS: numberOf(item, 'expires_at'),
  thumbprint: item.thumbprint?.S ?? null,
  redeemedBy: item.kid?.S ?? null,
});

export function toRecord(clientId: string, items: readonly Item[]): ClientRecord | undefined {
  const record = items.find(isRecord);
  if (!record) return undefined;
  const salt = present(record.salt?.B, 'salt');
  const own = items.filter((item) => isOf(record, item) || textOf(item, 'sk').startsWith(KEY));
  const bySort = own.map((item) => [textOf(item, 'sk'), item] as const);
  const ofKind = (kind: string) =>
    bySort.flatMap(([sk, item]) => (sk.startsWith(kind) ? [[sk.slice(kind.length), item] as const] : []));
  const state = bySort.find(([sk]) => sk === STATE)?.[1];
  const invited = bySort.find(([sk]) => sk === INVITE)?.[1];
  const invite = invited && toInvite(invited);
  const keys = ofKind(KEY);
  const ofAnEarlierClient = keys.filter(([, item]) => !isOf(record, item));
  // Two Regions may each have let one in by the same invite: its item, of which one form is left, decides.
  const notInvited = keys.filter(
    ([kid, item]) => textOf(item, 'issued_by') === BY_INVITE && invite?.redeemedBy !== kid,
  );
  return {
    clientId,
    profile: textOf(record, 'profile') as Profile,
    salt,
    disabled: state?.disabled?.BOOL ?? false,
    limit: record.limit ? numberOf(record, 'limit') : null,
    createdAtMs: numberOf(record, 'created_at'),
    ...(record.scopes && { scopes: textOf(record, 'scopes').split(' ').filter(Boolean) }),
    ...(record.origin && { origin: textOf(record, 'origin') as ClientOrigin }),
    ...(invite && { invite }),
    keys: keys.map(([kid, item]) => toKey(kid, item)),
    revoked: new Set([...ofKind(REVOKED), ...ofAnEarlierClient, ...notInvited].map(([kid]) => kid)),
  };
}

/** Whether the item is of the client that has the other one: an item without a salt is of each client. */
export const isOf = ({ salt }: Item, item: Item): boolean =>
  !item.salt?.B || !salt?.B || isSame(item.salt.B, salt.B);

export const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

export function toKey(kid: string, item: Item): ClientKey {
  const issuer = textOf(item, 'issued_by');
  const generation = {
    kid,
    alg: textOf(item, 'alg'),
    usableAtS: numberOf(item, 'usable_at'),
    expiresAtS: numberOf(item, 'expires_at'),
    issuedBy: issuer === OPERATOR || issuer === BY_INVITE ? null : issuer,
  };
  return item.jwk
    ? { ...generation, rootKid: null, jwk: JSON.parse(textOf(item, 'jwk')) }
    : { ...generation, rootKid: textOf(item, 'root_kid'), jwk: null };
}
