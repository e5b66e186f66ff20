/** `countersign completion SHELL`: a script by which a shell completes commands, options and their values. */
import { Argument, Command } from 'commander';
import type { Io } from './io.ts';

interface Word {
  readonly word: string;
  readonly description: string;
}

/** What may follow a command, such as `keys revoke`. */
interface Place {
  /** The command's words, with spaces between them; the empty string for `countersign` itself. */
  readonly at: string;
  /** Subcommands, or the choices of the arguments. */
  readonly words: readonly Word[];
  readonly options: readonly Word[];
  /** Each option that takes a value, with its choices. Without choices the shell completes file names. */
  readonly values: readonly { readonly options: readonly string[]; readonly choices: readonly string[] }[];
}

/** @param loadAll gives the whole tree of commands */
export function completionCommand(io: Io, loadAll: () => Promise<Command>): Command {
  return new Command('completion')
    .description('Print a script that makes a shell complete the words of this command.')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      `
Put the line of your shell into its start file:
  bash  source <(countersign completion bash)
  zsh   source <(countersign completion zsh)
  fish  countersign completion fish | source`,
    )
    .action(async (shell: keyof typeof SCRIPTS) => {
      const script = SCRIPTS[shell](places(await loadAll()));
      for (const line of script.split('\n')) io.stdout.write(`${line}\n`);
    });
}

function places(command: Command, path: readonly string[] = []): Place[] {
  const help = command.createHelp();
  const below = help.visibleCommands(command);
  const options = help.visibleOptions(command);
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  const here: Place = {
    at: path.join(' '),
    words: [
      ...below.map((each) => ({ word: each.name(), description: help.subcommandDescription(each) })),
      ...choices.map((word) => ({ word, description: '' })),
    ],
    options: options.flatMap(({ short, long, description }) =>
      [short, long].flatMap((word) => (word ? [{ word, description }] : [])),
    ),
    values: options
      .filter(({ required, optional }) => required || optional)
      .map(({ short, long, argChoices = [] }) => ({
        options: [short, long].filter((word) => word !== undefined),
        choices: argChoices,
      })),
  };
  const deeper = below.filter((each) => each.name() !== 'help');
  return [here, ...deeper.flatMap((each) => places(each, [...path, each.name()]))];
}

/** A word between single quotes, which bash and zsh take literally. */
const single = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const list = (words: readonly Word[]): string => words.map(({ word }) => word).join(' ');
/** The commands that have others below them or are below one, as they extend the place `at`. */
const known = (all: readonly Place[]): string =>
  all.flatMap(({ at }) => (at === '' ? [] : [single(at)])).join('|');

const bash = (all: readonly Place[]): string => `_countersign() {
  local at='' word cur="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${at:+$at }$word" in ${known(all)}) at="\${at:+$at }$word" ;; esac
  done
  COMPREPLY=()
  case "$at:$previous" in
${all
  .flatMap(({ at, values }) =>
    values
      .filter(({ choices }) => choices.length > 0)
      .map(
        ({ options, choices }) =>
          `    ${options.map((option) => single(`${at}:${option}`)).join('|')}) COMPREPLY=($(compgen -W ${single(choices.join(' '))} -- "$cur")); return ;;`,
      ),
  )
  .join('\n')}
${all
  .flatMap(({ at, values }) =>
    values
      .filter(({ choices }) => choices.length === 0)
      .map(({ options }) => `    ${options.map((option) => single(`${at}:${option}`)).join('|')}) return ;;`),
  )
  .join('\n')}
  esac
  local words=''
  case "$at" in
${all.map(({ at, words, options }) => `    ${single(at)}) if [[ $cur == -* ]]; then words=${single(list(options))}; else words=${single(list(words))}; fi ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _countersign countersign`;

/** In \`_describe\`, a colon ends the word. */
const described = (words: readonly Word[]): string =>
  words.map(({ word, description }) => single(`${word.replaceAll(':', '\\:')}:${description}`)).join(' ');

const zsh = (all: readonly Place[]): string => `#compdef countersign
_countersign() {
  local at='' word
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${at:+$at }$word" in (${known(all)}) at="\${at:+$at }$word" ;; esac
  done
  case "$at:\${words[CURRENT-1]}" in
${all
  .flatMap(({ at, values }) =>
    values.map(({ options, choices }) => {
      const pattern = options.map((option) => single(`${at}:${option}`)).join('|');
      return `    (${pattern}) ${choices.length > 0 ? `compadd -- ${choices.map(single).join(' ')}` : '_files'}; return ;;`;
    }),
  )
  .join('\n')}
  esac
  case "$at" in
${all.map(({ at, words, options }) => `    (${single(at)}) if [[ \${words[CURRENT]} == -* ]]; then found=(${described(options)}); else found=(${described(words)}); fi ;;`).join('\n')}
  esac
  if (( $#found )); then _describe countersign found; else _files; fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _countersign countersign`;

/** Between single quotes fish reads `\\` and `'` after a backslash. */
const fishQuoted = (text: string): string => `'${text.replaceAll(/[\\']/g, '\\$&')}'`;

function fish(all: readonly Place[]): string {
  const commands = all.flatMap(({ at }) => (at === '' ? [] : [fishQuoted(at)]));
  const lines = all.flatMap(({ at, words, options, values }) => {
    const base = `complete -c countersign -n ${fishQuoted(`test (__countersign_at) = ${fishQuoted(at)}`)}`;
    const valued = new Map(values.flatMap((value) => value.options.map((option) => [option, value.choices])));
    return [
      ...words.map(
        ({ word, description }) => `${base} -f -a ${fishQuoted(word)} -d ${fishQuoted(description)}`,
      ),
      ...options.map(({ word, description }) => {
        const name = word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`;
        const choices = valued.get(word);
        const value = !choices ? '' : choices.length > 0 ? ` -x -a ${fishQuoted(choices.join(' '))}` : ' -r';
        return `${base} ${name}${value} -d ${fishQuoted(description)}`;
      }),
    ];
  });
  return `function __countersign_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -- "$at $word")
    contains -- $next ${commands.join(' ')}; and set at $next
  end
  echo $at
end
${lines.join('\n')}`;
}

const SCRIPTS = { bash, zsh, fish };
