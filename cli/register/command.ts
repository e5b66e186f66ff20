/** `countersign register FILE`: registers the users of a file. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseApiKey } from '../../protocol/api-key.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, usage } from '../io.ts';
import { type Access, type AccessOptions, addAccessOptions, findAccess } from './access.ts';
import { Checkpoint } from './checkpoint.ts';
import { FailuresFile } from './failures.ts';
import { type Format, type Input, openInput } from './input.ts';
import { type Progress, startProgress } from './progress.ts';
import { registerRecords, type Summary } from './register.ts';
import type { Stop } from './stop.ts';

interface Options extends AccessOptions {
  readonly format?: Format;
  readonly concurrency: number;
  readonly failures?: string;
  readonly restart?: boolean;
  readonly dryRun?: true;
  readonly json?: true;
}

export function registerCommand(io: Io, setExit: SetExit): Command {
  const command = new Command('register')
    .description('Register the users of a file, replay-proof; safe to repeat.')
    .argument('<file>', 'CSV (.csv) or JSON Lines (.jsonl, .ndjson); - for standard input')
    .addOption(
      new Option('--format <format>', "format of the file (default: by the file's name)").choices([
        'csv',
        'jsonl',
      ]),
    )
    .option('--concurrency <count>', 'registrations under way at a time, 1 to 100', parseConcurrency, 8)
    .option('--failures <path>', 'where failures go (default: FILE.failed.jsonl)')
    .option('--restart', 'start from the first line, even if an earlier run of this file did a part')
    .option('--dry-run', 'check every line by the schema of the platform; register nobody, write no file');
  return addAccessOptions(command)
    .option('--json', 'print the summary as one JSON document')
    .addHelpText(
      'after',
      `
CSV: the first line names the members of a user: user_id, email, display_name, and attributes.NAME for each attribute.
Every value is a string; an empty cell leaves the member out. JSON Lines: one user per line.

Each user that fails goes to the failures file, as one line of JSON: {"line", "user", "error"}. Where the line holds no
user, "text" stands in place of "user". Fix the users in that file, then register it. Every record of a file is either
registered or reported as failed.

If a run stops, by Ctrl-C or otherwise, run the same command again to continue. The progress is kept in FILE.progress.json
(beside the failures, with --failures) until the whole file is done. Standard input cannot be read again, so it starts from
the beginning. Nobody is registered twice in either case.

Examples:
  $ countersign register users.csv --dry-run
  $ countersign register users.csv
  $ countersign register users.csv.failed.jsonl --json
  $ generate-users | countersign register - --format jsonl --url https://api.example.com --api-key-file key.txt
${EXIT_CODES_HELP}`,
    )
    .action(async (file: string, options: Options) => setExit(await register(file, options, io)));
}

async function register(file: string, options: Options, io: Io): Promise<number> {
  if (options.dryRun) return tryRegister(file, options, io);
  const path = resolve(io.cwd, file);
  const failuresPath = options.failures ?? `${file === '-' ? 'stdin' : file}.failed.jsonl`;
  if (file !== '-' && isSameFile(resolve(io.cwd, failuresPath), path))
    throw usage('--failures must not be the same file as FILE');
  const access = findAccess(options, io);
  const { checkpoint, failures } = begin(file, failuresPath, access, options, io);
  const before = checkpoint?.counts;
  if (checkpoint?.resumedAfterLine !== undefined)
    io.stderr.write(
      `continuing after line ${count(checkpoint.resumedAfterLine)}; so far ${count(before!.registered)} registered, ${count(before!.failed)} failed\n`,
    );
  let through = false;
  let input: Input | undefined;
  let progress: Progress | undefined;
  try {
    input = await openInput(file, path, options.format, io);
    progress = startProgress(
      io,
      input.size,
      options.json === true,
      before && before.registered + before.failed,
    );
    const { concurrency } = options;
    const summary = await registerRecords(input, {
      ...access,
      concurrency,
      failures,
      checkpoint,
      progress,
      io,
    });
    through = summary.stoppedBy === undefined;
    progress.stop();
    report(summary, summary.failed > 0 ? failuresPath : null, file, checkpoint, options, io);
    if (summary.stoppedBy) return summary.stoppedBy.exitCode;
    return summary.failed > 0 ? EXIT.failed : EXIT.done;
  } finally {
    progress?.stop();
    input?.close();
    checkpoint?.close(through);
    failures.close();
  }
}

async function tryRegister(file: string, options: Options, io: Io): Promise<number> {
  if (options.failures !== undefined)
    throw usage('--failures cannot be combined with --dry-run, which writes no file');
  // It brings the checks of the platform, which a run does not need.
  const { dryRun } = await import('./dry-run.ts');
  const access = findAccess(options, io);
  const json = options.json === true;
  const input = await openInput(file, resolve(io.cwd, file), options.format, io);
  const progress = startProgress(io, input.size, json);
  try {
    const {
      registered: valid,
      failed: refused,
      line,
      swallowed,
      odd,
      stoppedBy,
    } = await dryRun(input, {
      ...{ access, progress, json, io },
    });
    progress.stop();
    const unchecked = stoppedBy !== undefined;
    const stopped = stoppedBy?.message ?? null;
    if (json) printJson(io, { file, dry_run: true, valid, refused, last_line: line, stopped });
    else
      io.stdout.write(
        `${count(valid)} ${unchecked ? 'can be read' : 'would be registered'}, ${count(refused)} would be refused; nothing was sent\n`,
      );
    warn({ odd, swallowed }, io);
    if (unchecked) io.stderr.write(`error: not every user was checked: ${stopped}\n`);
    return stoppedBy?.exitCode ?? (refused > 0 ? EXIT.failed : EXIT.done);
  } finally {
    progress.stop();
    input.close();
  }
}

/** Whether two paths lead to the same file, even by different names. */
function isSameFile(a: string, b: string): boolean {
  const [one, other] = [a, b].map((path) => statSync(path, { throwIfNoEntry: false, bigint: true }));
  return a === b || (one !== undefined && one.ino === other?.ino && one.dev === other.dev);
}

/** Opens the progress file and the failures file. @throws CliError */
function begin(
  file: string,
  failuresPath: string,
  { url, apiKey }: Access,
  { failures: named, restart = false }: Options,
  { cwd }: Io,
): { checkpoint: Checkpoint | undefined; failures: FailuresFile } {
  const failures = new FailuresFile(resolve(cwd, failuresPath));
  const clientId = parseApiKey(apiKey)?.clientId;
  // A pipe cannot be read again. An API key that cannot be parsed is refused later, with its own message.
  const isFile = file !== '-' && statSync(resolve(cwd, file), { throwIfNoEntry: false })?.isFile();
  if (!isFile || clientId === undefined) return { checkpoint: undefined, failures };
  const path = resolve(cwd, `${named ?? file}.progress.json`);
  const checkpoint = new Checkpoint(path, { url, client_id: clientId }, restart, failures);
  return { checkpoint, failures };
}

function report(
  summary: Summary,
  failures: string | null,
  file: string,
  checkpoint: Checkpoint | undefined,
  { json }: Options,
  io: Io,
): void {
  const {
    registered,
    replayed,
    failed,
    thisRun,
    unfinished,
    line,
    swallowed,
    odd,
    reason,
    elapsedMs,
    stoppedBy,
  } = summary;
  const seconds = Math.round(elapsedMs / 100) / 10;
  if (json) {
    const stopped = stoppedBy?.message ?? null;
    const resumed_after_line = checkpoint?.resumedAfterLine ?? null;
    const done = { registered, replayed, failed, unfinished, this_run: thisRun, failures };
    printJson(io, { file, ...done, last_line: line, resumed_after_line, seconds, stopped });
  } else {
    const already = replayed > 0 ? ` (already registered: ${count(replayed)})` : '';
    const open = unfinished > 0 ? `, ${count(unfinished)} unfinished` : '';
    const now =
      checkpoint?.resumedAfterLine === undefined
        ? ''
        : `; in this run ${count(thisRun.registered)} registered, ${count(thisRun.failed)} failed`;
    io.stdout.write(
      `${count(registered)} registered${already}, ${count(failed)} failed${open}${now}, in ${seconds} s\n`,
    );
    if (failures) io.stdout.write(`Failures: ${failures}\n`);
    if (reason)
      io.stdout.write(
        thisRun.failed === 1
          ? `Reason: ${reason.message}\n`
          : `Most frequent reason (${count(reason.count)} of ${count(thisRun.failed)}): ${reason.message}\n`,
      );
  }
  warn({ odd, swallowed }, io);
  if (stoppedBy) io.stderr.write(`error: ${explain(stoppedBy, summary, checkpoint)}\n`);
}

/** Says what is odd about the file itself. */
function warn({ odd, swallowed }: Pick<Summary, 'odd' | 'swallowed'>, io: Io): void {
  if (odd > 0)
    io.stderr.write(
      `warning: ${count(odd)} ${odd === 1 ? 'user_id has' : 'user_ids have'} white space at an end, or a control character: without it they name other users\n`,
    );
  if (swallowed)
    io.stderr.write(
      `error: ${count(swallowed.lines)} lines were not read as users, beginning with line ${count(swallowed.from)}: look there for a quote that is not closed\n`,
    );
}

/** @returns the reason for the stop, how far the run got, and the next step */
function explain({ message, fix }: Stop, summary: Summary, checkpoint: Checkpoint | undefined): string {
  const again = summary.registered + summary.failed > 0 ? 'run it again to continue' : 'run it again';
  const next = fix === undefined ? again : `${fix}; then ${again}`;
  // What a server says is a sentence, and this line goes on after it.
  return [message.replace(/\.$/, ''), whereOf(summary), ...(checkpoint ? [next] : fix ? [fix] : [])].join(
    '; ',
  );
}

function whereOf({ unfinished, line }: Summary): string {
  if (line === 0) return 'no user was sent';
  if (unfinished === 0) return `stopped after line ${count(line)}`;
  const users = unfinished === 1 ? '1 user up to there is' : `${count(unfinished)} users up to there are`;
  return `stopped at line ${count(line)}: ${users} unfinished (neither registered nor failed), no later line was tried`;
}

const count = (n: number): string => n.toLocaleString('en');

function parseConcurrency(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 100) return value;
  throw new InvalidArgumentError('It must be a whole number from 1 to 100.');
}
