/**
 * Prepares a Vault for a stage. Before the first write it checks that every step can succeed: it checks the
 * rights to read, reads the present state, looks for conflicts, then checks the rights to write.
 */
import type { VaultApi, VaultData } from '../../lambda/vault/api.ts';
import { VaultError } from '../../lambda/vault/vault-error.ts';
import { type Members, type Plan, type SetupStep, type Standing, vaultSteps } from './plan.ts';

export interface StepResult {
  readonly what: string;
  /** In a dry run: what a real run would do. */
  readonly state: 'unchanged' | 'create' | 'change';
  readonly path: string;
  readonly data: Members;
}

export interface SetupOptions {
  readonly api: VaultApi;
  readonly token: string;
  readonly plan: Plan;
  /** Read, and write nothing. */
  readonly dryRun?: boolean;
  /** Called after each step. */
  readonly onDone?: (result: StepResult) => void;
}

/** Nothing was written. The message names every conflict, or every missing right, in one line. */
export class SetupRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SetupRefused';
  }
}

/** @throws VaultError, SetupRefused. If a run is interrupted, run it again: the next run finishes it. */
export async function setUpVault({
  api,
  token,
  plan,
  dryRun = false,
  onDone,
}: SetupOptions): Promise<StepResult[]> {
  const steps = vaultSteps(plan);
  await requireRights(
    api,
    token,
    steps.map(({ readPath }) => [readPath, ['read']]),
  );
  const standings: Standing[] = [];
  for (const step of steps) standings.push(step.standing(await find(api, token, step)));
  const conflicts = standings.flatMap((standing) =>
    typeof standing === 'object' ? [standing.conflict] : [],
  );
  if (conflicts.length > 0) throw new SetupRefused(`nothing was written, because ${conflicts.join('; ')}`);
  const due = steps.filter((_, i) => standings[i] !== 'same');
  await requireRights(
    api,
    token,
    due.map(({ path, rights }) => [path, rights]),
  );

  const results: StepResult[] = [];
  for (const [i, step] of steps.entries()) {
    const { what, path, data } = step;
    const state = standings[i] === 'same' ? 'unchanged' : standings[i] === 'absent' ? 'create' : 'change';
    if (state !== 'unchanged' && !dryRun) await api.write(path, data, token);
    const result: StepResult = { what, state, path, data };
    results.push(result);
    onDone?.(result);
  }
  return results;
}

/** @returns the results that a run on an empty Vault would have */
export const setupOfEmptyVault = (plan: Plan): StepResult[] =>
  vaultSteps(plan).map(({ what, path, data }) => ({ what, state: 'create', path, data }));

async function find(api: VaultApi, token: string, { readPath }: SetupStep): Promise<Members | undefined> {
  try {
    return dataOf(await api.read(readPath, token));
  } catch (error) {
    if (error instanceof VaultError && error.code === 'not_found') return undefined;
    throw error;
  }
}

type Right = readonly [path: string, capabilities: readonly string[]];

async function requireRights(api: VaultApi, token: string, rights: readonly Right[]): Promise<void> {
  if (rights.length === 0) return;
  const paths = [...new Set(rights.map(([path]) => path))];
  const held = dataOf(await api.write('sys/capabilities-self', { paths }, token));
  const missing = rights.flatMap(([path, needed]) => {
    const capabilities = (held?.[path] as string[] | undefined) ?? [];
    const lacking = capabilities.includes('root')
      ? []
      : needed.filter((name) => !capabilities.includes(name));
    return lacking.length > 0 ? [`${lacking.join(', ')} on ${path}`] : [];
  });
  if (missing.length > 0)
    throw new SetupRefused(
      `nothing was written, because the token lacks ${[...new Set(missing)].join('; ')} (cli/vault/setup.hcl, a policy for administrators, grants all that is needed)`,
    );
}

const dataOf = (answer: VaultData | undefined): Members | undefined => answer?.data as Members | undefined;
