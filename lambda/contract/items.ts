/**
 * The items of `registry` and `clients`, as far as their writers and a copy of the tables must agree: the
 * sort keys of `clients`, and the attributes that say which of two forms of an item is newer.
 */

/** A client's record. */
export const RECORD = 'client';
/** Whether the client is disabled. */
export const STATE = 'state';
/**
 * Stays after a deletion: instances may accept what the client signed for as long as they hold the client.
 */
export const DELETED = 'deleted';
/** A key; its kid follows. */
export const KEY = 'key#';
/** Names the key pair that a key issued; the kid of the key that asked follows. */
export const NEXT = 'next#';
/** A client's one invite; once redeemed, it names the key. */
export const INVITE = 'invite';
/** The revocation of a key, whose kid follows. */
export const REVOKED = 'revoked#';

/** By sort key, or what it begins with: time at which the item got its form. The greater is newer. */
export const WRITTEN_AT = {
  [RECORD]: 'created_at',
  [STATE]: 'changed_at',
  [DELETED]: 'deleted_at',
  [NEXT]: 'asked_at',
  [INVITE]: 'changed_at',
  [REVOKED]: 'revoked_at',
} as const;

/** Of a key. The later use is newer; of two with the same use, the earlier end: an end only moves closer. */
export const KEY_TIMES = { usable: 'usable_at', ends: 'expires_at' } as const;

/** Of the registry: a registration has the first, a tombstone the second. The greater is newer. */
export const REGISTERED_AT = 'created_at';
export const REMOVED_AT = 'deleted_at';

/** Of the registry: the version of the record, which each put makes anew. */
export const VERSION = 'v';
/** Of the notice of a conflict: the key of its registration, and the version that was lost. */
export const OF = 'of';
export const LOST = 'lost';
/** Of a key that was added to a client that had one: a random token of the call that added it. */
export const ADDED_BY = 'w';

/** Partition of the keys of a client's instances, of which there may be thousands; the client_id follows. */
export const ENROLLED = '@enrolled#';
/** Partition of `clients` for callback endpoints, which is no client's name. */
export const ENDPOINTS = '@endpoints';
/** Partition of an endpoint's dead letters; the endpoint's id follows. */
export const DEAD = '@dead#';
/** What operators decide of an endpoint; its id follows. */
export const ENDPOINT = 'endpoint#';
/** Follows an endpoint's id: which Region delivers. */
export const HOLDER = '#holder';
/** Follows an endpoint's id: how far delivery is, by the Region that delivers. Its term follows. */
export const PROGRESS = '#progress#';
/** Of these items: how often each was written. The greater is newer. */
export const WRITES = 'writes';
/** An event that an endpoint did not take yet; the endpoint's id, `#` and the event's id follow. */
export const RETRY = 'retry#';
