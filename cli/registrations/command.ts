/** `countersign registrations`: show, delete, erase. */
import { Command } from 'commander';
import type { AdminActions, ErasedRegistration } from '../../lambda/contract/admin.ts';
import { invokeAdmin } from '../admin.ts';
import { onEnding } from '../ending.ts';
import { type Answers, askEverywhere, printAnswers } from '../everywhere.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit } from '../io.ts';
import { checkClientNames } from '../params.ts';
import { printFields } from '../print.ts';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';

type Options = TargetOptions & { readonly json?: true };
type RegistrationParams = AdminActions['registrations.erase']['params'];

/** Shortest wait before the next attempt: this machine's clock may be ahead of the platform's. */
const LEAST_WAIT_MS = 5_000;

export function registrationsCommand(io: Io, setExit: SetExit): Command {
  const registrations = new Command('registrations').description('Show, delete or erase registrations.');
  const add = (verb: string, description: string) =>
    addTargetOptions(
      checkClientNames(registrations.command(`${verb} <client> <user_id>`).description(description)),
    )
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `\nExample:\n  $ countersign registrations ${verb} my-service ada\n${EXIT_CODES_HELP}`,
      );

  add('show', 'Show a registration, or when it was deleted.').action(
    async (client_id: string, user_id: string, options: Options) => {
      const target = findTarget(options, io);
      const shown = await invokeAdmin(target, target.regions[0]!, 'registrations.show', {
        client_id,
        user_id,
      });
      if (options.json) return void printJson(io, shown);
      const { data, ...fields } = { data: undefined, ...shown };
      printFields(io, { ...fields, ...(data && { data: JSON.stringify(data) }) });
    },
  );

  add('delete', 'Delete a registration in every Region, as its client could.').action(
    async (client_id: string, user_id: string, options: Options) => {
      const params = { client_id, user_id };
      const answers = await askEverywhere(io, options, 'registrations.delete', params, {
        // After the first Region deleted it, the next one may find only the tombstone.
        merge: (before, next) => ({ ...next, deleted: before.deleted || next.deleted }),
      });
      if (answers.result?.deleted === false) setExit(EXIT.failed);
      printAnswers(io, setExit, options, answers, {
        json: (result) => ({ ...result }),
        text: ({ id, deleted }) => `${nameOf(params, id)} ${deleted ? 'is deleted' : absent(answers)}`,
      });
    },
  );

  add('erase', 'Delete a registration and, an hour later, its tombstone too, so that no trace is left.')
    .option('--wait', 'wait for that hour, then delete the tombstone')
    .addHelpText(
      'after',
      `
The data is deleted at once, in every Region. A tombstone stays for an hour: it holds a hash and a time, and keeps a request
that was signed before the deletion from registering the user again. After that hour run the command again, or use --wait,
which waits only if every Region has confirmed.`,
    )
    .action(erase);
  return registrations;

  async function erase(
    client_id: string,
    user_id: string,
    options: Options & { wait?: true },
  ): Promise<void> {
    let erased = false;
    let existed = false;
    const note = <A extends ErasedRegistration | undefined>(answer: A): A => {
      erased ||= answer?.state === 'erased';
      existed ||= answer?.existed === true;
      return answer;
    };
    // Once a Region has deleted the tombstone, one that finds nothing must not leave a new one.
    const params = (before?: ErasedRegistration) => {
      note(before);
      return { client_id, user_id, ...(erased && { erased }) };
    };
    const merge = (before: ErasedRegistration, next: ErasedRegistration) => leastErased(before, note(next));
    const askOnce = async () => {
      const answers = await askEverywhere(io, options, 'registrations.erase', params, { merge });
      note(answers.result);
      // After the first Region deleted it, the next one finds only the tombstone.
      if (answers.result?.state !== 'deleted') return answers;
      return { ...answers, result: { ...answers.result, existed } };
    };
    const ask = async () => {
      const answers = await askOnce();
      const isAskedAgain = options.wait && answers.failed.length > 0 && answers.exit !== EXIT.interrupted;
      return isAskedAgain ? askOnce() : answers;
    };
    let answers = await ask();
    let interrupted = false;
    // A Region that has not confirmed may still hold the data: report that now, not in an hour.
    while (options.wait && answers.failed.length === 0 && answers.result?.erasable_at !== undefined) {
      interrupted = !(await waited(answers.result.erasable_at));
      if (interrupted) break;
      answers = await ask();
    }
    printAnswers(io, setExit, options, answers, {
      json: (result) => ({ ...result }),
      text: (result) => `${nameOf({ client_id, user_id }, result.id)} ${describe(result)}`,
    });
    if (interrupted) setExit(EXIT.interrupted);
  }

  /** @returns true once that time has come, false on Ctrl-C or a signal to end */
  function waited(until: string): Promise<boolean> {
    const { stderr, terminal } = io;
    const endMs = Math.max(Date.parse(until), Date.now() + LEAST_WAIT_MS);
    stderr.write(`deleted; waiting until ${until}, when the tombstone can be deleted\n`);
    const countDown = () => terminal?.write(`\r  ${minutes(endMs - Date.now())} `);
    countDown();
    return new Promise((resolve) => {
      const end = (through: boolean) => {
        clearTimeout(timer);
        clearInterval(ticks);
        disarm();
        terminal?.write('\n');
        resolve(through);
      };
      const ticks = terminal && setInterval(countDown, 1_000);
      const timer = setTimeout(() => end(true), endMs - Date.now());
      const disarm = onEnding(io, () => end(false));
    });
  }
}

const nameOf = ({ client_id, user_id }: RegistrationParams, id: string): string =>
  `${user_id} of ${client_id} (${id})`;

/** @returns why nothing was deleted. A Region whose answer was lost may have deleted it. */
const absent = ({ failed }: Answers<unknown>): string =>
  failed.length > 0
    ? 'is not there any more; whether it existed is unknown'
    : 'did not exist; no request signed before now can register it';

/** @returns the answer of the Region that still holds the most: only the last erasure counts */
function leastErased(before: ErasedRegistration, next: ErasedRegistration): ErasedRegistration {
  const rank = { absent: 0, erased: 1, deleted: 2 };
  if (before.state !== next.state) return rank[before.state] > rank[next.state] ? before : next;
  return (before.erasable_at ?? '') > (next.erasable_at ?? '') ? before : next;
}

/** Formats as minutes and seconds: `59:07`. */
function minutes(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function describe({ state, erasable_at, existed }: ErasedRegistration): string {
  if (state === 'absent') return 'never existed, nor did its client; no trace is left';
  if (state === 'erased') return 'is erased; no trace is left';
  const now = existed
    ? 'is deleted'
    : 'was not registered: it was deleted before, it never existed, or the name is mistyped';
  return `${now}; run this again from ${erasable_at} on to delete its tombstone`;
}
