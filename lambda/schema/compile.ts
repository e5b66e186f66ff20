/** Compiles a registration schema: in process for the local platform, to a module's source for the bundles. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import standalone from 'ajv/dist/standalone/index.js';
import addFormats from 'ajv-formats';
import type { RegistrationSchema } from './validator.ts';

/**
 * @param schema JSON Schema 2020-12
 * @throws Error where it is no valid schema, or does not make `user_id` a required string
 */
export function compileSchema(schema: object): RegistrationSchema {
  requireUserId(schema);
  return { schema, validate: newAjv(false).compile(schema) };
}

/**
 * @returns the source of an ES module that exports `schema` and `validate`; to be bundled, since it imports
 * ajv's small runtime
 * @throws Error as `compileSchema`
 */
export function schemaModule(schema: object): string {
  requireUserId(schema);
  const ajv = newAjv(true);
  const code = standalone.default(ajv, ajv.compile(schema));
  return `${code}\nexport const schema = ${JSON.stringify(schema)};\n`;
}

// No coercion and no defaults: what is stored is what was signed. Every error, so that 422 names every field.
function newAjv(source: boolean): Ajv2020 {
  const ajv = new Ajv2020({ allErrors: true, strict: true, code: { source, esm: source, lines: false } });
  addFormats.default(ajv);
  return ajv;
}

function requireUserId(schema: object): void {
  const { required, properties } = schema as {
    required?: unknown;
    properties?: { user_id?: { type?: unknown } };
  };
  if (!Array.isArray(required) || !required.includes('user_id') || properties?.user_id?.type !== 'string')
    throw new Error('the registration schema must require `user_id` and give it `"type": "string"`');
}
