/**
 * A platform's identity token as the proof of who a workload is (docs/enrolment.md): a JWT that AWS, GitHub,
 * GitLab or a Kubernetes cluster signed, for the key that the workload has just made.
 */
import { createPublicKey, hash, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { LEEWAY_S } from '../proof/claims.ts';
import type { UsedOnce } from './client-assertion.ts';
import { valueAt } from './json-pointer.ts';
import { isTime, parseJwt, usedOnceKey } from './jwt.ts';

/** RFC 7518 §3.1. */
export const ATTESTATION_ALGORITHMS = ['RS256', 'ES256', 'ES384'] as const;
export type AttestationAlgorithm = (typeof ATTESTATION_ALGORITHMS)[number];

/** Whom an operator lets in by a platform's token, and as which client. */
export interface EnrolmentPolicy {
  /** The client_id: the policy's name too. */
  readonly client: string;
  readonly issuer: string;
  /** The issuer's keys: where they are read, or the keys themselves. */
  readonly keys: KeySource;
  readonly algorithms: readonly AttestationAlgorithm[];
  /** JSON Pointers (RFC 6901) into the claims, each with the string that must be there. */
  readonly match: Readonly<Record<string, string>>;
  readonly scopes: readonly string[];
  /** Signatures a minute; null = the platform's default. */
  readonly limit: number | null;
  /** How long a key lives, in seconds. */
  readonly keyLifeS: number;
  /** More live keys than this cause an alarm, and no refusal. */
  readonly instances: number;
  /** `key`: the audience names the key. `once`: it names a Region, which takes the token once. */
  readonly binding: 'key' | 'once';
}

export type KeySource =
  | { readonly kind: 'discovery' }
  | { readonly kind: 'uri'; readonly uri: string }
  | { readonly kind: 'inline'; readonly keys: readonly JsonWebKey[] };

/**
 * What the keys of a policy are known by: they die with it, and a policy of another issuer revives none.
 *
 * @example 'billing-ci:x9_Tq2aB'
 */
export const policyId = ({ client, issuer }: Pick<EnrolmentPolicy, 'client' | 'issuer'>): string =>
  `${client}:${hash('sha256', issuer, 'base64url').slice(0, 8)}`;

/** A token in its form. Nothing in it is trusted yet. */
export interface Attestation {
  readonly alg: AttestationAlgorithm;
  readonly kid: string | undefined;
  readonly issuer: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** For logs and metrics. The caller learns only that its token is not accepted. */
export type AttestationFault =
  | 'attestation_form'
  | 'attestation_issuer'
  | 'attestation_key'
  | 'attestation_signature'
  | 'attestation_time'
  | 'attestation_audience'
  | 'attestation_match'
  | 'attestation_ambiguous';

const LONGEST_TOKEN = 8_192;

/** @returns undefined where the text is no JWS of a JWT in canonical form, by an algorithm of the list */
export function readAttestation(text: string): Attestation | undefined {
  const jwt = text.length <= LONGEST_TOKEN ? parseJwt(text) : undefined;
  if (!jwt) return undefined;
  const { kid, typ } = jwt.header;
  const { iss } = jwt.claims;
  const alg = ATTESTATION_ALGORITHMS.find((each) => each === jwt.header.alg);
  // Another type is another kind of statement, such as an access token.
  const isIdentity = typ === undefined || (typeof typ === 'string' && typ.toUpperCase() === 'JWT');
  if (alg === undefined || !isIdentity || typeof iss !== 'string') return undefined;
  if (kid !== undefined && typeof kid !== 'string') return undefined;
  return { alg, kid, issuer: iss, claims: jwt.claims, text };
}

const FORMS = {
  RS256: { kty: 'RSA', crv: undefined, digest: 'sha256' },
  ES256: { kty: 'EC', crv: 'P-256', digest: 'sha256' },
  ES384: { kty: 'EC', crv: 'P-384', digest: 'sha384' },
} as const;

const SHORTEST_RSA_BITS = 2048;

/**
 * The issuer's one key that the token names.
 *
 * @param keys as the issuer publishes them; those of other kinds are passed over
 * @returns undefined where no key, or more than one, has the token's algorithm and `kid`
 */
export function attestationKey(
  keys: readonly JsonWebKey[],
  { alg, kid }: Pick<Attestation, 'alg' | 'kid'>,
): KeyObject | undefined {
  const { kty, crv } = FORMS[alg];
  const fitting = keys.filter(
    (key) =>
      key.kty === kty &&
      key.crv === crv &&
      (key.use === undefined || key.use === 'sig') &&
      (key.alg === undefined || key.alg === alg) &&
      (kid === undefined || key.kid === kid),
  );
  if (fitting.length !== 1) return undefined;
  try {
    const key = createPublicKey({ key: fitting[0]!, format: 'jwk' });
    const bits = key.asymmetricKeyDetails?.modulusLength ?? SHORTEST_RSA_BITS;
    return bits >= SHORTEST_RSA_BITS ? key : undefined;
  } catch {
    return undefined;
  }
}

export function isAttestedBy({ alg, text }: Attestation, key: KeyObject): boolean {
  const signature = Buffer.from(text.slice(text.lastIndexOf('.') + 1), 'base64url');
  const input = Buffer.from(signedPart(text), 'latin1');
  return verify(FORMS[alg].digest, input, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

const signedPart = (text: string): string => text.slice(0, text.lastIndexOf('.'));

/** What the token has to be for. */
export interface AttestationContext {
  /** The platform's issuer. */
  readonly issuer: string;
  /** This Region's own base URL. The entry's would be good in every Region. */
  readonly baseUrl: string;
  /** RFC 7638 thumbprint of the key that the workload has made. */
  readonly thumbprint: string;
  readonly nowMs: number;
}

/** Longest life of a token, in seconds, by its own times. */
const LONGEST_LIFE_S = 3_600;

/**
 * Checks the claims of a token whose signature is verified.
 *
 * @param policies those of the token's issuer
 * @returns the one policy that it fits
 */
export function choosePolicy(
  { claims }: Attestation,
  policies: readonly EnrolmentPolicy[],
  context: AttestationContext,
):
  | { readonly ok: true; readonly policy: EnrolmentPolicy }
  | { readonly ok: false; readonly reason: AttestationFault } {
  const { iat, exp, nbf } = claims;
  const nowS = context.nowMs / 1000;
  const inTime =
    isTime(iat) &&
    isTime(exp) &&
    (nbf === undefined || (isTime(nbf) && nbf <= nowS + LEEWAY_S)) &&
    iat <= nowS + LEEWAY_S &&
    exp + LEEWAY_S > nowS &&
    exp > iat &&
    exp - iat <= LONGEST_LIFE_S;
  if (!inTime) return { ok: false, reason: 'attestation_time' };
  const fitting = policies.filter(({ match }) =>
    Object.entries(match).every(([pointer, value]) => valueAt(claims, pointer) === value),
  );
  const [policy] = fitting;
  if (!policy) return { ok: false, reason: 'attestation_match' };
  // Whichever of them was meant, the other one gives something else.
  if (fitting.length > 1) return { ok: false, reason: 'attestation_ambiguous' };
  return audienceOf(claims) === audienceFor(policy, context)
    ? { ok: true, policy }
    : { ok: false, reason: 'attestation_audience' };
}

/** The audience of a key-bound token: `<issuer>/keys/<thumbprint>`. */
export const keyAudience = (issuer: string, thumbprint: string): string => `${issuer}/keys/${thumbprint}`;

const audienceFor = ({ binding }: EnrolmentPolicy, { issuer, baseUrl, thumbprint }: AttestationContext) =>
  binding === 'key' ? keyAudience(issuer, thumbprint) : baseUrl;

/** RFC 7519 §4.1.3. A token for several audiences could be used by each of them at the others. */
function audienceOf({ aud }: Attestation['claims']): unknown {
  return Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
}

/**
 * What the ledger remembers of a token that is taken once: its `jti`, else what was signed. Never the whole
 * token, since an ECDSA signature has a twin.
 */
export function attestationUse({ issuer, claims, text }: Attestation, nowMs: number): UsedOnce {
  const { jti, exp } = claims;
  const [kind, value] = typeof jti === 'string' ? ['jti', jti] : ['input', signedPart(text)];
  return {
    text: usedOnceKey(`countersign/attestation/${kind}/v1`, issuer, value),
    issuedMs: nowMs,
    lifeMs: ((exp as number) + LEEWAY_S) * 1000 - nowMs,
  };
}
