/** `countersign clients`: create, show, list, disable, enable, delete. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { AdminActions, ClientSummary } from '../../lambda/contract/admin.ts';
import { CliError, EXIT, EXIT_CODES_HELP, type Io, printJson, usage } from '../io.ts';
import type { SetExit } from '../program.ts';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';
import { invokeAdmin } from './admin.ts';
import { printClient, printClients, printFields } from './print.ts';

type Options = TargetOptions & { readonly json?: true };

interface CreateOptions extends Options {
  readonly profile: 'strict' | 'basic';
  readonly limit?: number;
  readonly expiresAt?: string;
  readonly jwk?: string;
}

export function clientsCommand(io: Io, setExit: SetExit): Command {
  const clients = new Command('clients').description('Look after the clients that may register users.');
  const add = (usage: string, description: string, example: string, json: string) => {
    const command = addTargetOptions(clients.command(usage).description(description));
    return command
      .option('--json', json)
      .addHelpText('after', `\nExample:\n  $ countersign clients ${example}\n${EXIT_CODES_HELP}`);
  };
  const oneClient = 'print one JSON document';

  add(
    'create [name]',
    'Create a client; prints its API key, once.',
    'create my-service --limit 600',
    oneClient,
  )
    .addOption(
      new Option(
        '--profile <profile>',
        'strict: the proof binds the whole request; basic: any JWT library will do',
      )
        .choices(['strict', 'basic'])
        .default('strict'),
    )
    .option('--limit <signatures>', "signatures a minute (default: the platform's own limit)", parseLimit)
    .option('--expires-at <time>', 'when its key ends, RFC 3339; needed for basic')
    .option('--jwk <file>', 'a public JWK with alg, in place of an API key: the client keeps the private key')
    .action((name: string | undefined, options: CreateOptions) => create(name, options));

  add('show <name>', 'Show a client and its keys.', 'show my-service', oneClient).action(
    async (client_id: string, options: Options) => {
      const client = await invokeFirst(options, 'clients.show', { client_id });
      if (options.json) printJson(io, client);
      else printClient(io, client);
    },
  );

  add(
    'list',
    'List all clients.',
    'list --json | jq -r .client_id',
    'print JSON Lines, one client each',
  ).action(list);

  for (const [verb, action] of [
    ['disable', 'clients.disable'],
    ['enable', 'clients.enable'],
  ] as const)
    add(
      `${verb} <name>`,
      verb === 'disable'
        ? 'Refuse all that a client signs, within 10 seconds, in every Region.'
        : 'Accept what a disabled client signs again, in every Region.',
      `${verb} my-service --stage prod --region eu-west-1,eu-central-1`,
      oneClient,
    ).action((name: string, options: Options) => everywhere(action, name, options));

  add('delete <name>', 'Delete a client; its keys stay dead.', 'delete my-service', oneClient).action(
    async (client_id: string, options: Options) => {
      const deleted = await invokeFirst(options, 'clients.delete', { client_id });
      if (options.json) printJson(io, deleted);
      else io.stdout.write(`${client_id} is deleted\n`);
    },
  );
  return clients;

  function invokeFirst<A extends keyof AdminActions>(
    options: Options,
    action: A,
    params: AdminActions[A]['params'],
  ): Promise<AdminActions[A]['result']> {
    const target = findTarget(options, io);
    return invokeAdmin(target, target.regions[0]!, action, params);
  }

  async function create(client_id: string | undefined, options: CreateOptions): Promise<void> {
    const { profile, limit, expiresAt: expires_at, jwk } = options;
    const created = await invokeFirst(options, 'clients.create', {
      ...(client_id !== undefined && { client_id }),
      profile,
      ...(limit !== undefined && { limit }),
      ...(expires_at !== undefined && { expires_at }),
      ...(jwk !== undefined && { jwk: readPublicJwk(resolve(io.cwd, jwk)) }),
    });
    if (options.json) printJson(io, created);
    else printFields(io, { ...created });
    if (created.api_key !== undefined)
      io.stderr.write('The API key is shown this once; keep it in a safe place.\n');
  }

  async function list(options: Options): Promise<void> {
    const clients: ClientSummary[] = [];
    let cursor: string | undefined;
    do {
      const page = await invokeFirst(options, 'clients.list', {
        limit: 100,
        ...(cursor !== undefined && { cursor }),
      });
      if (options.json) for (const client of page.clients) printJson(io, client);
      else clients.push(...page.clients);
      cursor = page.cursor;
    } while (cursor !== undefined);
    if (!options.json) printClients(io, clients);
  }

  /** Written through every Region, so that it holds in each whatever the replication does. */
  async function everywhere(
    action: 'clients.disable' | 'clients.enable',
    client_id: string,
    options: Options,
  ): Promise<void> {
    const target = findTarget(options, io);
    const confirmed: string[] = [];
    const failed: { region: string; error: string }[] = [];
    let client: ClientSummary | undefined;
    for (const region of target.regions)
      try {
        client = await invokeAdmin(target, region, action, { client_id });
        confirmed.push(region);
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        failed.push({ region, error: error.message });
        setExit(confirmed.length > 0 ? EXIT.failed : error.exitCode);
      }
    if (failed.length > 0 && confirmed.length > 0) setExit(EXIT.failed);
    if (options.json) printJson(io, { client: client ?? null, confirmed, failed });
    else if (client)
      io.stdout.write(
        `${client_id} is ${client.disabled ? 'disabled' : 'enabled'}: ${confirmed.join(', ')}\n`,
      );
    for (const { region, error } of failed) io.stderr.write(`error: not confirmed by ${region}: ${error}\n`);
  }
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1 on.');
}

function readPublicJwk(path: string): Record<string, unknown> {
  let jwk: unknown;
  try {
    jwk = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    // JSON.parse quotes what it read, which may be a key.
    throw usage(`--jwk: cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? 'it is not JSON'}`);
  }
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk))
    throw usage(`--jwk: ${path} is not a JWK`);
  if ('d' in jwk || 'k' in jwk)
    throw usage(`--jwk: ${path} is a private key, which must not leave its owner`);
  return jwk as Record<string, unknown>;
}
