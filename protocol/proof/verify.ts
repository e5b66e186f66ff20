/**
 * Checks 1 to 7, in the design's order (2-protocol "Proof"); the first failure ends it. Nothing is stored, and
 * a bad signature learns nothing about what comes after it.
 */
import type { KeyObject } from 'node:crypto';
import { type ClientKey, type ClientRecord, candidateKeys, isUsable } from '../client.ts';
import { checkNonce, type NonceContent, readNonce } from '../nonce.ts';
import { type Refusal, refuse } from '../problem.ts';
import { checkClaims, type Purpose } from './claims.ts';
import { type Proof, parseProof } from './form.ts';
import { type HttpRequest, readRequest } from './request.ts';
import { verifySignature } from './signature.ts';

/** What the checks ask of the outside. */
export interface ProofLookups {
  /**
   * @param fresh whether what is held in memory did not do: read again, unless that was done a moment ago
   * @returns the client as it stands, undefined for an unknown one, null where `fresh` found nothing to re-read
   */
  client(clientId: string, fresh: boolean): Promise<ClientRecord | undefined | null>;
  /** @returns what verifies the key's signatures, or undefined where the platform's part of it is gone */
  material(client: ClientRecord, key: ClientKey): Promise<KeyObject | undefined>;
  /** @returns the MAC key of this Region and ledger that `kid` names, or undefined */
  nonceKey(kid: string): Promise<KeyObject | undefined>;
}

export interface ProofContext {
  readonly purpose: Purpose;
  /** The routed path: the resource with its parameters filled in. */
  readonly path: string;
  readonly nowMs: number;
  /** E, in milliseconds. */
  readonly clockErrorMs: number;
  readonly issuer: string;
  readonly region: string;
  readonly baseUrls: readonly string[];
}

export interface Verified {
  readonly client: ClientRecord;
  readonly key: ClientKey;
  readonly jti: string | undefined;
  /** The nonce to consume; undefined for a read, which has none. */
  readonly nonce: (NonceContent & { readonly text: string }) | undefined;
}

/** A refusal knows the client once its signature is verified: only then is a fresh nonce for it. */
export type ProofOutcome =
  | { readonly ok: true; readonly verified: Verified }
  | (Refusal & { readonly verified?: Pick<Verified, 'client' | 'key'> });

export async function verifyProof(
  request: HttpRequest,
  context: ProofContext,
  lookups: ProofLookups,
): Promise<ProofOutcome> {
  const read = readRequest(request);
  if (!read.ok) return read;
  const parsed = parseProof(read.token);
  if (!parsed.ok) return parsed;
  const { proof } = parsed;

  const signed = await findSigner(proof, context.nowMs, lookups);
  if (!signed) return refuse('invalid_proof', 'signature');
  const { client, key } = signed;
  const failed = (refusal: Refusal): ProofOutcome => ({ ...refusal, verified: signed });

  if (client.disabled) return failed(refuse('client_disabled', 'client_disabled'));
  if (!isUsable(client, key, context.nowMs)) return failed(refuse('key_expired', 'client_key'));

  const { method, body } = request;
  const refusal = checkClaims(proof, { ...context, method, body });
  if (refusal) return failed(refusal);

  const jti = typeof proof.claims.jti === 'string' ? proof.claims.jti : undefined;
  if (context.purpose === 'read') return { ok: true, verified: { client, key, jti, nonce: undefined } };
  const nonce = await findNonce(proof, context, lookups);
  if (!nonce) return failed(refuse('use_nonce', 'nonce'));
  return { ok: true, verified: { client, key, jti, nonce } };
}

/**
 * Whatever did not verify is tried once more on a fresh read: a client or key made a moment ago works at once,
 * and a wrong signature causes the same reads as an unknown client.
 */
async function findSigner(
  proof: Proof,
  nowMs: number,
  lookups: ProofLookups,
): Promise<{ client: ClientRecord; key: ClientKey } | undefined> {
  for (const fresh of [false, true]) {
    const client = await lookups.client(proof.iss, fresh);
    if (client === null) return undefined;
    const candidates = [];
    for (const key of candidateKeys(client, proof, nowMs)) {
      const material = await lookups.material(client as ClientRecord, key);
      if (material) candidates.push({ key, material });
    }
    const key = verifySignature(proof, candidates);
    if (client && key) return { client, key };
  }
  return undefined;
}

async function findNonce(
  { claims, iss }: Proof,
  context: ProofContext,
  lookups: ProofLookups,
): Promise<Verified['nonce']> {
  const kid = readNonce(claims.nonce)?.kid;
  const key = kid === undefined ? undefined : await lookups.nonceKey(kid);
  if (!key) return undefined;
  const text = claims.nonce as string;
  const content = checkNonce(text, { ...context, key, clientId: iss });
  return content && { ...content, text };
}
