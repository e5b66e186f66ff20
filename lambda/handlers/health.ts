/** `GET /v1/health`: whether this Region can register (docs/openapi.yaml, `/v1/health`). */
import { Unavailable } from '../adapters/call.ts';
import type { Ledger } from '../adapters/ledger.ts';
import type { Registry } from '../adapters/registry.ts';
import { json } from '../http/answer.ts';
import { type HttpContext, type HttpHandler, httpHandler } from '../http/handler.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';

export interface HealthOptions {
  readonly http: HttpContext;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly keysets: readonly KeysetCache[];
}

/** Health results are cached this long: frequent checks cause few writes. */
const CACHE_MS = 5_000;
/** The answer changes after this many results in a row: one slow write moves no traffic. */
const CHANGES_AFTER = 2;

type Status = 'pass' | 'fail';
const PARTS = ['ledger', 'registry', 'keys'] as const;
type Checks = Record<(typeof PARTS)[number], Status>;

export function healthHandler({ http, ledger, registry, keysets }: HealthOptions): HttpHandler {
  let answered: Checks | undefined;
  /** Results in a row that contradict the answer. */
  let contrary = 0;
  let latest: { readonly atMs: number; readonly checks: Promise<Checks> } | undefined;

  return httpHandler(http, async () => {
    const nowMs = http.nowMs();
    if (!latest || nowMs - latest.atMs >= CACHE_MS || nowMs < latest.atMs)
      latest = { atMs: nowMs, checks: look(nowMs).then(settle) };
    const checks = await latest.checks;
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
    if (answered && overall(answered) !== overall(checks) && ++contrary < CHANGES_AFTER) return answered;
    contrary = 0;
    answered = checks;
    return checks;
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
