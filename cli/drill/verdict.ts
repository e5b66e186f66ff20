/** Judges a drill: the numbers, and the promises that did not hold. */
import type { TableConsistency } from '../../lambda/contract/serving-environment.ts';
import type { Drill, Recovery } from './drills.ts';
import type { Call, History } from './history.ts';

export interface Verdict {
  readonly passed: boolean;
  readonly acknowledged: number;
  readonly lost: number;
  /** Null where the drill reads no events. */
  readonly eventsMissed: number | null;
  readonly duplicated: number;
  readonly clientErrors: number;
  readonly maxAttempts: number;
  readonly recoveryMs: number | null;
  /** Promises that did not hold, in words. */
  readonly broken: readonly string[];
}

/** How many of a kind are named. */
const NAMED = 3;

export function judge(
  history: History,
  drill: Drill,
  consistency: TableConsistency,
  recovery: Recovery | undefined,
): Verdict {
  const failed = history.failed();
  const acknowledged = history.acknowledged().length;
  const recoveryMs = recovery ? recoveryOf(history, recovery) : null;
  const { noErrors = () => true, oneFailure } = drill;
  const broken = [...history.broken];
  const need = (holds: boolean, otherwise: string) => {
    if (!holds) broken.push(otherwise);
  };
  need(acknowledged > 0, 'no registration was acknowledged at all');
  need(history.duplicated.size === 0, named(history.duplicated));
  need(
    history.unrepeated.size === 0,
    `no repeated request was answered in ${named(history.unrepeated)}, so it is not known whether a request is accepted twice`,
  );
  // An eventual table may lose what has not left a Region yet (docs/regions.md): it is counted.
  need(
    consistency === 'eventual' || history.lost.size === 0,
    `${history.lost.size} acknowledged registrations were lost: ${named(history.lost)}`,
  );
  need(
    history.unread.size === 0,
    `${history.unread.size} acknowledged registrations could not be read, so it is not known whether they are lost: ${named(history.unread)}`,
  );
  const missed = history.missed ?? new Set();
  // The surviving Region of an eventual table learns of the others' changes later, or never.
  need(
    consistency === 'eventual' || missed.size === 0,
    `${missed.size} acknowledged registrations have no event: ${named(missed)}`,
  );
  if (noErrors(consistency))
    need(
      failed.length === 0,
      `${failed.length} calls of clients failed: ${named(new Set(failed.map(({ error }) => error!)))}`,
    );
  if (recovery)
    need(
      recoveryMs !== null,
      recovery.leaving === undefined
        ? 'no registration was acknowledged after the fault'
        : `no client that prefers ${recovery.leaving} was served elsewhere`,
    );
  if (oneFailure) {
    const worst = (count: (call: Call) => number) => Math.max(0, ...history.calls.map(count));
    const transport = worst(({ transportFailures }) => transportFailures);
    const nonces = worst(({ attempts }) => attempts.filter(({ code }) => code === 'use_nonce').length);
    need(transport <= 1, `a registration met ${transport} failures of transport`);
    need(nonces <= 1, `a registration met ${nonces} times use_nonce`);
  }
  return {
    passed: broken.length === 0,
    acknowledged,
    lost: history.lost.size,
    eventsMissed: history.missed?.size ?? null,
    duplicated: history.duplicated.size,
    clientErrors: failed.length,
    maxAttempts: history.maxAttempts(),
    recoveryMs: recoveryMs === null ? null : Math.round(recoveryMs),
    broken,
  };
}

/** @returns the time until clients are served again; null where none was */
function recoveryOf(history: History, { fromMs, leaving }: Recovery): number | null {
  const first = history
    .acknowledged()
    .filter(
      ({ endMs, prefers, acknowledged }) =>
        endMs >= fromMs &&
        (leaving === undefined || (prefers === leaving && acknowledged.region !== leaving)),
    )
    .reduce((earliest, { endMs }) => Math.min(earliest, endMs), Number.POSITIVE_INFINITY);
  return Number.isFinite(first) ? first - fromMs : null;
}

function named(all: ReadonlySet<string>): string {
  const some = [...all].slice(0, NAMED);
  return some.join(', ') + (all.size > some.length ? ', …' : '');
}
