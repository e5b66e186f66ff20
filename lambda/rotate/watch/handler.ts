/**
 * Runs every hour in every Region, so that the loss of one silences no other: reports what a person must look into, and
 * in the Region that rotates has an AWSPENDING taken away that a rotation left behind, since AWS refuses every later one
 * while it stands.
 * Each finding is a log line, which a metric filter counts by its `reason`. It asks the rotation functions, and so has
 * no right on any keyset itself.
 */
import type { Finding, KeySummary, KeysActions, KeysetSummary, WatchAction } from '../../contract/keys.ts';
import { describeError, type Log } from '../../log.ts';

/** Asks a purpose's rotation function. Rejects where it is not reached or refuses. */
export type AskKeys = <A extends WatchAction>(
  purpose: string,
  action: A,
  params: KeysActions[A]['params'],
) => Promise<KeysActions[A]['result']>;

export interface KeysWatchOptions {
  readonly ask: AskKeys;
  /** Whether keys are rotated here; elsewhere lie replicas, whose labels only their primary moves. */
  readonly rotates: boolean;
  /** From one rotation to the next, as scheduled, by purpose. In milliseconds. */
  readonly rotationPeriodsMs: Readonly<Record<string, number>>;
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
  readonly log: Log;
}

/** A rotation is overdue once it is late by this part of its period: AWS may start it any time of its day. */
const LATE = 0.1;

/** @returns a handler that looks at every keyset, and throws at the end where one could not be looked at */
export function keysWatchHandler({ ask, rotates, rotationPeriodsMs, nowMs, log }: KeysWatchOptions) {
  return async (): Promise<void> => {
    const purposes = Object.keys(rotationPeriodsMs);
    let failed = 0;
    for (const purpose of purposes)
      try {
        const keyset = await ask(purpose, 'keys.list', {});
        if (rotates && isLeftOver(keyset, nowMs())) {
          await ask(purpose, 'keys.unstick', { version_id: keyset.pending! });
          report(purpose, 'leftover_pending_removed');
        }
        for (const [finding, region] of findings(keyset, rotationPeriodsMs[purpose]!, nowMs()))
          report(purpose, finding, region);
      } catch (error) {
        failed += 1;
        log({ level: 'ERROR', message: 'keyset', purpose, ...describeError(error) });
      }
    if (failed > 0) throw new Error(`${failed} of ${purposes.length} keysets could not be looked at`);
  };

  function report(purpose: string, reason: Finding, region?: string): void {
    log({ level: 'WARN', message: 'keyset', purpose, reason, region });
  }
}

/** The label came with the secret's last change, or before it: so it is older than X, or gets looked at again. */
const isLeftOver = ({ pending, changed_at, windows }: KeysetSummary, nowMs: number): boolean =>
  pending !== null && nowMs - Date.parse(changed_at) > windows.finish;

function findings(
  { keys, regions, windows }: KeysetSummary,
  rotationPeriodMs: number,
  nowMs: number,
): [Finding, region?: string][] {
  const activation = (key: KeySummary) => Date.parse(key.activates_at);
  const live = keys.filter(({ state }) => state !== 'retired' && state !== 'revoked');
  const newest = live.toSorted((a, b) => activation(b) - activation(a))[0];
  if (!newest) return [['no_keys']];
  const activatesAt = activation(newest);
  const overdue = nowMs > activatesAt + rotationPeriodMs * (1 + LATE);
  // From here on the replication has less time left than L.
  const published = activatesAt - (windows.publish_to_sign - windows.finish);
  const due = nowMs >= published && nowMs <= activatesAt + windows.publish_to_sign;
  return [
    ...(overdue ? [['rotation_overdue'] as [Finding]] : []),
    ...regions.flatMap(({ region, kids }): [Finding, string][] => {
      if (!due || kids?.includes(newest.kid)) return [];
      return [[kids ? 'replica_lacks_next_key' : 'replica_unreadable', region]];
    }),
  ];
}
