/** Users are checked by the platform's own schema before they are sent, where the application asks for it. */
import { expect, test, vi } from 'vitest';
import { compileSchema } from '../../lambda/schema/compile.ts';
import { validateRegistration } from '../../lambda/schema/validator.ts';
import { InvalidRegistrationError, type User } from '../../sdk/typescript/index.ts';
import { schemaCheck } from '../../sdk/typescript/schema/index.ts';
import { FakePlatform } from '../../sdk/typescript/testing/index.ts';

const EMPLOYEE = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  required: ['user_id', 'department'],
  properties: {
    user_id: { type: 'string' },
    department: { enum: ['navy', 'air'] },
    since: { type: 'string', format: 'date' },
    badges: { type: 'array', items: { type: 'integer', minimum: 1 }, uniqueItems: true },
  },
  dependentRequired: { badges: ['since'] },
  unevaluatedProperties: false,
};
interface Employee {
  readonly user_id: string;
  readonly department: string;
}
const grace = { user_id: 'grace', department: 'navy' };

const USERS: readonly unknown[] = [
  grace,
  { ...grace, since: '1943-12-01', badges: [1, 2] },
  { user_id: 1 },
  { ...grace, department: 'army', since: 'yesterday' },
  { ...grace, badges: [0, 0, 'x'] },
  { ...grace, 'a/b': 1, more: 2 },
  [],
];

test.each(USERS)('%j: the check finds what the platform finds', (user) => {
  const platform = validateRegistration(compileSchema(EMPLOYEE), user);
  expect(schemaCheck(EMPLOYEE)(user)).toEqual(platform.ok ? [] : platform.errors);
});

const platformOf = () => new FakePlatform({ schema: EMPLOYEE, checkUsers: schemaCheck });

test('a bad user is refused without a request, with the errors that the platform would give', async () => {
  const platform = platformOf();
  const bad = { ...grace, department: 'army' } as Employee;
  const sent = await platform
    .client()
    .register<Employee>(bad)
    .catch((error: unknown) => error);
  platform.requests.length = 0;
  await using client = platform.client({ checkUsers: schemaCheck });
  const refused = await client.register<Employee>(bad).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(InvalidRegistrationError);
  const { errors } = sent as InvalidRegistrationError;
  expect(errors).toHaveLength(1);
  expect(refused).toMatchObject({ code: 'invalid_registration', status: 422, attempts: 0, errors });
  expect(platform.requests.map(({ path }) => path)).toEqual(['/.well-known/countersign']);
  expect(await client.register<Employee>(grace)).toMatchObject({ data: grace });
});

test('the user is checked as it is sent: what JSON leaves out is not there', async () => {
  await using client = platformOf().client({ checkUsers: schemaCheck });
  const user = { ...grace, more: undefined, since: { toJSON: () => '1943-12-01' } };
  expect(await client.register<Employee>(user)).toMatchObject({ data: { ...grace, since: '1943-12-01' } });
});

test('a schema is compiled once, and another one when the platform has it', async () => {
  const platform = platformOf();
  const compile = vi.fn(schemaCheck);
  await using client = platform.client({ checkUsers: compile });
  for (let i = 0; i < 3; i++) {
    await client.register<Employee>({ ...grace, user_id: `u${i}` });
    platform.advance(3_600_000);
  }
  expect(compile).toHaveBeenCalledTimes(1);
  platform.fault = ({ path }) =>
    path.startsWith('/.well-known')
      ? Response.json({ ...DOCUMENT, registration_schema: { type: 'object' } })
      : undefined;
  await client.register<Employee>(grace);
  await vi.waitFor(
    async () => {
      await client.register<Employee>(grace);
      expect(compile).toHaveBeenCalledTimes(2);
    },
    { timeout: 30_000 },
  );
});

const DOCUMENT = {
  issuer: 'https://api.example.com',
  regions: ['a', 'b'].map((name) => ({ name, url: `https://${name}.api.example.com` })),
  proof_max_life: 300,
  max_nonce_count: 100,
};

test.each([[{ type: 'no type' }], [{ $ref: '#/nowhere' }]])(
  'a schema such as %j that cannot be compiled checks nothing, and is warned of: the platform checks',
  async (registration_schema) => {
    const platform = new FakePlatform();
    platform.fault = ({ path }) =>
      path.startsWith('/.well-known') ? Response.json({ ...DOCUMENT, registration_schema }) : undefined;
    const warned: string[] = [];
    const logger = { debug: () => {}, info: () => {}, warn: (text: string) => void warned.push(text) };
    await using client = platform.client({ checkUsers: schemaCheck, logger });
    for (let i = 0; i < 2; i++)
      expect(await client.register({ user_id: 'ada' })).toMatchObject({ user_id: 'ada' });
    await expect(client.register({} as User)).rejects.toMatchObject({ attempts: 1, status: 422 });
    expect(warned).toEqual(["countersign: the platform's schema cannot be checked here"]);
  },
);

test('a platform that names no schema checks alone', async () => {
  const platform = new FakePlatform();
  platform.fault = ({ path }) => (path.startsWith('/.well-known') ? Response.json(DOCUMENT) : undefined);
  await using client = platform.client({ checkUsers: schemaCheck });
  await expect(client.register({} as User)).rejects.toMatchObject({ attempts: 1, status: 422 });
});

test('a fake platform with a schema needs the check', () => {
  expect(() => new FakePlatform({ schema: EMPLOYEE })).toThrow('a schema needs checkUsers');
});
