/** `countersign registry`: show, stop-writes, copy, resume-writes. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { Command, InvalidArgumentError } from 'commander';
import type { ShownTables } from '../../lambda/contract/admin.ts';
import { invokeAdmin } from '../admin.ts';
import { PATIENCE_MS, type Unreachable } from '../ask.ts';
import { AWS_ANSWER_MS, awsLimits } from '../aws-limits.ts';
import { askEverywhere, everywhere, printAnswers } from '../everywhere.ts';
import {
  CliError,
  EXIT,
  EXIT_CODES_HELP,
  type ExitCode,
  type Io,
  interruptible,
  printJson,
  type SetExit,
  usage,
} from '../io.ts';
import { exitOf } from '../keys/ask.ts';
import { printTable } from '../print.ts';
import { addTargetOptions, collect, findTarget, type Target, type TargetOptions } from '../target.ts';
import { durationText } from '../time.ts';
import { type CopyResult, copyRegistry } from './copy.ts';
import { isSame } from './items.ts';
import { requireStage } from './stage.ts';

type Options = TargetOptions & { readonly json?: true };
interface CopyArguments extends Options {
  readonly toGeneration: number;
  readonly from?: string;
  readonly fromTable?: readonly string[];
  readonly without?: readonly string[];
  readonly whileWriting?: true;
}

/** Attempts of one call: a copy outlasts a table that grows into its traffic. */
const ATTEMPTS = 10;

export function registryCommand(io: Io, setExit: SetExit): Command {
  const registry = new Command('registry').description(
    'The tables that all Regions share, registry and clients: show them, or copy them into tables of another generation.',
  );
  const add = (name: string, description: string): Command =>
    addTargetOptions(registry.command(name).description(description)).option(
      '--json',
      'print one JSON document',
    );

  add('show', 'Show which tables each Region uses, and whether writes are stopped.')
    .addHelpText('after', EXIT_CODES_HELP)
    .action(async (options: Options) => {
      const target = findTarget(options, io);
      const { shown, silent } = await showAll(io, target);
      for (const { region, error } of silent) io.stderr.write(`error: ${region}: ${error}\n`);
      if (silent.length > 0) setExit(EXIT.failed);
      if (options.json) return void printJson(io, shown);
      printTable(
        io,
        ['region', 'registry', 'clients', 'consistency', 'writes'],
        shown.map(({ region, registry, clients, consistency, stopped_at, stopped_ms }) => [
          region,
          registry,
          clients,
          consistency,
          stopped_at === null ? '' : `stopped ${durationText(stopped_ms!)} ago`,
        ]),
      );
    });

  add('stop-writes', 'Stop registrations, deletions and changes of clients in every Region, for a copy.')
    .addHelpText(
      'after',
      `
Clients get 503 and try again, until \`countersign registry resume-writes\`.
${EXIT_CODES_HELP}`,
    )
    .action((options: Options) =>
      everywhere(
        io,
        setExit,
        options,
        'tables.stop',
        {},
        {
          atOnce: true,
          json: () => ({ writes: 'stopped' }),
          text: () => 'writes are stopped',
          left: (regions) =>
            `writes may go on in ${regions}: run this command again, or allow them everywhere: countersign registry resume-writes${findTarget(options, io).args}`,
        },
      ),
    );

  add('copy', 'Copy registry and clients into the tables of another generation, and compare both sides.')
    .requiredOption('--to-generation <n>', 'the generation to fill, which must not have served', generation)
    .option('--from <region>', 'copy from this Region, and leave behind those that are cut off from it')
    .option(
      '--from-table <name>',
      'a table to copy from, such as a restored one; of home, or of --from',
      collect,
    )
    .option('--without <regions>', 'leave out these Regions of the stage, which are lost for good', collect)
    .option('--while-writing', 'rehearse while writes go on: this proves nothing')
    .addHelpText(
      'after',
      `
Run it again after an interruption: it goes on. Exit code 0: writes were stopped all the time, and the new tables are
complete and equal. The command reads and writes the tables with your AWS credentials: docs/iam.md has the rights.

Example:
  $ countersign registry copy --to-generation 2 --stage prod --region eu-west-1,eu-central-1
${EXIT_CODES_HELP}`,
    )
    .action((options: CopyArguments) => copy(io, setExit, options));

  add('resume-writes', 'Allow writes again, in every Region.')
    .addHelpText('after', EXIT_CODES_HELP)
    .action(async (options: Options) => {
      const target = findTarget(options, io);
      // A Region that is lost, or whose table is down, stays stopped: it does not keep the others stopped,
      // and may use other tables.
      const { shown, silent } = await showAll(io, target);
      requireStage(target.regions, new Map(shown.map((each) => [each.region, each])));
      io.stderr.write('writing makes any earlier copy incomplete, unless its tables are already in use\n');
      const among = shown.map(({ region }) => region);
      const answers = await askEverywhere(io, options, 'tables.resume', {}, { atOnce: true, among });
      const failed = [...silent, ...answers.failed];
      const exit = answers.exit === EXIT.done && failed.length > 0 ? EXIT.failed : answers.exit;
      printAnswers(
        io,
        setExit,
        options,
        { ...answers, failed, exit },
        {
          json: () => ({ writes: 'allowed' }),
          text: () => 'writes are allowed',
          // Whether a Region that is silent was stopped is not known either.
          left: (regions) =>
            `${regions} stays stopped until it confirms: its clients get 503, and DNS may lead to it all the same. Once it answers, run again: countersign registry resume-writes${target.args}`,
        },
      );
    });
  return registry;
}

interface ShownAll {
  readonly shown: readonly (ShownTables & { readonly region: string })[];
  /** The Regions that do not answer, or cannot read whether writes are stopped. */
  readonly silent: readonly Unreachable[];
}

/** @throws CliError where no Region says it */
async function showAll({ patienceMs = PATIENCE_MS }: Io, target: Target): Promise<ShownAll> {
  const silent: Unreachable[] = [];
  const exits = new Set<ExitCode>();
  const answers = await Promise.all(
    target.regions.map(async (region) => {
      try {
        const signal = AbortSignal.timeout(patienceMs);
        return [{ region, ...(await invokeAdmin(target, region, 'tables.show', {}, signal)) }];
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        silent.push({ region, error: error.message });
        exits.add(error.exitCode);
        return [];
      }
    }),
  );
  if (silent.length === target.regions.length)
    throw new CliError(
      exitOf([...exits]),
      silent.map(({ region, error }) => `${region}: ${error}`).join('; '),
    );
  return { shown: answers.flat(), silent };
}

function generation(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, e.g. 2.');
  return Number(text);
}

async function copy(io: Io, setExit: SetExit, options: CopyArguments): Promise<void> {
  const target = findTarget(options, io);
  const { without = [] } = options;
  const regions = target.regions.filter((region) => !without.includes(region));
  if (regions.length === 0) throw usage('--without leaves no Region to copy in');
  const patienceMs = io.patienceMs ?? PATIENCE_MS;
  const clients = new Map<string, DynamoDBClient>();
  try {
    const result = await interruptible(io, (signal) =>
      copyRegistry(
        {
          stage: target.stage,
          args: target.args,
          regions,
          without,
          toGeneration: options.toGeneration,
          ...(options.from !== undefined && { from: options.from }),
          fromTables: options.fromTable ?? [],
          whileWriting: options.whileWriting === true,
        },
        {
          dynamodb(region) {
            const made =
              clients.get(region) ??
              new DynamoDBClient({
                ...target.aws(region),
                ...awsLimits(AWS_ANSWER_MS),
                maxAttempts: ATTEMPTS,
              });
            clients.set(region, made);
            return made;
          },
          shown: (region) =>
            invokeAdmin(
              target,
              region,
              'tables.show',
              {},
              AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
            ),
          signal,
          nowMs: Date.now,
          pollMs: io.pollMs ?? 1_000,
          report: (text) => io.stderr.write(`${text}\n`),
        },
      ),
    );
    if (!result.complete) setExit(EXIT.failed);
    if (options.json) printJson(io, result);
    else print(io, result, options.whileWriting === true);
  } finally {
    for (const client of clients.values()) client.destroy();
  }
}

function print(
  { stdout, stderr }: Io,
  { tables, without, stopped, complete }: CopyResult,
  isRehearsal: boolean,
): void {
  for (const {
    kind,
    from,
    from_region,
    to,
    read,
    written,
    newer,
    removed,
    source,
    target,
    ...each
  } of tables) {
    stdout.write(`${kind}: ${from} in ${from_region} -> ${to}\n`);
    stdout.write(`  ${read} items read, ${written} written, ${removed} removed\n`);
    stdout.write(`  source  ${source.items} items, digest ${source.digest}\n`);
    for (const { region, items, digest } of target)
      stdout.write(`  target  ${items} items, digest ${digest}, in ${region}\n`);
    if (newer > 0)
      stderr.write(`error: ${to} has ${newer} items that are newer; they were left as they are\n`);
    for (const { region } of target.filter((copied) => !isSame(copied, source)))
      stderr.write(`error: ${from} in ${from_region} and ${to} in ${region} are not equal\n`);
    for (const missing of each.may_be_missing)
      stderr.write(
        `error: ${from} in ${missing.region} differs (${missing.items} items): items that only that Region has were not ` +
          `copied; ${
            missing.replicates
              ? 'wait for replication, then run it again'
              : 'a Region is cut off: docs/runbook.md, replica-cut-off'
          }\n`,
      );
    for (const left of each.left_behind)
      stderr.write(
        `note: ${left.region} is cut off from ${from_region}, and what it alone holds in ${from} was not copied: ` +
          `${left.items === null ? 'it cannot be read' : `it has ${left.items} items`}\n`,
      );
  }
  for (const { region, error, marked_at } of without)
    stderr.write(
      `note: ${region} was left out (${error}). ${
        marked_at === null
          ? 'The tables have no mark of it'
          : `It last left its mark in the tables at ${marked_at}`
      }. Whether it registers is not known: if it is back, stop its writes at once, since these tables get none of them\n`,
    );
  if (complete) stdout.write('complete and equal\n');
  else if (!stopped) stderr.write('error: writes were not stopped all the time, so the copy may lack some\n');
  else if (isRehearsal)
    stderr.write(
      'error: a rehearsal proves nothing, even while writes are stopped: run it without --while-writing\n',
    );
}
