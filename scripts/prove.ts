/**
 * `npm run prove`: takes a stage through its life by the product's own commands, on the emulator or, with
 * `--aws`, in an AWS account, and says which assumptions of docs/aws-truths.md it saw (docs/prove.md).
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { confirm } from '../cli/confirm.ts';
import { CliError, commandIo, EXIT } from '../cli/io.ts';
import { ConfigError } from '../lib/config/read.ts';
import { interruption } from '../local/interruption.ts';
import { account, proofFolder, Unfit } from './prove/account.ts';
import { EMULATOR_LACKS, emulator } from './prove/emulator.ts';
import { type Choice, planRun, UnknownStep } from './prove/plan.ts';
import { redactor } from './prove/redact.ts';
import { runPlan, type Seen } from './prove/run.ts';
import { STEPS } from './prove/steps.ts';
import { toolbox } from './prove/toolbox.ts';
import type { Place } from './prove/tools.ts';

interface Options extends Choice {
  readonly aws?: true;
  readonly stage?: string;
  readonly yes?: true;
  readonly fisRole?: string;
}

/** The state from which a later run of the same stage continues. */
interface Progress {
  /** By step, the day on which it passed. */
  readonly passed: Record<string, string>;
  readonly seen: readonly Seen[];
  readonly notes: Record<string, string>;
}

const interrupted = interruption();
const onInterrupt = (interrupt: () => void) => {
  interrupted.addEventListener('abort', interrupt);
  return () => interrupted.removeEventListener('abort', interrupt);
};
async function main(): Promise<number> {
  const program = new Command('npm run prove --')
    .description(
      "Take a stage through its life by the product's own commands: on an emulator on this machine, or with --aws in the account of your AWS credentials.",
    )
    .option('--aws', 'in an AWS account; it costs money, and a stage of kind prod leaves its tables and keys')
    .option('--stage <name>', 'with --aws: the stage of countersign.config.ts, which must be a new one')
    .option('--yes', 'with --aws: do not ask for confirmation')
    .option('--fis-role <arn>', 'with --aws: the role by which AWS FIS pauses replication')
    .option('--only <step>', 'this step, and those before it that have not passed')
    .option('--from <step>', 'this step and all after it')
    .addHelpText(
      'after',
      `\nSteps:\n${STEPS.map(({ name, does }) => `  ${name.padEnd(18)} ${does}`).join('\n')}\n`,
    )
    .exitOverride();
  try {
    program.parse(process.argv);
    const options = program.opts<Options>();
    if (options.only !== undefined && options.from !== undefined)
      throw new Unfit('use --only or --from, not both');
    return await (options.aws ? proveOnAws(options) : proveOnEmulator(options));
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    process.stderr.write(`error: ${(error as Error).message}\n`);
    if (error instanceof CliError) return error.exitCode;
    return error instanceof Unfit || error instanceof UnknownStep || error instanceof ConfigError
      ? EXIT.usage
      : EXIT.failed;
  }
}

async function proveOnEmulator(options: Options): Promise<number> {
  for (const name of ['stage', 'yes', 'fisRole'] as const)
    if (options[name] !== undefined)
      throw new Unfit(`--${name === 'fisRole' ? 'fis-role' : name} needs --aws`);
  // Before anything starts: a step that does not exist is a mistyped one.
  planRun(STEPS, EMULATOR_LACKS, new Map(), options);
  process.stderr.write('Starting an emulator and a Vault (installed once, into .countersign/) ...\n');
  const place = await emulator();
  const progress: Progress = { passed: {}, seen: [], notes: {} };
  try {
    return await prove(place, progress, options, { folder: proofFolder('emulator'), onAws: false });
  } finally {
    await place.stop();
  }
}

async function proveOnAws(options: Options): Promise<number> {
  const { stage, yes, fisRole } = options;
  if (stage === undefined) throw new Unfit('--aws needs --stage NAME');
  if (!/^[a-z][a-z0-9-]{0,15}$/.test(stage)) throw new Unfit('--stage: 1 to 16 of a-z, 0-9 and -');
  if (!yes && !process.stdin.isTTY)
    throw new Unfit('--aws asks for confirmation, which needs a terminal; use --yes to skip it');
  planRun(STEPS, {}, new Map(), options);
  const folder = proofFolder(stage);
  const file = join(folder, 'progress.json');
  const isNew = !existsSync(file);
  const progress: Progress = isNew
    ? { passed: {}, seen: [], notes: {} }
    : JSON.parse(readFileSync(file, 'utf8'));
  const place = await account({
    ...{ stage, directory: folder, env: process.env, signal: interrupted },
    ...(fisRole !== undefined && { fisRole }),
  });
  const tools = toolbox(
    place,
    notesOf(progress, () => {}),
    { say: () => {}, signal: interrupted },
  );
  if (isNew && (await tools.stacks()).length > 0)
    throw new Unfit(
      `stage ${stage} exists in this account, and no proof made it: name a new stage in the config, since a proof revokes keys and destroys stacks`,
    );
  if (!yes) {
    process.stderr.write(
      `This deploys stage ${stage} in ${place.regions.map(({ name }) => name).join(' and ')}, revokes its keys, evacuates a Region, and destroys its stacks.\n` +
        'It takes hours and costs money. The tables, secrets and keys of a stage of kind prod stay: docs/deploy.md, "Removal".\n',
    );
    const { stdin, stdout, stderr, env } = process;
    const io = commandIo({ stdin, stdout, stderr, env, cwd: process.cwd(), onInterrupt });
    await confirm(io, stage, 'nothing was done');
  }
  const save = () => writeFileSync(file, `${JSON.stringify(progress, undefined, 2)}\n`, { mode: 0o600 });
  save();
  return await prove(place, progress, options, { folder, onAws: true, save });
}

interface Where {
  readonly folder: string;
  /** Only what AWS itself did counts as seen. */
  readonly onAws: boolean;
  save?(): void;
}

async function prove(place: Place, progress: Progress, options: Options, where: Where): Promise<number> {
  const { folder, onAws, save = () => {} } = where;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const started = new Date().toISOString();
  const log = join(folder, `${started.replaceAll(':', '-').slice(0, 19)}.log`);
  const redact = redactor([...place.private, ...(place.fisRole === undefined ? [] : [place.fisRole])]);
  const say = (line: string) => {
    const told = `${new Date().toISOString().slice(11, 19)} ${redact(line)}\n`;
    appendFileSync(log, told);
    process.stderr.write(told);
  };
  say(`${started.slice(0, 10)}: stage ${place.stage}, ${place.regions.map(({ name }) => name).join(', ')}`);
  const tools = toolbox(place, notesOf(progress, save), { say, signal: interrupted });
  const plan = planRun(STEPS, place.lacks, new Map(Object.entries(progress.passed)), options);
  const outcome = await runPlan(plan, tools, {
    signal: interrupted,
    say,
    today: () => new Date().toISOString().slice(0, 10),
    passed(step, seen) {
      progress.passed[step] = new Date().toISOString().slice(0, 10);
      Object.assign(progress, { seen: [...progress.seen, ...seen] });
      save();
    },
  }).finally(() => tools.deleteClient());

  const { passed, failed, skipped } = outcome;
  say(`${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`);
  if (onAws) {
    const first = new Map(progress.seen.map((each) => [each.assumption, each] as const).reverse());
    const file = join(folder, 'seen-on-aws.json');
    writeFileSync(file, `${JSON.stringify([...first.values()].reverse(), undefined, 2)}\n`);
    for (const { assumption, date, what } of first.values()) say(`SEEN ${date}: ${assumption} (${what})`);
    process.stderr.write(`rows of docs/aws-truths.md that were seen: ${file}\n`);
  } else say('No row of docs/aws-truths.md is seen by this: an emulator is not AWS.');
  process.stderr.write(`log: ${log}\n`);
  if (interrupted.aborted) return EXIT.interrupted;
  return failed.length === 0 ? EXIT.done : EXIT.failed;
}

const notesOf = ({ notes }: Progress, save: () => void) => ({
  get values() {
    return new Map(Object.entries(notes));
  },
  set(name: string, text: string) {
    notes[name] = text;
    save();
  },
});

process.exitCode = await main();
// The IPC channel to the launcher would keep the process alive.
process.exit();
