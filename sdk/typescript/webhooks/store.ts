/** Remembers which events were handled, and which are being handled now. */

/**
 * What a receiver remembers of events. A lease marks an event that is being handled: if its holder is gone,
 * the lease ends and another run may begin. An event that is done stays done.
 *
 * Each of these must take effect at once for every instance that shares the store.
 */
export interface WebhookStore {
  /**
   * Begins a run, if the event is neither done nor leased to another run. A repeated call gets the same
   * answer.
   *
   * @param run a name that no other run has
   * @returns `begun`; `done`; or how long the other run's lease lasts yet
   */
  begin(id: string, run: string, leaseMs: number): Promise<'begun' | 'done' | { readonly heldForMs: number }>;
  /** Lengthens the lease. @returns false where the run has lost it */
  renew(id: string, run: string, leaseMs: number): Promise<boolean>;
  /** Remembers that the event was handled. */
  done(id: string, run: string, rememberMs: number): Promise<void>;
  /** Ends the run's lease, if it still has it, so that another run can begin. */
  release(id: string, run: string): Promise<void>;
}

interface Entry {
  /** Undefined once the event is done. */
  readonly run?: string;
  readonly untilMs: number;
}

/**
 * A store in this process's memory, for tests and for a receiver of one process whose handlers may run again
 * after a restart.
 */
export function memoryStore(): WebhookStore {
  // In the order of their last change, so that what is forgotten stands first.
  const entries = new Map<string, Entry>();
  const set = (id: string, entry: Entry) => {
    entries.delete(id);
    entries.set(id, entry);
  };
  const isHeldBy = (id: string, run: string) => entries.get(id)?.run === run;
  return {
    async begin(id, run, leaseMs) {
      const nowMs = Date.now();
      for (const [old, { untilMs }] of entries) {
        if (untilMs > nowMs) break;
        entries.delete(old);
      }
      const entry = entries.get(id);
      if (entry && entry.untilMs > nowMs && entry.run !== run)
        return entry.run === undefined ? 'done' : { heldForMs: entry.untilMs - nowMs };
      set(id, { run, untilMs: nowMs + leaseMs });
      return 'begun';
    },
    async renew(id, run, leaseMs) {
      if (!isHeldBy(id, run)) return false;
      set(id, { run, untilMs: Date.now() + leaseMs });
      return true;
    },
    async done(id, _run, rememberMs) {
      set(id, { untilMs: Date.now() + rememberMs });
    },
    async release(id, run) {
      if (isHeldBy(id, run)) entries.delete(id);
    },
  };
}
