/**
 * Brings a Vault to where a stage needs it. Nothing is written before it is known that everything can be: first what
 * stands there and whether it may be read, then what is in the way, then the rights to write.
 */
import type { VaultApi, VaultData } from '../../lambda/vault/api.ts';
import { VaultError } from '../../lambda/vault/vault-error.ts';
import { type Members, type Plan, type Standing, type Step, vaultSteps } from './plan.ts';

export interface Outcome {
  readonly what: string;
  /** Of a dry run: what there would be to do. */
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
  readonly onDone?: (outcome: Outcome) => void;
}

/** What is in the way, all of it, in one line. */
export class SetupRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SetupRefused';
  }
}

/** @throws VaultError, SetupRefused; a run that broke off is finished by another one */
export async function setUpVault({
  api,
  token,
  plan,
  dryRun = false,
  onDone,
}: SetupOptions): Promise<Outcome[]> {
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
  if (conflicts.length > 0) throw new SetupRefused(`nothing was written, since ${conflicts.join('; ')}`);
  const due = steps.filter((_, i) => standings[i] !== 'same');
  await requireRights(
    api,
    token,
    due.map(({ path, rights }) => [path, rights]),
  );

  const outcomes: Outcome[] = [];
  for (const [i, step] of steps.entries()) {
    const { what, path, data } = step;
    const state = standings[i] === 'same' ? 'unchanged' : standings[i] === 'absent' ? 'create' : 'change';
    if (state !== 'unchanged' && !dryRun) await api.write(path, data, token);
    const outcome: Outcome = { what, state, path, data };
    outcomes.push(outcome);
    onDone?.(outcome);
  }
  return outcomes;
}

/** @returns what a run on an empty Vault would do */
export const setupOfEmptyVault = (plan: Plan): Outcome[] =>
  vaultSteps(plan).map(({ what, path, data }) => ({ what, state: 'create', path, data }));

async function find(api: VaultApi, token: string, { readPath }: Step): Promise<Members | undefined> {
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
      `nothing was written, since the token lacks ${[...new Set(missing)].join('; ')} (cli/vault/setup.hcl has all that is needed, and is an administrator's)`,
    );
}

const dataOf = (answer: VaultData | undefined): Members | undefined => answer?.data as Members | undefined;
