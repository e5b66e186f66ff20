/**
 * Checks 1 (request) to 7 (nonce) of docs/protocol.md, "Checks", in that order; the first failure ends them.
 * Nothing is stored, and the answer to a bad signature reveals nothing that a later check would find.
 */
import type { KeyObject } from 'node:crypto';
import { type ClientKey, type ClientRecord, candidateKeys, isUsable } from '../client.ts';
import { checkParsed, type PresentedNonce, parseNonce } from '../nonce.ts';
import { type Refusal, refuse } from '../problem.ts';
import { checkClaims, type Operation } from './claims.ts';
import { type Proof, type ProofAlgorithm, parseProof } from './form.ts';
import { type HttpRequest, readRequest } from './request.ts';
import { type Candidate, triesFor, verifySignature } from './signature.ts';

/** The lookups that the checks make outside the request. */
export interface ProofLookups {
  /** @param kid of the key that is needed: a client may have more than a reader holds */
  client(clientId: string, kid: string | undefined): Promise<ClientLookup>;
  /** @param fresh whether the copy in memory failed to verify, so that a newer one is needed */
  keys(alg: ProofAlgorithm, fresh: boolean): Promise<VerificationKeys>;
  /** @returns the MAC key of this Region and ledger that `kid` names, or undefined */
  nonceKey(kid: string): Promise<KeyObject | undefined>;
}

export interface ClientLookup<T = ClientRecord> {
  /** The client, from memory or from a read; undefined for an unknown one. */
  readonly client: T | undefined;
  /** Reads the client once more, for a proof that did not verify. */
  again(): Promise<Reread<T>>;
}

export type Reread<T = ClientRecord> =
  /** A read that is no older than the request; `client` is undefined for an unknown one. */
  | { readonly kind: 'read'; readonly client: T | undefined }
  /** No read: another failure caused one a moment ago. */
  | { readonly kind: 'held_back' };

/** The keys that verify signatures by one algorithm. */
export interface VerificationKeys {
  /** @returns undefined where the platform's part of the key is gone */
  of(client: ClientRecord, key: ClientKey): MadeKey | undefined;
  /** Does the work of making a key, and drops the result. */
  pretend(): void;
}

export interface MadeKey {
  readonly material: KeyObject;
  /** True: made just now. False: it was in memory. */
  readonly made: boolean;
}

export interface ProofContext {
  /** The routed path: the resource with its parameters filled in. */
  readonly path: string;
  readonly nowMs: number;
  /** E, in milliseconds. */
  readonly clockErrorMs: number;
  readonly issuer: string;
  readonly region: string;
  readonly baseUrls: readonly string[];
}

/** The client that a proof names, and the key that verified its signature. */
export interface Signer {
  readonly client: ClientRecord;
  readonly key: ClientKey;
}

export type WriteOperation = Exclude<Operation, 'read'>;

export interface VerifiedRead extends Signer {
  readonly operation: 'read';
}

export interface VerifiedWrite extends Signer {
  readonly operation: WriteOperation;
  readonly jti: string | undefined;
  /** Valid here and now; only the ledger knows whether it was used before. */
  readonly nonce: PresentedNonce;
}

/** A refusal has the signer once the signature is verified: only that client gets a fresh nonce. */
export type ProofOutcome<Verified> =
  | { readonly ok: true; readonly verified: Verified }
  | (Refusal & { readonly signer?: Signer });

/** @returns the signer of a proof for reading, which has no nonce */
export async function verifyRead(
  request: HttpRequest,
  context: ProofContext,
  lookups: ProofLookups,
): Promise<ProofOutcome<VerifiedRead>> {
  const checked = await verifyProof(request, 'read', context, lookups);
  return checked.ok ? { ok: true, verified: { operation: 'read', ...checked.signer } } : checked;
}

/** @returns the signer and the nonce of a proof for a write */
export async function verifyWrite(
  request: HttpRequest,
  operation: WriteOperation,
  context: ProofContext,
  lookups: ProofLookups,
): Promise<ProofOutcome<VerifiedWrite>> {
  const checked = await verifyProof(request, operation, context, lookups);
  if (!checked.ok) return checked;
  const { signer, proof } = checked;
  const nonce = await findNonce(proof, context, lookups);
  if (!nonce) return { ...refuse('use_nonce', 'nonce'), signer };
  const jti = typeof proof.claims.jti === 'string' ? proof.claims.jti : undefined;
  return { ok: true, verified: { operation, ...signer, jti, nonce } };
}

/** Checks 1 (request) to 6 (claims), which reads and writes share. */
async function verifyProof(
  request: HttpRequest,
  operation: Operation,
  context: ProofContext,
  lookups: ProofLookups,
): Promise<
  { readonly ok: true; readonly proof: Proof; readonly signer: Signer } | (Refusal & { signer?: Signer })
> {
  const read = readRequest(request);
  if (!read.ok) return read;
  const parsed = parseProof(read.token);
  if (!parsed.ok) return parsed;
  const { proof } = parsed;

  const signer = await findSigner(proof, context.nowMs, lookups);
  if (!signer) return refuse('invalid_proof', 'signature');
  const { client, key } = signer;
  // Check 5 (client).
  if (client.disabled) return { ...refuse('client_disabled', 'client_disabled'), signer };
  if (!isUsable(client, key, context.nowMs)) return { ...refuse('key_expired', 'client_key'), signer };

  const { method, body } = request;
  const refusal = checkClaims(proof, { ...context, operation, method, body });
  return refusal ? { ...refusal, signer } : { ok: true, proof, signer };
}

/**
 * A proof that does not verify is tried once more on a fresh read: a client or key made a moment ago works at
 * once.
 */
async function findSigner(proof: Proof, nowMs: number, lookups: ProofLookups): Promise<Signer | undefined> {
  const [{ client, again }, keys] = await Promise.all([
    lookups.client(proof.iss, proof.kid),
    lookups.keys(proof.alg, false),
  ]);
  const signer = tryKeys(proof, client, keys, nowMs);
  if (signer) return signer;
  const reread = await again();
  if (reread.kind === 'held_back') return undefined;
  return tryKeys(proof, reread.client, await lookups.keys(proof.alg, true), nowMs);
}

/**
 * A failure costs the same whether the client and its key are known or not, and whether they are in memory or
 * not.
 */
function tryKeys(
  proof: Proof,
  client: ClientRecord | undefined,
  keys: VerificationKeys,
  nowMs: number,
): Signer | undefined {
  const candidates: Candidate[] = [];
  let made = 0;
  if (client)
    for (const key of candidateKeys(client, proof, nowMs)) {
      const found = keys.of(client, key);
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
): Promise<PresentedNonce | undefined> {
  const text = claims.nonce;
  if (typeof text !== 'string') return undefined;
  const nonce = parseNonce(text);
  const key = nonce && (await lookups.nonceKey(nonce.content.kid));
  if (!key) return undefined;
  const { region, nowMs, clockErrorMs } = context;
  const content = checkParsed(nonce, { key, clientId: iss, region, nowMs, clockErrorMs });
  return content && { ...content, text };
}
