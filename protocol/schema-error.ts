/** From the errors of a validator of JSON Schema to the violations that a problem lists. */
import type { Violation } from './problem.ts';

/** The form of ajv's errors. */
export interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  /** The name at fault, where a schema of names (`propertyNames`) found it. */
  readonly propertyName?: string;
}

/** @returns the violation, with the RFC 6901 pointer of the member at fault */
export function violation(error: SchemaError): Violation {
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
