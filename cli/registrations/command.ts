/** `countersign registrations`: show, delete, erase. */
import { Command } from 'commander';
import type { ErasedRegistration } from '../../lambda/contract/admin.ts';
import { invokeAdmin } from '../admin.ts';
import { askEverywhere, tell } from '../everywhere.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit } from '../io.ts';
import { checkClientNames } from '../params.ts';
import { printFields } from '../print.ts';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';

type Options = TargetOptions & { readonly json?: true };

/** The platform's clock and this machine's need not agree: it is asked again until it says so. */
const LEAST_WAIT_MS = 5_000;

export function registrationsCommand(io: Io, setExit: SetExit): Command {
  const registrations = new Command('registrations').description(
    'Look at, delete or erase what clients registered.',
  );
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

  add('delete', 'Delete a registration, as its client could, in every Region.').action(
    async (client_id: string, user_id: string, options: Options) => {
      const params = { client_id, user_id };
      const answers = await askEverywhere(io, options, 'registrations.delete', params, {
        // One Region's tombstone is what the next one finds.
        merge: (before, next) => ({ ...next, deleted: before.deleted || next.deleted }),
      });
      if (answers.result?.deleted === false) setExit(EXIT.failed);
      tell(io, setExit, options, answers, {
        json: (result) => ({ ...result }),
        text: ({ id, deleted }) =>
          `${id} ${deleted ? 'is deleted' : 'was not there; nothing signed before now registers it'}`,
      });
    },
  );

  add('erase', 'Delete a registration and, an hour later, the tombstone too, so that nothing of it is left.')
    .option('--wait', 'wait until the tombstone can go')
    .addHelpText(
      'after',
      `
The data goes at once, in every Region. A tombstone stays for an hour: a hash and a time, which keep a request that was
signed before, and held back, from registering the user again. Run the command again then, or let it wait.`,
    )
    .action(erase);
  return registrations;

  async function erase(
    client_id: string,
    user_id: string,
    options: Options & { wait?: true },
  ): Promise<void> {
    const ask = () =>
      askEverywhere(io, options, 'registrations.erase', { client_id, user_id }, { merge: leastErased });
    let answers = await ask();
    let interrupted = false;
    for (let until = answers.result?.erasable_at; options.wait && until !== undefined; ) {
      interrupted = !(await waited(until));
      if (interrupted) break;
      answers = await ask();
      until = answers.result?.erasable_at;
    }
    tell(io, setExit, options, answers, {
      json: (result) => ({ ...result }),
      text: (result) => `${result.id} ${describe(result)}`,
    });
    if (interrupted) setExit(EXIT.interrupted);
  }

  /** @returns whether that time came, rather than Ctrl-C */
  function waited(until: string): Promise<boolean> {
    const { stderr, terminal } = io;
    const endMs = Math.max(Date.parse(until), Date.now() + LEAST_WAIT_MS);
    stderr.write(`deleted; waiting until ${until} for its tombstone to go\n`);
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
      const disarm = io.onInterrupt(() => end(false));
    });
  }
}

/** Where one Region still holds something, it is not gone. */
function leastErased(before: ErasedRegistration, next: ErasedRegistration): ErasedRegistration {
  const rank = { absent: 0, erased: 1, deleted: 2 };
  if (before.state !== next.state) return rank[before.state] > rank[next.state] ? before : next;
  return (before.erasable_at ?? '') > (next.erasable_at ?? '') ? before : next;
}

/** `59:07`. */
function minutes(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

const describe = ({ state, erasable_at }: ErasedRegistration): string =>
  ({
    absent: 'is not there; nothing of it is left',
    erased: 'is erased; nothing of it is left',
    deleted: `is deleted; its tombstone can go from ${erasable_at} on, run this again then`,
  })[state];
