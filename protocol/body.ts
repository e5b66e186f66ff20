/** Check 8 (body): from a request's bytes to a JSON value. The operator's schema then checks the value. */
import type { Profile } from './api-key.ts';
import { parseJson } from './json.ts';
import { type Refusal, refuse } from './problem.ts';

export interface ReceivedBody {
  readonly body: Uint8Array;
  /** Whether the bytes may differ from those that were sent. */
  readonly bodyInDoubt: boolean;
}

const BODY_JSON = { maxDepth: 32, refuseProto: true };

/**
 * @param profile of the proof that came with it
 * @returns the value, or `malformed_request`
 */
export function parseBody(
  { body, bodyInDoubt }: ReceivedBody,
  profile: Profile,
): { readonly ok: true; readonly value: unknown } | Refusal {
  // A strict proof vouches for the bytes; a basic proof does not bind the body.
  if (bodyInDoubt && profile === 'basic') return refuse('malformed_request', 'body_in_doubt');
  const json = parseJson(body, BODY_JSON);
  return json ? { ok: true, value: json.value } : refuse('malformed_request', 'body_json');
}
