/** The flags of `npm start` (design: 6-running). */
import { Command, InvalidArgumentError, Option } from 'commander';

export interface StartOptions {
  readonly port: number;
  readonly regions: 2 | 3;
  readonly consistency: 'strong' | 'eventual';
  readonly vault: 'embedded';
  readonly demo: boolean;
  readonly json: boolean;
}

/** Vault's port is the highest: 60 above the entry's. */
const HIGHEST_PORT = 65_535 - 60;

/** @param args without the interpreter and the script; a bad one, or `--help`, ends the process with a sentence */
export function parseOptions(args: readonly string[]): StartOptions {
  return new Command('npm start --')
    .description('Runs Countersign on this machine until Ctrl-C; state is in memory.')
    .addOption(
      new Option(
        '--port <port>',
        'port of the entry; Regions follow it, the AWS endpoint is 50 higher; 0: any',
      )
        .default(4100)
        .argParser(parsePort),
    )
    .addOption(
      new Option('--regions <count>', 'two Regions (and a witness) or three')
        .choices(['2', '3'])
        .default(2)
        .argParser(parseRegions),
    )
    .addOption(
      new Option('--consistency <mode>', 'of the global tables')
        .choices(['strong', 'eventual'])
        .default('strong'),
    )
    .addOption(
      new Option('--vault <where>', 'where keys come from').default('embedded').argParser(parseVault),
    )
    .option('--no-demo', 'register no first user')
    .option('--json', 'print one line of JSON when ready, then nothing', false)
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

function parseVault(text: string): 'embedded' {
  if (text === 'embedded') return text;
  throw new InvalidArgumentError(
    'Another Vault than the embedded one comes with key rotation; leave --vault out.',
  );
}
