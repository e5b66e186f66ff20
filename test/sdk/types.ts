/** Code that must compile, and code that must not: `tsc` checks it in `npm test`, and nothing runs it. */
import type { CountersignClient, CountersignError, User } from '../../sdk/typescript/index.ts';

interface Employee {
  readonly user_id: string;
  readonly department: string;
}

export async function users(client: CountersignClient, employee: Employee): Promise<void> {
  const registration = await client.register({ user_id: 'a' });
  registration.data.email?.toLowerCase();
  // @ts-expect-error a member that no user has
  await client.register({ user_id: 'a', emial: 'a@example.com' });
  // @ts-expect-error no user without its id
  await client.register({ email: 'a@example.com' });
  // @ts-expect-error a member that no user has
  client.registerBatch([{ user_id: 'a', emial: 'a@example.com' }]);
  client.registerBatch((async function* () {})() as AsyncIterable<User>);

  // An operator's own schema.
  const { data } = await client.register<Employee>({ user_id: 'a', department: 'b' });
  data.department.toLowerCase();
  // @ts-expect-error a member that no employee has
  await client.register<Employee>({ user_id: 'a', department: 'b', email: 'a@example.com' });
  for await (const { user } of client.registerBatch<Employee>([employee])) user.department.toLowerCase();
}

export async function failures(client: CountersignClient, all: readonly User[]): Promise<CountersignError[]> {
  const found: CountersignError[] = [];
  for await (const result of client.registerBatch(all)) if (!result.ok) found.push(result.error);
  return found;
}
