/** What a refusal says of a member: its path, and a sentence of which the member is the subject. */
import { expect, it } from 'vitest';
import { compileSchema } from '../../../lambda/schema/compile.ts';
import { validateRegistration } from '../../../lambda/schema/validator.ts';

const user = { user_id: { type: 'string' } };

it.each<[string, object, object, [string, string][]]>([
  [
    'a missing and an unknown member',
    { properties: user, additionalProperties: false },
    { emial: 'ada@example.com' },
    [
      ['/user_id', 'is missing'],
      ['/emial', 'is not a known member'],
    ],
  ],
  [
    'a member of an object within',
    {
      properties: {
        ...user,
        at: { type: 'object', required: ['city'], additionalProperties: false, properties: { city: {} } },
      },
    },
    { user_id: 'u', at: { 'a/b': 1 } },
    [
      ['/at/city', 'is missing'],
      ['/at/a~1b', 'is not a known member'],
    ],
  ],
  [
    'a member that no part of the schema knows',
    { properties: user, unevaluatedProperties: false },
    { user_id: 'u', emial: 'x' },
    [['/emial', 'is not a known member']],
  ],
  [
    'a member that another one needs',
    { properties: { ...user, street: {}, city: {} }, dependentRequired: { street: ['city'] } },
    { user_id: 'u', street: 's' },
    [['/city', 'is missing, and is required beside "street"']],
  ],
  [
    'a name that is not allowed',
    { properties: user, propertyNames: { maxLength: 9 } },
    { user_id: 'u', 'much-too-long': 1 },
    [
      ['/much-too-long', 'has a name that must NOT have more than 9 characters'],
      ['/much-too-long', 'has a name that is not allowed'],
    ],
  ],
  [
    'a value that does not fit',
    { properties: { ...user, email: { type: 'string', maxLength: 3 } } },
    { user_id: 'u', email: 'long' },
    [['/email', 'must NOT have more than 3 characters']],
  ],
])('%s', (_, keywords, data, errors) => {
  const schema = compileSchema({ type: 'object', required: ['user_id'], ...keywords });
  const outcome = validateRegistration(schema, data);
  expect(outcome).toEqual({ ok: false, errors: errors.map(([pointer, message]) => ({ pointer, message })) });
});
