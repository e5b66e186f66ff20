/**
 * When the secrets of endpoints end: each is derived from a key of `webhook-root`, and ends with that key,
 * some months after a rotation. Nobody asks for another one by himself, so the platform says so ahead.
 */
import type { Keyset } from '../../protocol/keyset.ts';
import type { Endpoint, Endpoints } from '../adapters/endpoints.ts';
import type { Log } from '../log.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';

/** So long ahead, a line an hour says which secret ends. */
export const AHEAD_MS = 14 * 24 * 3_600_000;
const EVERY_MS = 3_600_000;

/**
 * @param roots of `webhook-root`, its public half or all of it
 * @returns when the key ends that the secret is derived from; null where no end is set, `ended` where it is
 * over
 */
export function secretEnd(
  roots: Keyset,
  { rootKid }: Pick<Endpoint, 'rootKid'>,
  nowMs: number,
): number | null | 'ended' {
  const root = roots.keys.find(({ kid }) => kid === rootKid);
  if (!root || roots.revoked.includes(rootKid)) return 'ended';
  const { retires_at: endMs } = root;
  return endMs !== null && endMs <= nowMs ? 'ended' : endMs;
}

export interface SecretEndsOptions {
  readonly endpoints: Pick<Endpoints, 'list'>;
  readonly roots: Pick<KeysetCache, 'current'>;
  readonly region: string;
  readonly nowMs: () => number;
  readonly log: Log;
}

/** @returns logs once an hour which secrets of this Region's endpoints end soon, or have ended */
export function reportSecretEnds(options: SecretEndsOptions): () => Promise<void> {
  const { endpoints, roots, region, nowMs, log } = options;
  let lookedMs = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = nowMs();
    if (now < lookedMs + EVERY_MS) return;
    const keyset = await roots.current();
    for (const endpoint of (await endpoints.list()).endpoints) {
      const { id, holder, state } = endpoint;
      if (holder !== region || (state !== 'active' && state !== 'pending')) continue;
      const end = secretEnd(keyset, endpoint, now);
      if (end === null || (end !== 'ended' && end > now + AHEAD_MS)) continue;
      const reason = end === 'ended' ? 'secret_ended' : 'secret_ends';
      log({ level: 'WARN', message: 'callback', region, target: id, reason });
    }
    lookedMs = now;
  };
}
