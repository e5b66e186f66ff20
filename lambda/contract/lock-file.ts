/**
 * Names that the command line and the stacks share for the lock file (lib/config/lock.ts).
 */
export const LOCK_FILE = 'countersign.lock.json';

/**
 * The member of a stage's entry that names the Region to which the keys were promoted. `countersign keys
 * promote` alone writes it; absent until then.
 */
export const KEYS_MANAGED_BY = 'keysManagedBy';
