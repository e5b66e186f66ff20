/**
 * Runs every hour in every Region: if one Region is lost, the others still report. It reports problems that a
 * person must look into. In the Region that rotates keys it also removes an AWSPENDING that an unfinished
 * rotation left behind, since AWS refuses every later rotation while that label exists. Each finding is a log
 * line; a metric filter counts it by its `reason`. It asks the rotation functions, so it needs no right on a
 * keyset.
 */
import type {
  KeySummary,
  KeysActions,
  KeysetSummary,
  WatchAction,
  WatchFinding,
} from '../../contract/keys.ts';
import { describeError, type Log } from '../../log.ts';

/** Asks a purpose's rotation function. Rejects if the function is not reached, or refuses. */
export type AskKeys = <A extends WatchAction>(
  purpose: string,
  action: A,
  params: KeysActions[A]['params'],
) => Promise<KeysActions[A]['result']>;

export interface KeysWatchOptions {
  readonly ask: AskKeys;
  /**
   * Whether keys are rotated in this Region. The other Regions have replicas: only their primary can move a
   * label.
   */
  readonly rotates: boolean;
  /** From one rotation to the next, as scheduled, by purpose. In milliseconds. */
  readonly rotationPeriodsMs: Readonly<Record<string, number>>;
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
  readonly log: Log;
}

/** A rotation is overdue once it is late by this part of its period: AWS may start it any time of its day. */
const LATE = 0.1;

/** @returns a handler that checks every keyset, and throws at the end if one could not be checked */
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
        for (const [finding, region] of findings(keyset, rotates, rotationPeriodsMs[purpose]!, nowMs()))
          report(purpose, finding, region);
      } catch (error) {
        failed += 1;
        log({ level: 'ERROR', message: 'keyset', purpose, ...describeError(error) });
      }
    if (failed > 0) throw new Error(`${failed} of ${purposes.length} keysets could not be checked`);
  };

  function report(purpose: string, reason: WatchFinding, region?: string): void {
    log({ level: 'WARN', message: 'keyset', purpose, reason, region });
  }
}

/**
 * The label is at least as old as the secret's last change. A younger one is checked again in the next hour.
 */
const isLeftOver = ({ pending, changed_at, windows }: KeysetSummary, nowMs: number): boolean =>
  pending !== null && nowMs - Date.parse(changed_at) > windows.finish;

function findings(
  { seq, published_seq, keys, revoked, regions, windows }: KeysetSummary,
  rotates: boolean,
  rotationPeriodMs: number,
  nowMs: number,
): [WatchFinding, region?: string][] {
  const activation = (key: KeySummary) => Date.parse(key.activates_at);
  const live = keys.filter(({ state }) => state !== 'retired' && state !== 'revoked');
  const newest = live.toSorted((a, b) => activation(b) - activation(a))[0];
  const accepting = regions.flatMap(({ region, revoked: refused }): [WatchFinding, string][] =>
    refused && revoked.some((kid) => !refused.includes(kid)) ? [['revoked_key_accepted', region]] : [],
  );
  if (!newest) return [['no_keys'], ...accepting];
  const activatesAt = activation(newest);
  const overdue = nowMs > activatesAt + rotationPeriodMs * (1 + LATE);
  // From here on, less time than L is left for the replication.
  const published = activatesAt - (windows.publish_to_sign - windows.finish);
  const due = nowMs >= published && nowMs <= activatesAt + windows.publish_to_sign;
  return [
    ...accepting,
    // A replica may only be late.
    ...(rotates && seq !== null && published_seq > seq ? [['rolled_back'] as [WatchFinding]] : []),
    ...(overdue ? [['rotation_overdue'] as [WatchFinding]] : []),
    ...regions.flatMap(({ region, kids }): [WatchFinding, string][] => {
      if (!due || kids?.includes(newest.kid)) return [];
      return [[kids ? 'replica_lacks_next_key' : 'replica_unreadable', region]];
    }),
  ];
}
