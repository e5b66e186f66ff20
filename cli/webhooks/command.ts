/** `countersign webhooks`: create, list, update, delete, test, failures, replay. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { FailedEvent, ShownEndpoint } from '../../lambda/contract/admin.ts';
import { isClientId } from '../../protocol/client-id.ts';
import { change } from '../admin.ts';
import {
  CliError,
  EXIT,
  EXIT_CODES_HELP,
  type Io,
  interruptible,
  printJson,
  type SetExit,
  usage,
} from '../io.ts';
import { pause } from '../pause.ts';
import { printFields, printTable } from '../print.ts';
import { addTargetOptions, collect, findTarget, type TargetOptions } from '../target.ts';
import { parseSince } from '../time.ts';
import { type Holder, holderOf, listEndpoints } from './list.ts';

type Options = TargetOptions & { readonly json?: true };

interface Settings {
  readonly events?: readonly string[];
  readonly payload?: 'thin' | 'full';
}

interface CreateOptions extends Options, Settings {
  readonly client?: string;
  readonly all?: true;
  readonly url: string;
}

interface UpdateOptions extends Options, Settings {
  readonly url?: string;
  readonly enable?: true;
  readonly disable?: true;
  readonly newSecret?: true;
}

interface ReplayOptions extends Options {
  readonly since?: string;
  readonly event?: string;
}

/** Given-up events are counted so far. */
const MOST_COUNTED = 100;
/** How long `test` waits for the result of a ping. */
const PING_MS = 30_000;

export function webhooksCommand(io: Io, setExit: SetExit): Command {
  const webhooks = new Command('webhooks').description('Manage the endpoints that get callbacks.');
  const add = (usage: string, description: string, example: string) =>
    addTargetOptions(webhooks.command(usage).description(description))
      .option('--json', 'print one JSON document')
      .addHelpText('after', `\nExample:\n  $ countersign webhooks ${example}\n${EXIT_CODES_HELP}`);
  const addSettings = (command: Command) =>
    command
      .addOption(
        new Option(
          '--events <types>',
          'only these types of events; repeatable, or with commas; all for all',
        ).argParser(collect),
      )
      .addOption(
        new Option(
          '--payload <form>',
          'thin: ids only; full: with the registration, which is personal data',
        ).choices(['thin', 'full']),
      );

  addSettings(
    add(
      'create',
      'Create an endpoint. Its secret is shown only once. It gets events once it has answered a ping.',
      'create --client my-service --url https://example.com/hooks',
    )
      .option('--client <name>', 'the client whose events it gets', parseClient)
      .option('--all', 'instead: the events of all clients')
      .requiredOption('--url <url>', 'where events are sent: https, port 443, a public address'),
  ).action(create);

  add('list', 'List the endpoints, and how delivery to each of them goes.', 'list --client my-service')
    .option('--client <name>', 'only those of this client', parseClient)
    .action(list);

  addSettings(
    add(
      'update <endpoint>',
      'Change an endpoint. Another URL has to answer a ping before it gets events.',
      'update ep_4fzQhT1mVb8kLr2s --enable',
    ).option('--url <url>', 'where events are sent'),
  )
    .addOption(new Option('--enable', 'deliver again, from where delivery stood').conflicts('disable'))
    .option('--disable', 'deliver nothing until it is enabled')
    .option('--new-secret', 'give it another secret; those before sign for a day, too')
    .action(update);

  add('delete <endpoint>', 'Delete an endpoint.', 'delete ep_4fzQhT1mVb8kLr2s').action(
    async (id: string, options: Options) =>
      print(
        options,
        await atHolder(options, id, ({ ask }) => ask('webhooks.delete', { id })),
        `${id} is deleted`,
      ),
  );

  add(
    'test <endpoint>',
    'Send a ping to an endpoint, and wait for the result.',
    'test ep_4fzQhT1mVb8kLr2s',
  ).action(test);

  add(
    'failures <endpoint>',
    'List the events that were not delivered within three days.',
    'failures ep_4fzQhT1mVb8kLr2s',
  ).action(failures);

  add(
    'replay <endpoint>',
    'Deliver events again, with the same ids.',
    'replay ep_4fzQhT1mVb8kLr2s --since 24h',
  )
    .option('--since <time>', 'all of its events since then: RFC 3339, or how long ago, e.g. 24h', parseSince)
    .option('--event <id>', 'one event that `webhooks failures` lists')
    .action(replay);
  return webhooks;

  /** Works with the Region that delivers to an endpoint, until Ctrl-C. */
  function atHolder<R>(
    options: Options,
    id: string,
    work: (holder: Holder, signal: AbortSignal) => Promise<R>,
  ): Promise<R> {
    return interruptible(io, async (signal) =>
      work(await holderOf(findTarget(options, io), id, signal), signal),
    );
  }

  function print(options: Options, result: object, line: string): void {
    if (options.json) printJson(io, result);
    else io.stdout.write(`${line}\n`);
  }

  async function create({ client, all, url, ...options }: CreateOptions): Promise<void> {
    if ((client === undefined) === (all === undefined)) throw usage('give --client NAME, or --all');
    const whose = client === undefined ? { all: true as const } : { client };
    const { events, ...form } = settings(options);
    const params = { ...whose, url, ...form, ...(events && { events }) };
    const target = findTarget(options, io);
    const created = await change(io, target, target.regions[0]!, 'webhooks.create', params);
    if (options.json) printJson(io, created);
    else printFields(io, created);
    warnOnce();
  }

  async function list({ client, ...options }: Options & { readonly client?: string }): Promise<void> {
    const { endpoints, failed } = await listEndpoints(findTarget(options, io), client);
    for (const error of failed) io.stderr.write(`error: ${error}\n`);
    if (failed.length > 0) setExit(EXIT.failed);
    if (options.json) printJson(io, { endpoints });
    else
      printTable(
        io,
        ['endpoint', 'client', 'url', 'state', 'delivery', 'holder', 'last_ping', 'secret_ends'],
        endpoints.map(row),
      );
  }

  async function update(id: string, options: UpdateOptions): Promise<void> {
    const { url, enable, disable, newSecret } = options;
    const changes = {
      ...settings(options),
      ...(url !== undefined && { url }),
      ...(enable && { enabled: true }),
      ...(disable && { enabled: false }),
      ...(newSecret && { new_secret: true as const }),
    };
    if (Object.keys(changes).length === 0)
      throw usage('give --url, --events, --payload, --enable, --disable or --new-secret');
    const { secret, ...updated } = await atHolder(options, id, ({ ask }) =>
      ask('webhooks.update', { id, ...changes }),
    );
    const shown = secret === undefined ? updated : { ...updated, secret };
    print(
      options,
      shown,
      `${id} is ${updated.state}${secret === undefined ? '' : `; its secret is ${secret}`}`,
    );
    if (secret !== undefined) warnOnce();
  }

  async function test(id: string, options: Options): Promise<void> {
    const pollMs = io.pollMs ?? 1_000;
    const ping = await atHolder(options, id, async ({ ask }, signal) => {
      const last = async () => {
        const { endpoints } = await ask('webhooks.list', {});
        return endpoints.find((endpoint) => endpoint.id === id)?.ping;
      };
      const before = await last();
      await ask('webhooks.test', { id });
      for (let waitedMs = 0; waitedMs < PING_MS; waitedMs += pollMs) {
        const result = await last();
        if (result && result.at !== before?.at) return result;
        await pause(pollMs, signal);
      }
      return undefined;
    });
    if (!ping) throw new CliError(EXIT.failed, 'the ping has no result yet: look with webhooks list');
    const { status, error } = ping;
    print(options, { id, ...ping }, `${id} answered the ping with ${status ?? error}`);
    if (status === null || status < 200 || status > 299) setExit(EXIT.failed);
  }

  async function failures(id: string, options: Options): Promise<void> {
    const all: FailedEvent[] = [];
    await atHolder(options, id, async ({ ask }) => {
      let after: string | undefined;
      do {
        const params = { id, ...(after !== undefined && { after }) };
        const page = await ask('webhooks.failures', params);
        all.push(...page.failures);
        after = page.next;
      } while (after !== undefined);
    });
    if (options.json) printJson(io, { failures: all });
    else
      printTable(
        io,
        ['event', 'type', 'first_at', 'attempts', 'last_answer', 'given_up_at'],
        all.map(({ event, type, first_at, attempts, last_status, last_error, dead_at }) => [
          ...[event, type, first_at, String(attempts), String(last_status ?? last_error), dead_at],
        ]),
      );
  }

  async function replay(id: string, { since, event, ...options }: ReplayOptions): Promise<void> {
    if ((since === undefined) === (event === undefined)) throw usage('give --since TIME, or --event ID');
    const which = since === undefined ? { event: event! } : { since };
    const { region, result } = await atHolder(options, id, async ({ region, ask }) => ({
      region,
      result: await ask('webhooks.replay', { id, ...which }),
    }));
    print(
      options,
      { id, ...result },
      `${region} sends ${event ?? `what happened since ${since}`} to ${id} again; webhooks list shows how it goes`,
    );
  }

  function warnOnce(): void {
    io.stderr.write('The secret is shown only once; store it in a safe place.\n');
  }
}

/** `events` is null for all types. */
function settings({ events, payload }: Settings) {
  return {
    ...(events && { events: events.length === 1 && events[0] === 'all' ? null : events }),
    ...(payload !== undefined && { payload }),
  };
}

function row(endpoint: ShownEndpoint): string[] {
  const { id, client, url, state, holder, ping, secret_ends_at } = endpoint;
  const last = ping ? `${ping.status ?? ping.error} ${ping.at}` : '';
  const whose = client === '*' ? 'all' : client;
  return [id, whose, url, state, delivery(endpoint), holder, last, secret_ends_at ?? ''];
}

function delivery(endpoint: ShownEndpoint): string {
  const { circuit, failing_since, pending, retries, given_up, stopped } = endpoint;
  const parts = [
    ...(stopped ? ['paused: writes are stopped'] : []),
    ...(circuit === 'open' ? ['held up by failures'] : []),
    ...(failing_since === null ? [] : [`failing since ${failing_since}`]),
    ...(retries > 0 ? [`${retries} to retry`] : []),
    ...(given_up > 0 ? [`${given_up === MOST_COUNTED ? 'at least ' : ''}${given_up} given up`] : []),
    ...(pending === null ? ['new ones unknown'] : pending > 0 ? ['new ones to send'] : []),
  ];
  return parts.join(', ') || 'all sent';
}

function parseClient(text: string): string {
  if (isClientId(text)) return text;
  throw new InvalidArgumentError("It must be a client's name, e.g. my-service.");
}

/** @returns a time of RFC 3339 */
