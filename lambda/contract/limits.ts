/**
 * Partition keys of `limits`, where items of several functions lie: roles name them by these, with `*` for any text, so
 * that who counts a quota cannot take a key's revocation back.
 */
export const quotaKey = (clientId: string, window: number | '*'): string => `quota#${clientId}#${window}`;

/** @param purpose whose kids are revoked */
export const revokedKey = (purpose: string): string => `revoked#${purpose}`;
