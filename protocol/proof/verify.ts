/**
 * Checks 1 to 7, in the design's order (2-protocol "Proof"); the first failure ends it. Nothing is stored, and
 * a bad signature learns nothing about what comes after it.
 */
import type { KeyObject } from 'node:crypto';
import { type ClientKey, type ClientRecord, candidateKeys, isUsable } from '../client.ts';
import { checkNonce, type NonceContent, readNonce } from '../nonce.ts';
import { type Refusal, refuse } from '../problem.ts';
import { checkClaims, type Purpose } from './claims.ts';
import { type Proof, type ProofAlgorithm, parseProof } from './form.ts';
import { type HttpRequest, readRequest } from './request.ts';
import { type Candidate, triesFor, verifySignature } from './signature.ts';

/** What the checks ask of the outside. */
export interface ProofLookups {
  client(clientId: string): Promise<ClientLookup>;
  /** @param fresh whether what is held in memory did not do */
  keys(alg: ProofAlgorithm, fresh: boolean): Promise<VerificationKeys>;
  /** @returns the MAC key of this Region and ledger that `kid` names, or undefined */
  nonceKey(kid: string): Promise<KeyObject | undefined>;
}

export interface ClientLookup {
  /** The client as it stands; undefined for an unknown one. */
  readonly client: ClientRecord | undefined;
  /**
   * For a proof that did not verify.
   *
   * @returns the client by a read that is no older than the request; null where another failure has had one a moment ago
   */
  again(): Promise<ClientRecord | undefined | null>;
}

/** What verifies signatures by one algorithm. */
export interface VerificationKeys {
  /** @returns undefined where the platform's part of the key is gone */
  of(client: ClientRecord, key: ClientKey): MadeKey | undefined;
  /** Does the work of making a key, for nothing. */
  pretend(): void;
}

export interface MadeKey {
  readonly material: KeyObject;
  /** Just now; else it was held. */
  readonly made: boolean;
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
  | (Refusal & { readonly verified?: Signer });

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

type Signer = Pick<Verified, 'client' | 'key'>;

/** Whatever did not verify is tried once more on a fresh read: a client or key made a moment ago works at once. */
async function findSigner(proof: Proof, nowMs: number, lookups: ProofLookups): Promise<Signer | undefined> {
  const { client, again } = await lookups.client(proof.iss);
  const signed = tryKeys(proof, client, await lookups.keys(proof.alg, false), nowMs);
  if (signed) return signed;
  const reread = await again();
  return reread === null ? undefined : tryKeys(proof, reread, await lookups.keys(proof.alg, true), nowMs);
}

/** A failure costs the same whether or not the client, its key, or neither is known, and what of it is held in memory. */
function tryKeys(
  proof: Proof,
  client: ClientRecord | undefined,
  keys: VerificationKeys,
  nowMs: number,
): Signer | undefined {
  const candidates: Candidate[] = [];
  let made = 0;
  for (const key of candidateKeys(client, proof, nowMs)) {
    const found = keys.of(client as ClientRecord, key);
    if (!found) continue;
    if (found.made) made += 1;
    candidates.push({ key, material: found.material });
  }
  const key = verifySignature(proof, candidates);
  if (client && key) return { client, key };
  for (; made < triesFor(proof); made++) keys.pretend();
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
