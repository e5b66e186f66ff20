/** Checks 2 (form) and 3 (header): the form of a proof. Nothing in it is trusted yet. */
import type { Profile } from '../api-key.ts';
import { decodeBase64url } from '../bytes.ts';
import { isJsonObject, parseJson } from '../json.ts';
import { type Refusal, refuse } from '../problem.ts';

/**
 * The platform's allow-list (docs/protocol.md, "Strict proof"). `EdDSA` stands for Ed25519 in libraries that
 * know only that name.
 */
export const PROOF_ALGORITHMS = ['HS256', 'ES256', 'Ed25519', 'EdDSA'] as const;
export type ProofAlgorithm = (typeof PROOF_ALGORITHMS)[number];

export const STRICT_TYP = 'countersign-proof+jwt';

export interface Proof {
  /** The compact JWS (RFC 7515 §3.1), canonical. */
  readonly token: string;
  readonly profile: Profile;
  readonly alg: ProofAlgorithm;
  /** Absent in the basic profile. */
  readonly kid?: string;
  /** The claimed client_id. */
  readonly iss: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

// Claims that no check names are ignored, so they may have any depth and any name: the token's size bounds
// both.
const TOKEN_JSON = { maxDepth: Number.POSITIVE_INFINITY, refuseProto: false };

/**
 * @param token what follows `JWT ` in Authorization
 * @returns the proof's parts, unverified, or `malformed_proof`
 */
export function parseProof(token: string): { ok: true; proof: Proof } | Refusal {
  const parts = token.split('.');
  if (parts.length !== 3) return refuse('malformed_proof', 'parts');
  const [headerBytes, payloadBytes, signature] = parts.map(decodeBase64url);
  if (!headerBytes || !payloadBytes || !signature) return refuse('malformed_proof', 'base64url');
  const header = parseJson(headerBytes, TOKEN_JSON)?.value;
  const claims = parseJson(payloadBytes, TOKEN_JSON)?.value;
  if (!isJsonObject(header)) return refuse('malformed_proof', 'header_json');
  if (!isJsonObject(claims)) return refuse('malformed_proof', 'payload_json');
  if (typeof claims.iss !== 'string') return refuse('malformed_proof', 'iss');

  const profile = profileOf(header);
  if (!profile) return refuse('malformed_proof', 'header_members');
  const alg = PROOF_ALGORITHMS.find((allowed) => allowed === header.alg);
  if (!alg) return refuse('malformed_proof', 'alg');
  const kid = header.kid as string | undefined;
  return {
    ok: true,
    proof: { token, profile, alg, iss: claims.iss, claims, ...(kid !== undefined && { kid }) },
  };
}

/** `typ` alone selects the profile, and the profile has exactly these members. */
function profileOf(header: Record<string, unknown>): Profile | undefined {
  const members = Object.keys(header).sort().join();
  if (header.typ === STRICT_TYP)
    return members === 'alg,kid,typ' && typeof header.kid === 'string' ? 'strict' : undefined;
  if (members === 'alg' || (members === 'alg,typ' && header.typ === 'JWT')) return 'basic';
  return undefined;
}
