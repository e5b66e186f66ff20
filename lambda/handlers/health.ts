/** `GET /v1/health`: this Region's own ability to register (design: 4-regions "Health"). */

import type { Ledger } from '../adapters/ledger.ts';
import type { Registry } from '../adapters/registry.ts';
import { Unavailable } from '../adapters/unavailable.ts';
import { json } from '../http/answer.ts';
import { type HttpContext, type HttpHandler, httpHandler } from '../http/handler.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';

export interface HealthOptions {
  readonly http: HttpContext;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly keysets: readonly KeysetCache[];
}

/** A finding is told for this long, so that asking often writes seldom. */
const CACHE_MS = 5_000;
/** So many findings in a row turn the answer, so that one slow write moves no traffic. */
const TURNS_AFTER = 2;

type Status = 'pass' | 'fail';
const PARTS = ['ledger', 'registry', 'keys'] as const;
type Checks = Record<(typeof PARTS)[number], Status>;

export function healthHandler({ http, ledger, registry, keysets }: HealthOptions): HttpHandler {
  let told: Checks | undefined;
  let against = 0;
  let found: { readonly atMs: number; readonly checks: Promise<Checks> } | undefined;

  return httpHandler(http, async () => {
    const nowMs = http.nowMs();
    if (!found || nowMs - found.atMs >= CACHE_MS || nowMs < found.atMs)
      found = { atMs: nowMs, checks: look(nowMs).then(settle) };
    const checks = await found.checks;
    const status = overall(checks);
    return {
      ...json(
        status === 'pass' ? 200 : 503,
        { status, checks, region: http.region },
        {
          'Cache-Control': 'no-store',
          'Content-Type': 'application/health+json',
        },
      ),
      reason: PARTS.filter((part) => checks[part] === 'fail').join(),
    };
  });

  async function look(nowMs: number): Promise<Checks> {
    const [ledgerStatus, registryStatus, keys] = await Promise.all([
      passes(() => ledger.probe(nowMs)),
      passes(() => registry.probe(http.region, nowMs)),
      passes(async () => {
        for (const keyset of keysets) if (!(await keyset.signingKey(nowMs))) throw new Unavailable('keys');
      }),
    ]);
    return { ledger: ledgerStatus, registry: registryStatus, keys };
  }

  function settle(checks: Checks): Checks {
    const turns = told !== undefined && overall(told) !== overall(checks);
    against = turns ? against + 1 : 0;
    if (!turns || against >= TURNS_AFTER) {
      told = checks;
      against = 0;
    }
    return told as Checks;
  }
}

const overall = (checks: Checks): Status =>
  PARTS.every((part) => checks[part] === 'pass') ? 'pass' : 'fail';

async function passes(check: () => Promise<void>): Promise<Status> {
  try {
    await check();
    return 'pass';
  } catch (error) {
    if (error instanceof Unavailable) return 'fail';
    throw error;
  }
}
