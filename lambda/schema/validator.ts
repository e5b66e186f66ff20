/** Check 8 (body): the operator's JSON Schema, compiled. Nothing is compiled at run time. */
import { isJsonObject } from '../../protocol/json.ts';
import type { Violation } from '../../protocol/problem.ts';
import { type SchemaError, violation } from '../../protocol/schema-error.ts';

/** The form of ajv's validators: the function has the errors of its last call. */
export interface SchemaValidator {
  (data: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}

export interface RegistrationSchema {
  /** The JSON Schema (2020-12) that discovery publishes. */
  readonly schema: object;
  readonly validate: SchemaValidator;
}

/** A body that the schema accepts. The platform itself needs `user_id`. */
export type RegistrationData = Record<string, unknown> & { readonly user_id: string };

/** @returns the data, or every violation with the RFC 6901 pointer of the member at fault */
export function validateRegistration(
  { validate }: RegistrationSchema,
  data: unknown,
): { ok: true; data: RegistrationData } | { ok: false; errors: Violation[] } {
  if (!validate(data)) return { ok: false, errors: (validate.errors ?? []).map(violation) };
  if (isJsonObject(data) && typeof data.user_id === 'string')
    return { ok: true, data: data as RegistrationData };
  return { ok: false, errors: [{ pointer: '/user_id', message: 'must be string' }] };
}
