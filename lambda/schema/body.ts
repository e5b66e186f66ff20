/** Check 8 (body): from a request's bytes to a registration's data. */
import type { Profile } from '../../protocol/api-key.ts';
import { parseBody, type ReceivedBody } from '../../protocol/body.ts';
import { type Refusal, refuse } from '../../protocol/problem.ts';
import { type RegistrationData, type RegistrationSchema, validateRegistration } from './validator.ts';

/** @returns the data as sent, or `malformed_request`, or `invalid_registration` with every violation */
export function readRegistration(
  schema: RegistrationSchema,
  received: ReceivedBody,
  profile: Profile,
): { ok: true; data: RegistrationData } | Refusal {
  const parsed = parseBody(received, profile);
  if (!parsed.ok) return parsed;
  const result = validateRegistration(schema, parsed.value);
  return result.ok ? result : { ...refuse('invalid_registration', 'schema'), errors: result.errors };
}
