/** `countersign clients`: create, invite, show, list, update, rotate-key, disable, enable, delete. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { AdminActions, ClientSummary } from '../../lambda/contract/admin.ts';
import { isScope } from '../../protocol/oauth/scope.ts';
import { change, invokeAdmin, listClients, Refused } from '../admin.ts';
import { askAtOnce, PATIENCE_MS } from '../ask.ts';
import { everywhere, type Outcome } from '../everywhere.ts';
import { CliError, EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, usage } from '../io.ts';
import { checkClientNames } from '../params.ts';
import { printClient, printClients, printFields, printTable } from '../print.ts';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';
import { parseTime, parseTimestamp } from '../time.ts';

type Options = TargetOptions & { readonly json?: true };

/** The unit of a limit. */
const LIMIT_IN = 'signatures per minute, per Region';

interface CredentialOptions {
  readonly expiresAt?: string;
  readonly jwk?: string;
}

interface CreateOptions extends Options, CredentialOptions {
  readonly profile: 'strict' | 'basic';
  readonly limit?: number;
  readonly scopes?: readonly string[];
}

interface InviteOptions extends Options {
  readonly expires?: number;
  readonly thumbprint?: string;
  readonly limit?: number;
  readonly scopes?: readonly string[];
}

interface UpdateOptions extends Options {
  readonly limit?: number | 'default';
  readonly scopes?: readonly string[];
}

interface RotateKeyOptions extends Options, CredentialOptions {
  readonly profile?: 'strict' | 'basic';
  readonly overlap?: number;
}

export function clientsCommand(io: Io, setExit: SetExit): Command {
  const clients = new Command('clients').description('Manage the clients that may register users.');
  const add = (usage: string, description: string, example: string, json: string) => {
    const command = addTargetOptions(checkClientNames(clients.command(usage).description(description)));
    return command
      .option('--json', json)
      .addHelpText('after', `\nExample:\n  $ countersign clients ${example}\n${EXIT_CODES_HELP}`);
  };
  const oneClient = 'print one JSON document';
  const profile = () =>
    new Option(
      '--profile <profile>',
      'strict: the proof covers the whole request; basic: a plain JWT, which any JWT library can make',
    ).choices(['strict', 'basic']);
  const addCredentialOptions = (command: Command) =>
    command
      .option('--expires-at <time>', 'when its key ends, RFC 3339; needed for basic', parseTimestamp)
      .option(
        '--jwk <file>',
        'a public JWK with alg, instead of an API key: the client keeps the private key',
      );

  const scopes = () =>
    new Option(
      '--scopes <scopes>',
      'what its access tokens may be for, separated by commas, e.g. registrations:read,orders:write',
    ).argParser(parseScopes);
  const limit = () =>
    new Option('--limit <signatures>', `${LIMIT_IN} (default: the platform's limit)`).argParser(parseLimit);

  addCredentialOptions(
    add(
      'create [name]',
      'Create a client. Its API key is shown only once.',
      'create my-service --limit 600',
      oneClient,
    )
      .addOption(profile().default('strict'))
      .addOption(limit())
      .addOption(scopes()),
  ).action((name: string | undefined, options: CreateOptions) => create(name, options));

  add(
    'invite <name>',
    'Let a client register one key of its own, by a token that is shown only once.',
    'invite my-service --expires 1h --json | jq -r .initial_access_token',
    oneClient,
  )
    .option('--expires <time>', 'how long the token works, e.g. 30m, 1h, 7d (default: 1h)', parseTime)
    .option(
      '--thumbprint <thumbprint>',
      'RFC 7638 thumbprint of the only key that may use it',
      parseThumbprint,
    )
    .addOption(limit())
    .addOption(scopes())
    .action(invite);

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
    'print JSON Lines, one client per line',
  ).action(list);

  add('update <name>', 'Change a client.', 'update my-service --limit 600', oneClient)
    .option('--limit <signatures>', `${LIMIT_IN}; \`default\` for the platform's limit`, (text: string) =>
      text === 'default' ? text : parseLimit(text),
    )
    .addOption(scopes())
    .action((client_id: string, { limit, scopes, ...options }: UpdateOptions) => {
      if (limit === undefined && scopes === undefined) throw usage('give --limit, --scopes or both');
      const changes = {
        ...(limit !== undefined && { limit: limit === 'default' ? null : limit }),
        ...(scopes && { scopes }),
      };
      return everywhere(
        io,
        setExit,
        options,
        'clients.update',
        { client_id, ...changes },
        {
          json: (client) => ({ client: client ?? null }),
          text: (client) =>
            [
              ...(limit === undefined
                ? []
                : [
                    `the limit of ${client_id} is ${client.limit === null ? "the platform's" : `${client.limit} ${LIMIT_IN}`}`,
                  ]),
              ...(scopes ? [`the scopes of ${client_id} are ${client.scopes.join(', ') || 'none'}`] : []),
            ].join('; '),
        },
      );
    });

  addCredentialOptions(
    add(
      'rotate-key <name>',
      'Give a client a new key. Its old keys stay valid for a while. The new API key is shown only once.',
      'rotate-key my-service --overlap 24h',
      oneClient,
    )
      .option(
        '--overlap <time>',
        'how long the old keys stay valid, e.g. 90s, 30m, 24h, 7d (default: 7d)',
        parseTime,
      )
      .addOption(profile()),
  ).action(rotateKey);

  for (const [verb, action] of [
    ['disable', 'clients.disable'],
    ['enable', 'clients.enable'],
  ] as const)
    add(
      `${verb} <name>`,
      verb === 'disable'
        ? 'Refuse everything that a client signs, within 10 seconds, in every Region.'
        : 'Accept a disabled client again, in every Region.',
      `${verb} my-service --stage prod --region eu-west-1,eu-central-1`,
      oneClient,
    ).action((client_id: string, options: Options) =>
      forClient(client_id, options, action, {
        json: (client) => ({ client: client ?? null }),
        text: ({ disabled }) => `${client_id} is ${disabled ? 'disabled' : 'enabled'}`,
        ...(verb === 'disable' && { atOnce: true }),
      }),
    );

  add(
    'delete <name>',
    'Delete a client; within 10 seconds its keys stop working, for good.',
    'delete my-service',
    oneClient,
  ).action((client_id: string, options: Options) =>
    forClient(client_id, options, 'clients.delete', {
      json: () => ({ client_id }),
      text: () => `${client_id} is deleted; within 10 seconds its keys stop working`,
      absentIsDone: true,
      atOnce: true,
    }),
  );
  return clients;

  /** @throws CliError that names the Region, if it is at fault: nobody typed which one is asked */
  async function invokeFirst<A extends keyof AdminActions>(
    options: Options,
    action: A,
    params: AdminActions[A]['params'],
  ): Promise<AdminActions[A]['result']> {
    const target = findTarget(options, io);
    const region = target.regions[0]!;
    return change(io, target, region, action, params).catch((error: unknown) => {
      if (!(error instanceof Refused) || error.code !== 'unavailable') throw error;
      throw new CliError(EXIT.failed, `${region}: ${error.message}`);
    });
  }

  function forClient<A extends 'clients.disable' | 'clients.enable' | 'clients.delete'>(
    client_id: string,
    options: Options,
    action: A,
    outcome: Outcome<AdminActions[A]['result']>,
  ): Promise<void> {
    return everywhere(io, setExit, options, action, { client_id }, outcome);
  }

  async function create(client_id: string | undefined, options: CreateOptions): Promise<void> {
    const { profile, limit, scopes } = options;
    const created = await invokeFirst(options, 'clients.create', {
      ...(client_id !== undefined && { client_id }),
      profile,
      ...(limit !== undefined && { limit }),
      ...(scopes && { scopes }),
      ...credential(options),
    });
    if (options.json) printJson(io, created);
    else printFields(io, { ...created });
    warnOnce(created.api_key);
  }

  /** Runs in one Region only: in two it would make two invites, of which the second ends the first. */
  async function invite(client_id: string, options: InviteOptions): Promise<void> {
    const { expires, thumbprint, limit, scopes } = options;
    const invited = await invokeFirst(options, 'clients.invite', {
      client_id,
      ...(expires !== undefined && { expires_s: expires }),
      ...(thumbprint !== undefined && { thumbprint }),
      ...(limit !== undefined && { limit }),
      ...(scopes && { scopes }),
    });
    if (options.json) printJson(io, invited);
    else printFields(io, { ...invited });
    io.stderr.write(
      thumbprint === undefined
        ? `The token is shown only once. Until somebody uses it, whoever finds it can register as ${client_id}: treat it like a key.\n`
        : 'The token is shown only once. Only the key with that thumbprint can use it.\n',
    );
  }

  /** Runs in one Region only: in two it would make two new generations. */
  async function rotateKey(client_id: string, options: RotateKeyOptions): Promise<void> {
    const { profile, overlap } = options;
    const rotated = await invokeFirst(options, 'clients.rotate-key', {
      client_id,
      ...(profile !== undefined && { profile }),
      ...(overlap !== undefined && { overlap_s: overlap }),
      ...credential(options),
    });
    if (options.json) printJson(io, rotated);
    else {
      const { ends, ...made } = rotated;
      printFields(io, made);
      if (ends.length > 0) {
        io.stdout.write('\n');
        printTable(
          io,
          ['old_key', 'ends_at'],
          ends.map(({ kid, expires_at }) => [kid, expires_at]),
        );
      }
    }
    warnOnce(rotated.api_key);
  }

  function credential({ expiresAt: expires_at, jwk }: CredentialOptions) {
    return {
      ...(expires_at !== undefined && { expires_at }),
      ...(jwk !== undefined && { jwk: readPublicJwk(resolve(io.cwd, jwk)) }),
    };
  }

  function warnOnce(apiKey: string | undefined): void {
    if (apiKey !== undefined) io.stderr.write('The API key is shown only once; store it in a safe place.\n');
  }

  async function list(options: Options): Promise<void> {
    const target = findTarget(options, io);
    const clients: ClientSummary[] = [];
    const end = new AbortController();
    const { asked, unreachable } = await askAtOnce(
      target,
      (region) => invokeAdmin(target, region, 'clients.list', { limit: 1 }, end.signal),
      { patienceMs: io.patienceMs ?? PATIENCE_MS },
    ).finally(() => end.abort());
    for (const { error } of unreachable) io.stderr.write(`error: ${error}; asked ${asked} instead\n`);
    for await (const client of listClients(target, asked))
      if (options.json) printJson(io, client);
      else clients.push(client);
    if (!options.json) printClients(io, clients);
  }
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number of at least 1, and of at most 9 digits.');
}

function parseScopes(text: string): readonly string[] {
  const scopes = text.split(',');
  if (scopes.every(isScope)) return [...new Set(scopes)];
  throw new InvalidArgumentError('It must be names of scopes, separated by commas, e.g. registrations:read.');
}

function parseThumbprint(text: string): string {
  if (/^[\w-]{43}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be the SHA-256 thumbprint of a JWK: 43 characters of base64url.');
}

/** @throws CliError where the file holds no JWK, or a private key. The message never quotes the file. */
function readPublicJwk(path: string): Record<string, unknown> {
  let jwk: unknown;
  try {
    jwk = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    // JSON.parse's own message quotes the text, which may be a key.
    throw usage(`--jwk: cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? 'it is not JSON'}`);
  }
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk))
    throw usage(`--jwk: ${path} is not a JWK`);
  if ('d' in jwk || 'k' in jwk)
    throw usage(`--jwk: ${path} is a private key, which must stay with its owner; give its public key`);
  return jwk as Record<string, unknown>;
}
