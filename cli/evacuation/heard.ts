/** Looks whether Regions know that endpoints have another holder. */
import { invokeAdmin } from '../admin.ts';
import { CliError } from '../io.ts';
import { pause } from '../pause.ts';
import type { Target } from '../target.ts';

export interface Heard {
  readonly moved: readonly string[];
  readonly holder: string;
  /** The Regions to ask. */
  readonly regions: readonly string[];
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

/** Replication carries a move within about a second. */
const PATIENCE_MS = 10_000;

/** @returns the Regions that do not show the new holder of each endpoint, after time for it to arrive */
export async function unheard(target: Target, { moved, holder, regions, pollMs, signal }: Heard) {
  let left = moved.length > 0 ? regions : [];
  for (let waitedMs = 0; left.length > 0 && waitedMs <= PATIENCE_MS; waitedMs += pollMs) {
    if (waitedMs > 0) await pause(pollMs, signal);
    const knows = await Promise.all(left.map((region) => knowsHolder(target, region, moved, holder, signal)));
    left = left.filter((_, i) => !knows[i]);
  }
  return left;
}

async function knowsHolder(
  target: Target,
  region: string,
  moved: readonly string[],
  holder: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const { endpoints } = await invokeAdmin(target, region, 'webhooks.list', {}, signal);
    return endpoints.every((each) => !moved.includes(each.id) || each.holder === holder);
  } catch (error) {
    if (!(error instanceof CliError) || signal.aborted) throw error;
    return false;
  }
}
