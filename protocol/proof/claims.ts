/**
 * Check 6 (claims): the claims of a proof must fit the proof and its request. Its signature is already
 * verified.
 */
import { hash } from 'node:crypto';
import { type Refusal, refuse } from '../problem.ts';
import type { Proof } from './form.ts';

/** The operation that a request asks for. It decides which claims the proof needs. */
export type Operation = 'register' | 'read' | 'delete' | 'roll_over';

export interface ClaimsContext {
  readonly operation: Operation;
  readonly method: string;
  /** The routed path, below the base URL. */
  readonly path: string;
  readonly body: Uint8Array;
  readonly nowMs: number;
  readonly issuer: string;
  /** The Region's configured base URLs: its own and the entry's. No header changes them. */
  readonly baseUrls: readonly string[];
}

/** Leeway of times, in seconds, for wrong clocks of clients. */
export const LEEWAY_S = 60;
/** Longest life of a proof, in seconds. */
export const PROOF_LIFE_S = 300;
/** Longest life of a proof for reading: without a nonce, it can be repeated while it lives. */
export const READ_PROOF_LIFE_S = 60;

const JTI_MIN = 16;
const JTI_MAX = 64;

/** @returns undefined where every claim holds */
export function checkClaims(proof: Proof, context: ClaimsContext): Refusal | undefined {
  const { profile } = proof;
  const { operation } = context;
  if (profile === 'basic' && (operation === 'delete' || operation === 'roll_over'))
    return refuse('not_allowed', `basic_${operation}`);
  return checkTimes(proof, context) ?? checkBinding(proof, context);
}

function checkTimes({ claims, profile }: Proof, { operation, nowMs }: ClaimsContext): Refusal | undefined {
  const { iat, nbf, exp } = claims;
  const nowS = nowMs / 1000;
  const needsIat = profile === 'strict' || operation === 'read';
  if (!isTime(exp)) return refuse('invalid_proof', 'exp');
  if (needsIat && !isTime(iat)) return refuse('invalid_proof', 'iat');
  if (profile === 'strict' && nbf !== undefined && !isTime(nbf)) return refuse('invalid_proof', 'nbf');

  if (exp + LEEWAY_S <= nowS) return refuse('clock_skew', 'exp_past');
  if (isTime(iat) && iat > nowS + LEEWAY_S) return refuse('clock_skew', 'iat_ahead');
  if (isTime(nbf) && nbf > nowS + LEEWAY_S) return refuse('clock_skew', 'nbf_ahead');

  const life = operation === 'read' ? READ_PROOF_LIFE_S : PROOF_LIFE_S;
  // A basic proof for registering needs no iat: the server's clock, with leeway, replaces it.
  const latest = needsIat ? (iat as number) + life : nowS + life + LEEWAY_S;
  return exp > latest ? refuse('invalid_proof', 'exp_too_late') : undefined;
}

function checkBinding({ claims, profile }: Proof, context: ClaimsContext): Refusal | undefined {
  // A proof with a nonce reads nothing, so that a used register proof reads nothing.
  if (context.operation === 'read' && 'nonce' in claims) return refuse('invalid_proof', 'nonce_on_read');
  const { aud, jti, htm, htu, fingerprint } = claims;
  if (profile === 'basic')
    // Other libraries may omit it, or make it a number. A text goes into the ledger, so its length is
    // bounded.
    return typeof jti === 'string' && jti.length > JTI_MAX ? refuse('invalid_proof', 'jti') : undefined;
  if (aud !== context.issuer) return refuse('invalid_proof', 'aud');
  if (typeof jti !== 'string' || jti.length < JTI_MIN || jti.length > JTI_MAX)
    return refuse('invalid_proof', 'jti');
  if (htm !== context.method) return refuse('invalid_proof', 'htm');
  if (!context.baseUrls.some((url) => htu === url + context.path)) return refuse('invalid_proof', 'htu');
  if (fingerprint !== bodyFingerprint(context.body)) return refuse('invalid_proof', 'fingerprint');
  return undefined;
}

/** SHA-256 of the raw body, in base64url. */
const bodyFingerprint = (body: Uint8Array): string => hash('sha256', body, 'base64url');

const isTime = (value: unknown): value is number => Number.isFinite(value);
