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
  const [headerText, payloadText, signatureText] = parts as [string, string, string];
  const header = HEADERS.get(headerText) ?? readHeader(headerText);
  const payloadBytes = decodeBase64url(payloadText);
  if (!header || !payloadBytes || !decodeBase64url(signatureText))
    return refuse('malformed_proof', 'base64url');
  const claims = parseJson(payloadBytes, TOKEN_JSON)?.value;
  if (!header.members) return refuse('malformed_proof', 'header_json');
  if (!isJsonObject(claims)) return refuse('malformed_proof', 'payload_json');
  if (typeof claims.iss !== 'string') return refuse('malformed_proof', 'iss');

  const { profile, alg, members } = header;
  if (!profile) return refuse('malformed_proof', 'header_members');
  if (!alg) return refuse('malformed_proof', 'alg');
  const kid = members.kid as string | undefined;
  return {
    ok: true,
    proof: { token, profile, alg, iss: claims.iss, claims, ...(kid !== undefined && { kid }) },
  };
}

interface Header {
  /** Undefined where it is no JSON object. */
  readonly members: Record<string, unknown> | undefined;
  readonly profile: Profile | undefined;
  readonly alg: ProofAlgorithm | undefined;
}

/**
 * Headers in their form, by their text: all proofs of one key have the same. Reading one takes 1.7 µs, of 65
 * for a whole HS256 registration.
 */
const HEADERS = new Map<string, Header>();
const MOST_HEADERS = 1_000;

/** @returns undefined where it is no base64url */
function readHeader(text: string): Header | undefined {
  const bytes = decodeBase64url(text);
  if (!bytes) return undefined;
  const value = parseJson(bytes, TOKEN_JSON)?.value;
  if (!isJsonObject(value)) return { members: undefined, profile: undefined, alg: undefined };
  const alg = PROOF_ALGORITHMS.find((allowed) => allowed === value.alg);
  const header = { members: value, profile: profileOf(value), alg };
  if (header.profile && alg && text.length <= LONGEST_KEPT) {
    // Anybody can send headers: what they use is bounded.
    if (HEADERS.size >= MOST_HEADERS) HEADERS.clear();
    HEADERS.set(text, header);
  }
  return header;
}

/** Characters. */
const LONGEST_KEPT = 256;

/** `typ` alone selects the profile, and the profile has exactly these members. */
function profileOf(header: Record<string, unknown>): Profile | undefined {
  const members = Object.keys(header).sort().join();
  if (header.typ === STRICT_TYP)
    return members === 'alg,kid,typ' && typeof header.kid === 'string' ? 'strict' : undefined;
  if (members === 'alg' || (members === 'alg,typ' && header.typ === 'JWT')) return 'basic';
  return undefined;
}
