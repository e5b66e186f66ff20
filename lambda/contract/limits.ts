/**
 * Partition keys of `limits`, which holds items of several functions. Roles name the items by these keys,
 * with `*` for any text: a function that counts a quota cannot undo a key's revocation.
 */
export const quotaKey = (clientId: string, window: number | '*'): string => `quota#${clientId}#${window}`;

/** @param purpose whose revoked kids, published keysets and last failure the item holds */
export const keysItemKey = (purpose: string): string => `revoked#${purpose}`;

/** The public halves of a purpose's keys, for a function that must not read the private ones. */
export const publicKeysKey = (purpose: string): string => `public#${purpose}`;

/** An access token that was revoked. */
export const denyKey = (jti: string): string => `deny#${jti}`;

/** The evacuation flag of a Region: in its own table and in its keeper's. */
export const evacuatedKey = (region: string | '*'): string => `evacuated#${region}`;

/** For how long the Region has been good. */
export const HEALTH_KEY = 'health';

/** Stops writes of `registry` and `clients` in this Region, while they are copied. */
export const WRITE_STOP_KEY = 'stop#writes';

/**
 * After a stop was stored for so long, no write is under way: a function reads the stop every 10 s at least,
 * and runs for at most 10 s; the rest allows for its last call on the network.
 */
export const WRITE_STOP_SETTLE_MS = 25_000;
