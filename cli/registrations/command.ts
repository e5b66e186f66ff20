/** `countersign registrations`: show, delete, erase. */
import { Command } from 'commander';
import type { AdminActions, ErasedRegistration } from '../../lambda/contract/admin.ts';
import { invokeAdmin } from '../admin.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson } from '../io.ts';
import { printFields } from '../print.ts';
import type { SetExit } from '../program.ts';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';

type Options = TargetOptions & { readonly json?: true };
type RegistrationAction = 'registrations.show' | 'registrations.delete' | 'registrations.erase';

export function registrationsCommand(io: Io, setExit: SetExit): Command {
  const registrations = new Command('registrations').description(
    'Look at, delete or erase what clients registered.',
  );
  const add = (verb: string, description: string) =>
    addTargetOptions(registrations.command(`${verb} <client> <user_id>`).description(description))
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `\nExample:\n  $ countersign registrations ${verb} my-service ada\n${EXIT_CODES_HELP}`,
      );

  add('show', 'Show a registration, or when it was deleted.').action(
    async (client: string, user: string, options: Options) => {
      const shown = await invoke(options, 'registrations.show', client, user);
      if (options.json) return void printJson(io, shown);
      const { data, ...fields } = { data: undefined, ...shown };
      printFields(io, { ...fields, ...(data && { data: JSON.stringify(data) }) });
    },
  );

  add('delete', 'Delete a registration, as its client could.').action(
    async (client: string, user: string, options: Options) => {
      const { id, deleted } = await invoke(options, 'registrations.delete', client, user);
      if (options.json) printJson(io, { id, deleted });
      else
        io.stdout.write(
          `${id} ${deleted ? 'is deleted' : 'was not there; nothing signed before now registers it'}\n`,
        );
      if (!deleted) setExit(EXIT.failed);
    },
  );

  add('erase', 'Delete a registration and, an hour later, the tombstone too, so that nothing of it is left.')
    .option('--wait', 'wait until the tombstone can go')
    .addHelpText(
      'after',
      `
The data goes at once. A tombstone stays for an hour: a hash and a time, which keep a request that was signed before,
and held back, from registering the user again. Run the command again then, or let it wait.`,
    )
    .action(erase);
  return registrations;

  function invoke<A extends RegistrationAction>(
    options: Options,
    action: A,
    client_id: string,
    user_id: string,
  ): Promise<AdminActions[A]['result']> {
    const target = findTarget(options, io);
    return invokeAdmin(target, target.regions[0]!, action, { client_id, user_id });
  }

  async function erase(client: string, user: string, options: Options & { wait?: true }): Promise<void> {
    let erased = await invoke(options, 'registrations.erase', client, user);
    while (options.wait && erased.erasable_at !== undefined) {
      io.stderr.write(`deleted; waiting until ${erased.erasable_at} for its tombstone to go\n`);
      const waitMs = Math.max(1_000, Date.parse(erased.erasable_at) - Date.now());
      if (!(await slept(waitMs))) {
        setExit(EXIT.interrupted);
        break;
      }
      erased = await invoke(options, 'registrations.erase', client, user);
    }
    if (options.json) printJson(io, erased);
    else io.stdout.write(`${erased.id} ${describe(erased)}\n`);
  }

  /** @returns whether it slept through, rather than being interrupted */
  function slept(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (through: boolean) => {
        clearTimeout(timer);
        disarm();
        resolve(through);
      };
      const timer = setTimeout(() => end(true), ms);
      const disarm = io.onInterrupt(() => end(false));
    });
  }
}

const describe = ({ state, erasable_at }: ErasedRegistration): string =>
  ({
    absent: 'is not there; nothing of it is left',
    erased: 'is erased; nothing of it is left',
    deleted: `is deleted; its tombstone can go from ${erasable_at} on: run this again then`,
  })[state];
