/** The fake platform's check of users beside the platform's own, which ajv compiles. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileSchema } from '../../../lambda/schema/compile.ts';
import schema from '../../../lambda/schema/default.json' with { type: 'json' };
import { validateRegistration } from '../../../lambda/schema/validator.ts';
import { checkByDefault, DEFAULT_SCHEMA } from '../../../sdk/typescript/testing/default-schema.ts';

const compiled = compileSchema(schema);

test("its schema is the platform's default", () => expect(DEFAULT_SCHEMA).toEqual(schema));

test('it finds what the platform finds, in whichever user', () => {
  const address = fc.oneof(fc.emailAddress(), fc.string(), fc.stringMatching(/^[a-z.@-]{1,12}$/));
  const long = fc.integer({ min: 250, max: 330 }).map((length) => 'x'.repeat(length));
  const member = fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), address, long);
  const user = fc.record(
    {
      user_id: fc.oneof(
        { weight: 4, arbitrary: fc.string({ minLength: 1 }) },
        { weight: 1, arbitrary: member },
      ),
      ...{ email: member, display_name: member, attributes: member, 'a/~b': fc.jsonValue() },
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof({ weight: 9, arbitrary: user }, { weight: 1, arbitrary: fc.jsonValue() }),
      (value) => {
        const found = validateRegistration(compiled, value);
        const expected = found.ok ? [] : found.errors;
        const sorted = (errors: readonly object[]) => errors.map((error) => JSON.stringify(error)).sort();
        expect(sorted(checkByDefault(value))).toEqual(sorted(expected));
      },
    ),
    { numRuns: 2_000 },
  );
});
