/** Compiles a registration schema: in memory for the local platform, to a module's source for the bundles. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import standalone from 'ajv/dist/standalone/index.js';
import addFormats from 'ajv-formats';
import type { RegistrationSchema } from './validator.ts';

/**
 * @param schema JSON Schema 2020-12
 * @throws Error where the schema is not valid, or does not make `user_id` a required string
 */
export function compileSchema(schema: object): RegistrationSchema {
  requireUserId(schema);
  return { schema, validate: newAjv(false).compile(schema) };
}

/**
 * @returns the source of an ES module that exports `schema` and `validate`. It imports ajv's small runtime,
 * so it must be bundled
 * @throws Error as `compileSchema`
 */
export function schemaModule(schema: object): string {
  requireUserId(schema);
  const ajv = newAjv(true);
  const code = standalone.default(ajv, ajv.compile(schema));
  return `${code}\nexport const schema = ${JSON.stringify(schema)};\n`;
}

// No coercion and no defaults: the platform stores what the client signed. All errors, so that a 422 counts
// them all; it lists the first ones (http/answer.ts).
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
