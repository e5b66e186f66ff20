/** Checks users by JSON Schema (2020-12), with the validator that the platform uses. It needs ajv. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { violation } from '../../../protocol/schema-error.ts';
import type { CompileCheck } from '../user-check.ts';

/**
 * Makes the check of a registration schema.
 *
 * @throws Error where the schema is none
 * @example
 * const client = new CountersignClient({ url, apiKey, checkUsers: schemaCheck });
 */
export const schemaCheck: CompileCheck = (schema) => {
  // As the platform compiles it, but for keywords that a later platform may know.
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  addFormats.default(ajv);
  const validate = ajv.compile(schema);
  return (user) => (validate(user) ? [] : (validate.errors ?? []).map(violation));
};
