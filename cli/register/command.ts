/** `countersign register FILE`. */
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, usage } from '../io.ts';
import type { SetExit } from '../program.ts';
import { type AccessOptions, findAccess } from './access.ts';
import { FailuresFile } from './failures.ts';
import { type Format, openInput } from './input.ts';
import { startProgress } from './progress.ts';
import { registerRecords, type Summary } from './register.ts';

interface Options extends AccessOptions {
  readonly format?: Format;
  readonly concurrency: number;
  readonly failures?: string;
  readonly json?: true;
}

export function registerCommand(io: Io, setExit: SetExit): Command {
  return new Command('register')
    .description('Register the users of a file, replay-proof; safe to repeat.')
    .argument('<file>', 'CSV (.csv) or JSON Lines (.jsonl, .ndjson); - for standard input')
    .addOption(
      new Option('--format <format>', "of the file (default: by the file's name)").choices(['csv', 'jsonl']),
    )
    .option('--concurrency <count>', 'registrations under way at a time, 1 to 100', parseConcurrency, 8)
    .option('--failures <path>', 'where failures go (default: FILE.failed.jsonl)')
    .option('--url <url>', "the platform's base URL (default: $COUNTERSIGN_URL, or the local platform)")
    .option(
      '--api-key-file <path>',
      'file with the API key (default: $COUNTERSIGN_API_KEY, or the local client dev)',
    )
    .option('--json', 'print the summary as one JSON document')
    .addHelpText(
      'after',
      `
CSV: the first line names the members of a user: user_id, email, display_name, and attributes.NAME for each attribute.
Values are texts; an empty cell is a member that is not there. JSON Lines: one user a line.

What fails goes to the failures file, one line of JSON each: {"line", "user", "error"}, or "text" in place of "user"
where a line holds none. Mend the users in it and register that file.

Examples:
  $ countersign register users.csv
  $ countersign register users.csv.failed.jsonl --json
  $ generate-users | countersign register - --format jsonl --url https://api.example.com --api-key-file key.txt
${EXIT_CODES_HELP}`,
    )
    .action(async (file: string, options: Options) => setExit(await register(file, options, io)));
}

async function register(file: string, options: Options, io: Io): Promise<number> {
  const path = resolve(io.cwd, file);
  const failuresPath = options.failures ?? `${file === '-' ? 'stdin' : file}.failed.jsonl`;
  if (file !== '-' && resolve(io.cwd, failuresPath) === path)
    throw usage('--failures must be another file than FILE');
  const access = findAccess(options, io);
  const input = await openInput(file, path, options.format, io);
  const failures = new FailuresFile(resolve(io.cwd, failuresPath));
  const progress = startProgress(io, input.size, options.json === true);
  let summary: Summary;
  try {
    summary = await registerRecords(input, {
      ...access,
      concurrency: options.concurrency,
      failures,
      progress,
      io,
    });
  } finally {
    progress.stop();
    input.close();
    await failures.close();
  }
  report(summary, summary.failed > 0 ? failuresPath : null, file, options, io);
  if (summary.stoppedBy) return summary.stoppedBy.exitCode;
  return summary.failed > 0 ? EXIT.failed : EXIT.done;
}

function report(summary: Summary, failures: string | null, file: string, { json }: Options, io: Io): void {
  const { registered, replayed, failed, line, elapsedMs, stoppedBy } = summary;
  const seconds = Math.round(elapsedMs / 100) / 10;
  if (json) {
    const stopped = stoppedBy?.message ?? null;
    printJson(io, { file, registered, replayed, failed, failures, last_line: line, seconds, stopped });
  } else {
    const again = replayed > 0 ? ` (${count(replayed)} of them were before)` : '';
    io.stdout.write(`${count(registered)} registered${again}, ${count(failed)} failed, in ${seconds} s\n`);
    if (failures) io.stdout.write(`Failures: ${failures}\n`);
  }
  if (stoppedBy)
    io.stderr.write(
      `error: ${stoppedBy.message}; stopped after line ${count(line)}; run it again to go on\n`,
    );
}

const count = (n: number): string => n.toLocaleString('en');

function parseConcurrency(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 100) return value;
  throw new InvalidArgumentError('It must be a whole number from 1 to 100.');
}
