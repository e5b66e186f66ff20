/** Check 8: from a request's bytes to a registration's data. */
import { parseJson } from '../../protocol/json.ts';
import { type Refusal, refuse } from '../../protocol/problem.ts';
import { type RegistrationData, type RegistrationSchema, validateRegistration } from './validator.ts';

const BODY_JSON = { maxDepth: 32, refuseProto: true };

/** @returns the data as sent, or `malformed_request`, or `invalid_registration` with every violation */
export function readRegistration(
  schema: RegistrationSchema,
  body: Uint8Array,
): { ok: true; data: RegistrationData } | Refusal {
  const json = parseJson(body, BODY_JSON);
  if (!json) return refuse('malformed_request', 'body_json');
  const result = validateRegistration(schema, json.value);
  return result.ok ? result : { ...refuse('invalid_registration', 'schema'), errors: result.errors };
}
