/** The operator's JSON Schema of a registration: loaded, and tried before anything is built from it. */
import { readFileSync } from 'node:fs';
import { compileSchema } from '../../lambda/schema/compile.ts';
import defaultSchema from '../../lambda/schema/default.json' with { type: 'json' };
import type { ConfigFault } from './fault.ts';

/** As JSON, in bytes. The discovery document holds the schema, and the SDK reads at most a mebibyte of it. */
export const MAX_SCHEMA_BYTES = 1_000_000;

/** @param setting the schema, the path of a JSON file that holds it, or undefined for the default one */
export function loadRegistrationSchema(setting: string | object | undefined): {
  schema: object;
  faults: ConfigFault[];
} {
  const schema: unknown = setting ?? defaultSchema;
  try {
    const loaded: object = typeof schema === 'string' ? JSON.parse(readFileSync(schema, 'utf8')) : schema;
    const bytes = Buffer.byteLength(JSON.stringify(loaded));
    if (bytes > MAX_SCHEMA_BYTES)
      throw new Error(
        `it has ${bytes} bytes as JSON, and clients read at most ${MAX_SCHEMA_BYTES} of discovery`,
      );
    compileSchema(loaded);
    return { schema: loaded, faults: [] };
  } catch (error) {
    const message = `cannot be used: ${(error as Error).message}`;
    return { schema: {}, faults: [{ path: ['registrationSchema'], message }] };
  }
}
