/** The check of DPoP proofs in this Region, and the use of what they allow once. */
import { type DpopRefusal, type VerifiedDpop, verifyDpop } from '../../protocol/oauth/dpop.ts';
import type { Ledger } from '../adapters/ledger.ts';
import type { RoutedRequest } from '../http/event.ts';
import type { HttpContext } from '../http/handler.ts';
import type { DpopNonces } from './nonces.ts';

export interface DpopGate {
  readonly http: HttpContext;
  readonly nonces: DpopNonces;
  readonly ledger: Ledger;
  readonly baseUrls: readonly string[];
  /** E, in milliseconds. */
  readonly clockErrorMs: number;
  /** Whether every proof must name the body. */
  readonly bodyBinding: boolean;
}

/**
 * Checks the request's proof. It uses up nothing.
 *
 * @param token the one that the request carries, if it carries one
 * @throws Unavailable
 */
export const checkDpop = (
  { http, nonces, baseUrls, clockErrorMs, bodyBinding }: DpopGate,
  request: RoutedRequest,
  token?: string,
): Promise<{ readonly ok: true; readonly dpop: VerifiedDpop } | DpopRefusal> => {
  const { region, nowMs } = http;
  const context = { path: request.path, baseUrls, region, nowMs: nowMs(), clockErrorMs, bodyBinding, token };
  return verifyDpop(request, context, (kid) => nonces.verificationKey(kid));
};
