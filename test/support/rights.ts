/** AWS clients that refuse what a function's role refuses, by the table that the roles are made from. */
import type { Dynamodb, Secrets } from '../../lambda/adapters/aws/commands.ts';
import { type ServingBundle, secretName, TABLES, type TableKind } from '../../lambda/contract/names.ts';
import { type Action, PERMISSIONS, type Permissions } from '../../lib/functions/rights.ts';
import { STAGE } from './dynalite.ts';

interface Command {
  readonly input: {
    readonly TableName?: string;
    readonly Key?: { readonly pk?: { readonly S?: string } };
    readonly Item?: { readonly pk?: { readonly S?: string } };
    readonly SecretId?: string;
  };
}

/** @returns the clients as the function's role may use them */
export function asFunction(
  name: ServingBundle,
  clients: { readonly dynamodb: Dynamodb; readonly secrets: Secrets },
  where: 'here' | 'elsewhere' = 'here',
): typeof clients {
  const { tables, limits: own, limitsEverywhere, secrets = [] }: Permissions = PERMISSIONS[name];
  const here = where === 'here';
  const keysOf = (action: Action) => [
    ...((here && own?.[action]) || []),
    ...(limitsEverywhere?.[action] ?? []),
  ];
  const mayUse = (action: Action, { TableName, Key, Item }: Command['input']): boolean => {
    const kind = (Object.keys(TABLES) as TableKind[]).find((each) => TableName?.includes(`-${each}`));
    if (kind === undefined) return false;
    if (kind !== 'limits') return here && tables?.[kind]?.includes(action) === true;
    const pk = (Key ?? Item)?.pk?.S;
    return pk !== undefined && keysOf(action).some((pattern) => isLike(pk, pattern));
  };
  const names: string[] = secrets.map((purpose) => secretName(STAGE, purpose));
  return {
    dynamodb: only(clients.dynamodb, (action, input) => mayUse(action as Action, input)),
    secrets: only(
      clients.secrets,
      (action, { SecretId = '' }) => action === 'GetSecretValue' && names.includes(SecretId),
    ),
  };
}

/** IAM's `StringLike`, of which the table uses `*`. */
function isLike(text: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}

function only<C>(client: C, allows: (action: string, input: Command['input']) => boolean): C {
  const { send: pass } = client as { send(command: Command, ...rest: unknown[]): Promise<unknown> };
  const send = async (command: Command, ...rest: unknown[]) => {
    const action = command.constructor.name.replace(/Command$/, '');
    if (allows(action, command.input)) return pass.call(client, command, ...rest);
    const error = new Error(`its role does not allow ${action} of ${JSON.stringify(command.input)}`);
    throw Object.assign(error, { name: 'AccessDeniedException' });
  };
  return { send } as C;
}
