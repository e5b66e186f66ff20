/** `countersign listen --forward-to URL`: brings a client's events to a program under development. */
import { hkdfSync } from 'node:crypto';
import { type CountersignClient, CountersignError, type ReadEvent } from '@countersign/sdk';
import { Command, InvalidArgumentError } from 'commander';
import { lengthPrefixed } from '../../protocol/bytes.ts';
import { fixOf } from '../fixes.ts';
import { CliError, EXIT, EXIT_CODES_HELP, type Io, interruptible, printJson, type SetExit } from '../io.ts';
import { pause } from '../pause.ts';
import {
  type Access,
  type AccessOptions,
  addAccessOptions,
  connect,
  findAccess,
} from '../register/access.ts';
import { scopeOf } from '../register/failure-scope.ts';
import { forward, isSuccess, type Outcome } from './forward.ts';

interface Options extends AccessOptions {
  readonly forwardTo: string;
  readonly after?: string;
  readonly json?: true;
}

const POLL_MS = 1_000;

export function listenCommand(io: Io, setExit: SetExit): Command {
  const command = new Command('listen')
    .description("Send a client's events, as they happen, to a program under development.")
    .requiredOption('--forward-to <url>', 'where each event is sent, signed, by POST', parseUrl)
    .option(
      '--after <cursor>',
      'go on from an event of an earlier run, and repeat some before it; 0: with the oldest (default: now)',
    );
  return addAccessOptions(command)
    .option('--json', 'print JSON Lines: first the secret, then each event')
    .addHelpText(
      'after',
      `
The events are signed with the secret that is printed first. It stays the same for the same API key. No endpoint is
created, and each event is sent once, whatever your program answers. Ctrl-C ends the command, with 0 if your program
answered each event with success, else with 1.

Example:
  $ countersign listen --forward-to http://localhost:8080/hooks
${EXIT_CODES_HELP}`,
    )
    .action(async (options: Options) => setExit(await listen(options, io)));
}

async function listen(options: Options, io: Io): Promise<number> {
  const access = findAccess(options, io);
  await using client = connect({ url: access.url, apiKey: access.apiKey, regions: access.regions });
  const listener = new Listener(options, io, access, client);
  await interruptible(io, (signal) => listener.run(signal));
  return listener.failed > 0 ? EXIT.failed : EXIT.done;
}

class Listener {
  /** How many events were not answered with success. */
  failed = 0;
  readonly #options: Options;
  readonly #io: Io;
  readonly #access: Access;
  readonly #client: CountersignClient;
  readonly #secret: string;
  #after: string;
  /** Whether the past was read to its end, and is not forwarded. */
  #isReady: boolean;
  /** Whether the platform gave no answer, which is said once. */
  #isLost = false;

  constructor(options: Options, io: Io, access: Access, client: CountersignClient) {
    this.#options = options;
    this.#io = io;
    this.#access = access;
    this.#client = client;
    this.#secret = secretOf(access.apiKey);
    this.#after = options.after ?? '0';
    this.#isReady = options.after !== undefined;
    if (this.#isReady) this.#announce();
  }

  /** @throws CliError where the platform refuses, or cannot be reached at the start */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#readOn(signal);
        this.#isLost = false;
      } catch (error) {
        if (signal.aborted) return;
        this.#survive(error);
      }
      await pause(this.#io.pollMs ?? POLL_MS, signal).catch(() => {});
    }
  }

  async #readOn(signal: AbortSignal): Promise<void> {
    for await (const event of this.#client.events({ after: this.#after, signal })) {
      if (this.#isReady) {
        const outcome = await forward(event, this.#options.forwardTo, this.#secret, signal);
        if (!isSuccess(outcome)) this.failed += 1;
        this.#report(event, outcome);
      }
      this.#after = event.cursor;
    }
    if (!this.#isReady) this.#announce();
    this.#isReady = true;
  }

  #announce(): void {
    const { forwardTo, json } = this.#options;
    const client_id = this.#client.clientId;
    if (json) printJson(this.#io, { client_id, forward_to: forwardTo, secret: this.#secret });
    else
      this.#io.stdout.write(
        `events of ${client_id} go to ${forwardTo}, signed with the secret ${this.#secret}\n`,
      );
  }

  #report(event: ReadEvent, outcome: Outcome): void {
    if (this.#options.json) printJson(this.#io, { ...event, ...outcome });
    else {
      const answer = 'status' in outcome ? outcome.status : outcome.error;
      this.#io.stdout.write(`${event.type} ${event.id}: ${answer}\n`);
    }
  }

  /** A platform that answered before may be back soon. @throws CliError where waiting does not help */
  #survive(error: unknown): void {
    if (!(error instanceof CountersignError)) throw error;
    const scope = scopeOf(error);
    const isPassing = scope === 'unreachable' || scope === 'faulty';
    if (!isPassing || !this.#isReady) {
      const fix = fixOf(error, this.#access);
      const message = fix ? `${error.message}; ${fix}` : error.message;
      throw new CliError(isPassing ? EXIT.unreachable : EXIT.failed, message);
    }
    if (!this.#isLost) this.#io.stderr.write(`error: ${error.message}; trying again\n`);
    this.#isLost = true;
  }
}

/** The platform has no secret for this: the events do not come from an endpoint. */
const secretOf = (apiKey: string): string => {
  const secret = hkdfSync('sha256', apiKey, '', lengthPrefixed('countersign/listen/v1'), 32);
  return `whsec_${Buffer.from(secret).toString('base64')}`;
};

function parseUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError('It must be a URL with http:// or https://.');
}
