/** The `countersign` command and its subcommands. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { clientsCommand } from './clients/command.ts';
import { deployCommand, destroyCommand } from './deploy/command.ts';
import { regionCommand } from './deploy/region-command.ts';
import { doctorCommand } from './doctor/command.ts';
import {
  CliError,
  commandIo,
  EXIT,
  EXIT_CODES_HELP,
  type Io,
  type SetExit,
  type Streams,
  usage,
} from './io.ts';
import { keysCommand } from './keys/command.ts';
import { preflightCommand } from './preflight/command.ts';
import { writeLines } from './printable.ts';
import { evacuateCommand, returnCommand } from './regions/command.ts';
import { registerCommand } from './register/command.ts';
import { registrationsCommand } from './registrations/command.ts';
import { registryCommand } from './registry/command.ts';
import { revokeCommand } from './revoke/command.ts';
import { vaultCommand } from './vault/command.ts';

/**
 * Runs one command line.
 *
 * @param args without the interpreter and the script
 * @returns the exit code
 */
export async function run(args: readonly string[], streams: Streams): Promise<number> {
  const io = commandIo(streams);
  let exitCode: number = EXIT.done;
  const setExit: SetExit = (code) => {
    exitCode = code;
  };
  const program = new Command('countersign')
    .description('Replay-proof registration: register users, manage registrations, clients and keys.')
    .addCommand(registerCommand(io, setExit))
    .addCommand(registrationsCommand(io, setExit))
    .addCommand(clientsCommand(io, setExit))
    .addCommand(revokeCommand(io, setExit))
    .addCommand(keysCommand(io, setExit))
    .addCommand(evacuateCommand(io, setExit))
    .addCommand(returnCommand(io, setExit))
    .addCommand(registryCommand(io, setExit))
    .addCommand(doctorCommand(io, setExit))
    .addCommand(preflightCommand(io, setExit))
    .addCommand(deployCommand(io, setExit))
    .addCommand(destroyCommand(io, setExit))
    .addCommand(regionCommand(io, setExit))
    .addCommand(vaultCommand(io))
    .addCommand(helpCommand())
    .version(version(), '-V, --version', 'print the version')
    .addHelpText('after', EXIT_CODES_HELP);
  tame(program, io);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    const { message } = error as Error;
    io.stderr.write(`error: ${message.split('\n')[0]}\n`);
    return error instanceof CliError ? error.exitCode : EXIT.failed;
  }
}

/** Keeps commander from ending the process and from writing elsewhere than to `io`. */
function tame(command: Command, io: Io): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => writeLines(io.stdout, text),
    writeErr: (text) => writeLines(io.stderr, text),
  });
  for (const subcommand of command.commands) tame(subcommand, io);
}

/** Version of the package that holds this file, both in the source tree and in the published package. */
const version = (): string =>
  (
    JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      readonly version: string;
    }
  ).version;

/** `countersign help keys revoke`. Commander's own help command knows only the first level. */
function helpCommand(): Command {
  return new Command('help')
    .argument('[command...]')
    .description('print the help of a command')
    .action((names: readonly string[], _options: object, self: Command) => {
      let command = self.parent!;
      for (const name of names) {
        const below = command.commands.find((each) => each.name() === name);
        if (!below) throw usage(`unknown command '${name}'`);
        command = below;
      }
      command.outputHelp();
    });
}
