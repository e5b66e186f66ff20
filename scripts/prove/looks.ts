/** Looks at keys and registrations, for several steps of a proof. */
import type { Tools } from './tools.ts';

/** Within this time every Region refuses a key that it confirmed as revoked. */
export const REVOKED_MS = 10_000;

export interface Key {
  readonly kid: string;
  readonly state: string;
}

export interface Keyset {
  readonly purpose: string;
  readonly keys: readonly Key[];
  readonly regions: readonly { readonly region: string; readonly kids?: readonly string[] | null }[];
}

export const allOf = (found: readonly boolean[]): boolean => found.every(Boolean);

/** Whether a key signs, and each Region has every key that is not revoked. */
export function isEverywhere(
  { keys, regions }: Keyset,
  expected: readonly { readonly name: string }[],
): boolean {
  const live = keys.filter(({ state }) => state === 'current' || state === 'next');
  return (
    live.some(({ state }) => state === 'current') &&
    expected.every(({ name }) => {
      const kids = regions.find(({ region }) => region === name)?.kids ?? [];
      return live.every(({ kid }) => kids.includes(kid));
    })
  );
}

/** @returns whether each Region registers a user now */
export const registers = async (
  tools: Tools,
  regions = tools.regions,
  patienceMs = 30_000,
): Promise<boolean[]> => {
  const found = [];
  for (const { name } of regions)
    found.push((await idOf(tools, name, `user-${name}-${Date.now()}`, patienceMs)) !== undefined);
  await tools.replicate();
  return found;
};

/** @returns the registration's id, or undefined if this Region did not register the user */
export async function idOf(
  tools: Tools,
  region: string,
  user_id: string,
  patienceMs = 30_000,
): Promise<string | undefined> {
  const client = await tools.client(region);
  return client.register({ user_id }, { signal: AbortSignal.timeout(patienceMs) }).then(
    ({ id }) => id,
    () => undefined,
  );
}

export const isReadIn = async (tools: Tools, region: string, id: string): Promise<boolean> =>
  (await tools.client(region)).get(id).then(
    () => true,
    () => false,
  );
