/**
 * Runs every hour beside the rotations (design: 3-keys "Rotation function"): takes away an AWSPENDING that a rotation
 * left behind, since AWS refuses every later one while it stands, and reports what a person must look into. Each
 * finding is a log line, which a metric filter counts by its `reason`.
 */
import { type KeyLags, keyWindows } from '../../protocol/key-windows.ts';
import { type KeysetKey, parseKeyset, verificationKeys } from '../../protocol/keyset.ts';
import type { SecretVersions } from '../adapters/secret-versions.ts';
import { describeError, type Log } from '../log.ts';

export interface WatchedKeyset {
  readonly purpose: string;
  /** In its primary Region. */
  readonly secret: SecretVersions;
  readonly lags: KeyLags;
  /** From one rotation to the next, as scheduled. */
  readonly rotationPeriodMs: number;
  readonly replicas: readonly { readonly region: string; readonly secret: Pick<SecretVersions, 'read'> }[];
}

export interface KeysWatchOptions {
  readonly watched: readonly WatchedKeyset[];
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
  readonly log: Log;
}

/** What is reported, by the log line's `reason`. */
export type Finding =
  | 'leftover_pending_removed'
  | 'rotation_overdue'
  | 'replica_lacks_next_key'
  | 'replica_unreadable'
  | 'no_keys';

/** A rotation is overdue once it is late by this part of its period: AWS may start it any time of its day. */
const LATE = 0.1;

/** @returns a handler that looks at every keyset, and throws at the end where one could not be looked at */
export function keysWatchHandler({ watched, nowMs, log }: KeysWatchOptions): () => Promise<void> {
  return async () => {
    let failed = 0;
    for (const each of watched)
      try {
        await look(each, nowMs(), (reason, region) =>
          log({ level: 'WARN', message: 'keyset', purpose: each.purpose, reason, region }),
        );
      } catch (error) {
        failed += 1;
        log({ level: 'ERROR', message: 'keyset', purpose: each.purpose, ...describeError(error) });
      }
    if (failed > 0) throw new Error(`${failed} of ${watched.length} keysets could not be looked at`);
  };
}

async function look(
  { secret, lags, rotationPeriodMs, replicas }: WatchedKeyset,
  nowMs: number,
  report: (finding: Finding, region?: string) => void,
): Promise<void> {
  const { current, pending, changedAtMs } = await secret.describe();
  // The label came with the secret's last change, or before it: so it is older than X, or gets looked at again.
  if (pending !== undefined && pending !== current && nowMs - changedAtMs > lags.finishMs)
    if (await secret.move('AWSPENDING', pending, undefined)) report('leftover_pending_removed');

  const newest = newestKey((await secret.read({ stage: 'AWSCURRENT' }))?.text, nowMs);
  if (!newest) return report('no_keys');
  const { publishToSignMs, finishMarginMs } = keyWindows(lags);
  if (nowMs > newest.activates_at + rotationPeriodMs * (1 + LATE)) report('rotation_overdue');

  // From here on the replication has less time left than L.
  if (nowMs < newest.activates_at - finishMarginMs || nowMs > newest.activates_at + publishToSignMs) return;
  for (const replica of replicas)
    try {
      const held = await replica.secret.read({ stage: 'AWSCURRENT' });
      if (newestKey(held?.text, nowMs)?.kid !== newest.kid) report('replica_lacks_next_key', replica.region);
    } catch {
      report('replica_unreadable', replica.region);
    }
}

function newestKey(text: string | undefined, nowMs: number): KeysetKey | undefined {
  const keys = text === undefined ? [] : verificationKeys(parseKeyset(text), nowMs);
  return keys.toSorted((a, b) => b.activates_at - a.activates_at)[0];
}
