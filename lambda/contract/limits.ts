/**
 * Partition keys of `limits`, which holds items of several functions. IAM roles name these keys, with `*` for
 * any text: a function that counts a quota then cannot undo the revocation of a key. They are not in
 * names.ts, all of which would come along into each bundle.
 */
export const quotaKey = (clientId: string, window: number | '*'): string => `quota#${clientId}#${window}`;

/** @param purpose whose kids are revoked */
export const revokedKey = (purpose: string): string => `revoked#${purpose}`;
