/** The registration schema of a platform whose operator has no own (docs/protocol.md, "Registering"). */
import type { Violation } from '../../../protocol/problem.ts';

export const DEFAULT_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Registration',
  type: 'object',
  required: ['user_id'],
  properties: {
    user_id: { type: 'string', minLength: 1, maxLength: 256 },
    email: { type: 'string', format: 'email', maxLength: 320 },
    display_name: { type: 'string', maxLength: 256 },
    attributes: { type: 'object' },
  },
  additionalProperties: false,
} as const;

/** The same in code: a test needs no validator of JSON Schema. */
export function checkByDefault(user: unknown): readonly Violation[] {
  if (!isObject(user)) return [{ pointer: '', message: 'must be object' }];
  const unknown = Object.keys(user)
    .filter((name) => !Object.hasOwn(DEFAULT_SCHEMA.properties, name))
    .map((name) => ({ pointer: pointerTo(name), message: 'is not a known member' }));
  const missing = Object.hasOwn(user, 'user_id') ? [] : [{ pointer: '/user_id', message: 'is missing' }];
  const wrong = Object.entries(MEMBERS).flatMap(([name, faultsOf]) =>
    Object.hasOwn(user, name)
      ? faultsOf(user[name]).map((message) => ({ pointer: pointerTo(name), message }))
      : [],
  );
  return [...missing, ...unknown, ...wrong];
}

const { user_id, email, display_name } = DEFAULT_SCHEMA.properties;

/** What is wrong with a member, in the platform's words. */
const MEMBERS: Readonly<Record<string, (value: unknown) => readonly string[]>> = {
  user_id: (value) => faultsOfText(value, user_id.maxLength, user_id.minLength),
  email: (value) => [
    ...faultsOfText(value, email.maxLength),
    ...(typeof value !== 'string' || EMAIL.test(value) ? [] : ['must match format "email"']),
  ],
  display_name: (value) => faultsOfText(value, display_name.maxLength),
  attributes: (value) => (isObject(value) ? [] : ['must be object']),
};

/** As the platform's validator reads the format `email`. */
const EMAIL =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i;

/** Lengths are in code points. */
function faultsOfText(value: unknown, most: number, least = 0): readonly string[] {
  if (typeof value !== 'string') return ['must be string'];
  const { length } = [...value];
  if (length > most) return [`must NOT have more than ${most} characters`];
  return length < least ? [`must NOT have fewer than ${least} characters`] : [];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const pointerTo = (member: string): string => `/${member.replaceAll('~', '~0').replaceAll('/', '~1')}`;
