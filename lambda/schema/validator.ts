/** Check 8 (body): the operator's JSON Schema, compiled. Nothing is compiled at run time. */
import { isJsonObject } from '../../protocol/json.ts';
import type { Violation } from '../../protocol/problem.ts';

/** The form of ajv's validators: the function has the errors of its last call. */
export interface SchemaValidator {
  (data: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}

interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  /** The name at fault, where a schema of names (`propertyNames`) found it. */
  readonly propertyName?: string;
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

function violation(error: SchemaError): Violation {
  const { instancePath, message = 'is not valid' } = error;
  const [member, said] = memberAtFault(error) ?? [];
  if (typeof member !== 'string') return { pointer: instancePath, message };
  return { pointer: `${instancePath}/${escapePointer(member)}`, message: said! };
}

/**
 * @returns a missing, superfluous or misnamed member and what is wrong with it. The validator's own path and
 * text are those of the object around it
 */
function memberAtFault({
  keyword,
  params,
  message,
  propertyName,
}: SchemaError): [unknown, string] | undefined {
  if (propertyName !== undefined) return [propertyName, `has a name that ${message ?? 'is not valid'}`];
  switch (keyword) {
    case 'required':
      return [params.missingProperty, 'is missing'];
    case 'dependentRequired':
      return [params.missingProperty, `is missing, and is required beside "${params.property}"`];
    case 'additionalProperties':
      return [params.additionalProperty, 'is not a known member'];
    case 'unevaluatedProperties':
      return [params.unevaluatedProperty, 'is not a known member'];
    case 'propertyNames':
      return [params.propertyName, 'has a name that is not allowed'];
    default:
      return undefined;
  }
}

const escapePointer = (member: string): string => member.replaceAll('~', '~0').replaceAll('/', '~1');
