/** The flags of `npm start` (docs/guide.md). */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { TableConsistency } from '../lambda/contract/serving-environment.ts';
import type { VaultChoice } from './vault/start.ts';

export interface StartOptions {
  readonly port: number;
  readonly regions: 2 | 3;
  readonly consistency: TableConsistency;
  readonly vault: VaultChoice;
  readonly regionProcesses: boolean;
  readonly allowOrigin: readonly string[];
  readonly demo: boolean;
  readonly json: boolean;
}

/** Vault's port is the highest one: 60 above the entry's. */
const HIGHEST_PORT = 65_535 - 60;

/**
 * @param args without the interpreter and the script. A wrong flag, or `--help`, prints a message and ends
 * the process.
 */
export function parseOptions(args: readonly string[]): StartOptions {
  return new Command('npm start --')
    .description('Run Countersign on this machine until Ctrl-C. All state is in memory.')
    .addOption(
      new Option(
        '--port <port>',
        'port of the entry; the Regions use the next ports, the AWS endpoint the one 50 higher, the embedded Vault 60 higher; 0: any free ports',
      )
        .default(4100)
        .argParser(parsePort),
    )
    .addOption(
      new Option('--regions <count>', 'number of Regions: 2 (with a witness) or 3')
        .choices(['2', '3'])
        .default(2)
        .argParser(parseRegions),
    )
    .addOption(
      new Option('--consistency <mode>', 'consistency of the global tables')
        .choices(['strong', 'eventual'])
        .default('strong'),
    )
    .addOption(
      new Option(
        '--vault <where>',
        'the Vault that makes the keys: embedded, openbao (installed once, needs Python), or a URL (needs VAULT_TOKEN)',
      )
        .default('embedded')
        .argParser(parseVault),
    )
    .option('--region-processes', 'run each Region as a process of its own, as drills do', false)
    .addOption(
      new Option(
        '--allow-origin <url>',
        'web origin that may call the entry and the Regions, e.g. http://localhost:5173; repeatable',
      )
        .default([], "only the platform's own")
        .argParser(parseOrigin),
    )
    .option('--no-demo', 'do not register a first user')
    .option(
      '--json',
      'print one line of JSON when ready, and nothing else; npm start --silent -- --json keeps npm quiet too',
      false,
    )
    .configureOutput({
      // npm keeps the flags that come before `--` and passes on their values alone.
      outputError(text, write) {
        const message = text.trimEnd().replace(/\.$/, '');
        const hint = message.startsWith('error: too many arguments')
          ? `; flags go after --: npm start -- --port ${args.find((arg) => /^\d+$/.test(arg)) ?? 4200}`
          : '';
        write(`${message}${hint}\n`);
      },
    })
    .parse([...args], { from: 'user' })
    .opts<StartOptions>();
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= HIGHEST_PORT) return port;
  throw new InvalidArgumentError(`It must be a number from 1 to ${HIGHEST_PORT}, or 0 for any free ports.`);
}

function parseRegions(text: string): 2 | 3 {
  if (text === '2' || text === '3') return text === '2' ? 2 : 3;
  throw new InvalidArgumentError('Allowed choices are 2, 3.');
}

function parseOrigin(text: string, before: readonly string[]): readonly string[] {
  if (/^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text.replace(/\/$/, ''))
    return [...before, new URL(text).origin];
  throw new InvalidArgumentError(
    'It must be an origin: scheme (http or https), host and port, without a path.',
  );
}

function parseVault(text: string): VaultChoice {
  if (text === 'embedded' || text === 'openbao') return text;
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text as VaultChoice;
  throw new InvalidArgumentError('It must be embedded, openbao, or the URL of a Vault.');
}
