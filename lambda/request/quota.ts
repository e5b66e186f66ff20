/** This instance's share of each client's quota: it leases blocks of permits and spends them in memory. */
import { LRUCache } from 'lru-cache';
import type { ClientRecord } from '../../protocol/client.ts';
import {
  blockSize,
  granted,
  isSpent,
  rateLimitFields,
  refused,
  type Share,
  secondsLeft,
  shareAt,
  spend,
} from '../../protocol/quota.ts';
import type { Limits } from '../adapters/limits.ts';

export interface QuotaOptions {
  readonly limits: Limits;
  /** For clients without a limit of their own: signatures a minute. */
  readonly signaturesPerMinute: number;
  readonly nowMs: () => number;
}

/** The result of charging a request to its client's quota. */
export interface Charge {
  readonly accepted: boolean;
  /** `RateLimit-Policy` and `RateLimit`; for a refusal also `Retry-After`. */
  readonly headers: Readonly<Record<string, string>>;
}

interface Permits {
  share: Share | undefined;
  /** Requests that wait for a permit. */
  waiting: number;
  /** One lease at a time: other requests wait for its permits. */
  leasing: Promise<void> | undefined;
}

type Client = Pick<ClientRecord, 'clientId' | 'limit'>;

/** A client that leaves this cache loses its permits: less than the limit passes, never more. */
const CLIENTS = 10_000;

export class Quota {
  readonly #options: QuotaOptions;
  readonly #permits = new LRUCache<string, Permits>({ maxSize: CLIENTS, sizeCalculation: () => 1 });

  constructor(options: QuotaOptions) {
    this.#options = options;
  }

  /**
   * Check 9 (known quota), from memory alone. @returns a refusal where the client is known to have spent its
   * window
   */
  refusal(client: Client): Charge | undefined {
    const share = shareAt(this.#permits.get(client.clientId)?.share, this.#options.nowMs());
    return isSpent(share, this.#limit(client)) ? this.#charge(client, share, false) : undefined;
  }

  /**
   * Check 11 (quota): takes one permit, and leases more if none is in hand.
   *
   * @throws Unavailable where no permit is in hand and the counter cannot be reached
   */
  async charge(client: Client): Promise<Charge> {
    const permits = this.#permitsOf(client);
    const limit = this.#limit(client);
    permits.waiting += 1;
    try {
      for (;;) {
        permits.share = shareAt(permits.share, this.#options.nowMs());
        if (permits.share.left > 0) {
          permits.share = spend(permits.share);
          return this.#charge(client, permits.share, true);
        }
        if (isSpent(permits.share, limit)) return this.#charge(client, permits.share, false);
        permits.leasing ??= this.#lease(client, permits, permits.share).finally(() => {
          permits.leasing = undefined;
        });
        await permits.leasing;
      }
    } finally {
      permits.waiting -= 1;
    }
  }

  async #lease(client: Client, permits: Permits, share: Share): Promise<void> {
    const { limits, nowMs } = this.#options;
    const limit = this.#limit(client);
    const askedMs = nowMs();
    const n = blockSize(share, limit, permits.waiting, askedMs);
    const leased = await limits.lease(client.clientId, share.window, n, limit);
    // The window may be over by now: its permits do not count in the next one.
    if (permits.share?.window !== share.window) return;
    permits.share =
      leased === undefined ? refused(permits.share, n, limit) : granted(permits.share, n, leased, askedMs);
  }

  #permitsOf({ clientId }: Client): Permits {
    let permits = this.#permits.get(clientId);
    if (!permits) {
      permits = { share: undefined, waiting: 0, leasing: undefined };
      this.#permits.set(clientId, permits);
    }
    return permits;
  }

  #limit(client: Client): number {
    return client.limit ?? this.#options.signaturesPerMinute;
  }

  #charge(client: Client, share: Share, accepted: boolean): Charge {
    const limit = this.#limit(client);
    const reset = secondsLeft(share.window, this.#options.nowMs());
    // As far as this instance knows: other instances lease as well.
    const remaining = accepted ? Math.max(0, limit - share.leased) + share.left : 0;
    return {
      accepted,
      headers: {
        ...rateLimitFields('signatures', limit, remaining, reset),
        ...(!accepted && { 'Retry-After': String(reset) }),
      },
    };
  }
}
