/** The `countersign` command and its subcommands. */
import { Command, CommanderError } from 'commander';
import { clientsCommand } from './clients/command.ts';
import { doctorCommand } from './doctor/command.ts';
import { CliError, EXIT, EXIT_CODES_HELP, type Io, type SetExit } from './io.ts';
import { keysCommand } from './keys/command.ts';
import { preflightCommand } from './preflight/command.ts';
import { registerCommand } from './register/command.ts';
import { registrationsCommand } from './registrations/command.ts';
import { revokeCommand } from './revoke/command.ts';
import { vaultCommand } from './vault/command.ts';

/**
 * Runs one command line.
 *
 * @param args without the interpreter and the script
 * @returns the exit code
 */
export async function run(args: readonly string[], io: Io): Promise<number> {
  let exitCode: number = EXIT.done;
  const setExit: SetExit = (code) => {
    exitCode = code;
  };
  const program = new Command('countersign')
    .description('Replay-proof registration: register users, look after registrations, clients and keys.')
    .addCommand(registerCommand(io, setExit))
    .addCommand(registrationsCommand(io, setExit))
    .addCommand(clientsCommand(io, setExit))
    .addCommand(revokeCommand(io, setExit))
    .addCommand(keysCommand(io, setExit))
    .addCommand(doctorCommand(io, setExit))
    .addCommand(preflightCommand(io, setExit))
    .addCommand(vaultCommand(io))
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

/** No command ends the process or writes anywhere but to `io`. */
function tame(command: Command, io: Io): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
  });
  for (const subcommand of command.commands) tame(subcommand, io);
}
