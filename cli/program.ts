/** The `countersign` command and its subcommands. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Help } from 'commander';
import { commands, type Entry } from './commands.ts';
import { completionCommand } from './completion.ts';
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
import { quoted, writeLines } from './printable.ts';

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
  const entries = commands(io, setExit, run);
  const words = thumbprintLast(args);
  const named = words.find((word) => !word.startsWith('-') && word !== 'help');
  const program = await assemble(entries, (name) => name === named, io);
  tame(program, io, words);
  try {
    await program.parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    const { message } = error as Error;
    io.stderr.write(`error: ${message.split('\n')[0]}\n`);
    return error instanceof CliError ? error.exitCode : EXIT.failed;
  }
}

/**
 * @param isNeeded whether the command with this name is loaded; only its line of help stands for another
 */
async function assemble(
  entries: readonly Entry[],
  isNeeded: (name: string) => boolean,
  io: Io,
): Promise<Command> {
  const terms = new Map(entries.map(({ term }) => [nameIn(term), term]));
  const program = new Command('countersign')
    .description('Replay-proof registration: register users, manage registrations, clients and keys.')
    .configureHelp({
      subcommandTerm: (command) =>
        terms.get(command.name()) ?? Help.prototype.subcommandTerm.call(undefined, command),
    });
  for (const { term, description, hidden = false, load } of entries) {
    const name = nameIn(term);
    const command = isNeeded(name) ? await load() : new Command(name).description(description);
    program.addCommand(command, { hidden });
  }
  return program
    .addCommand(completionCommand(io, () => assemble(entries, () => true, io)))
    .addCommand(helpCommand())
    .version(version(), '-V, --version', 'print the version')
    .addHelpText('after', EXIT_CODES_HELP);
}

const nameIn = (term: string): string => term.split(' ')[0]!;

/** Keeps commander from ending the process and from writing elsewhere than to `io`. */
function tame(command: Command, io: Io, words: readonly string[]): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => writeLines(io.stdout, text),
    writeErr: (text) => writeLines(io.stderr, text),
    // One line: the message quotes an argument, and a line break of an argument must not begin a line of its
    // own.
    outputError: (text) => {
      const message = text.trimEnd().replace('\n(Did you mean ', ' (Did you mean ');
      io.stderr.write(`${message}${hintFor(message, words)}\n`);
    },
  });
  for (const subcommand of command.commands) tame(subcommand, io, words);
}

/**
 * A key's thumbprint may begin with `-` (RFC 7638 in base64url), and no option has its length. It is the last
 * argument of each command that takes one.
 */
function thumbprintLast(args: readonly string[]): string[] {
  const isThumbprint = (word: string) => /^-[\w-]{21}([\w-]{21})?$/.test(word);
  if (args.includes('--') || !args.some(isThumbprint)) return [...args];
  return [...args.filter((word) => !isThumbprint(word)), '--', ...args.filter(isThumbprint)];
}

/** @returns the command line that takes the word as an argument, such as a `user_id` that begins with `-` */
function hintFor(message: string, words: readonly string[]): string {
  const at = words.findIndex((word) => message.startsWith(`error: unknown option '${word}'`));
  if (at < 0 || message.includes('(Did you mean ')) return '';
  const after = words.slice(at + 1);
  const moved = after.some((word) => word.startsWith('-'))
    ? [...words.slice(0, at), ...after, '--', words[at]!]
    : [...words.slice(0, at), '--', words[at]!, ...after];
  return `; if it is an argument: countersign ${moved.map(quoted).join(' ')}`;
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
