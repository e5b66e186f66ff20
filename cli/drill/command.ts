/** `countersign drill`: takes a part of a platform away under load, and measures what its clients see. */
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { TableConsistency } from '../../lambda/contract/serving-environment.ts';
import { askHealth, THROTTLED } from '../health.ts';
import {
  CliError,
  EXIT,
  EXIT_CODES_HELP,
  type Io,
  interrupted,
  interruptible,
  printJson,
  type SetExit,
  type Streams,
  usage,
} from '../io.ts';
import { LOCAL_FLAG, LOCAL_HELP } from '../local.ts';
import { printFields } from '../print.ts';
import { durationText, parseTime } from '../time.ts';
import { DRILLS, type Drill, type DrillContext } from './drills.ts';
import type { Fault } from './fault.ts';
import { History } from './history.ts';
import { Load } from './load.ts';
import { type DrillPlatform, findRunning, startOwn } from './platform.ts';
import { report } from './report.ts';
import { judge, type Verdict } from './verdict.ts';

interface Options {
  readonly clients: number;
  /** Seconds. */
  readonly duration: number;
  readonly consistency?: TableConsistency;
  readonly running?: true;
  readonly local?: string;
  readonly report?: string;
  readonly json?: true;
}

/** Runs the command line. @returns its exit code */
export type RunCommand = (args: readonly string[], streams: Streams) => Promise<number>;

/** After a drill, what is under way between Regions arrives within this time. */
const SETTLE_MS = 1_000;
const HEALTH_MS = 5_000;

export function drillCommand(io: Io, setExit: SetExit, run: RunCommand): Command {
  const list = Object.entries(DRILLS).map(([name, { does }]) => `  ${name.padEnd(13)}${does}`);
  return new Command('drill')
    .description('Take a part of a local platform away under load, and measure what clients see.')
    .addArgument(new Argument('<drill>', 'what happens').choices(Object.keys(DRILLS)))
    .addOption(
      new Option('--clients <n>', 'clients, each with one registration under way at a time')
        .argParser(parseClients)
        .default(50),
    )
    .addOption(
      new Option('--duration <time>', 'how long the load lasts, e.g. 30s, 5m; longer if a step takes longer')
        .argParser(parseTime)
        .default(30, '30s'),
    )
    .addOption(
      new Option('--consistency <mode>', 'of the platform that the drill starts (default: strong)').choices([
        'strong',
        'eventual',
      ]),
    )
    .option('--running', 'on the local platform that runs, instead of one that the drill starts and ends')
    .option(LOCAL_FLAG, `with --running: ${LOCAL_HELP}`)
    .option('--report <file>', 'write a report with a plot, as one HTML file')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `\nDrills:\n${list.join('\n')}\n\nExample:\n  $ countersign drill region-loss --report region-loss.html\n${EXIT_CODES_HELP}`,
    )
    .action(async (name: string, options: Options) => {
      const drill = DRILLS[name]!;
      const file = options.report === undefined ? undefined : writable(resolve(io.cwd, options.report));
      if (options.local !== undefined && !options.running) throw usage('--local goes with --running');
      if (options.running && options.consistency)
        throw usage(
          '--consistency is for a platform that the drill starts, so it does not go with --running',
        );
      if (options.running && drill.ownOnly)
        throw usage(`${name} leaves the platform other than it was: run it without --running`);
      await interruptible(io, async (signal) => {
        try {
          const { clients } = options;
          const { history, verdict, platform } = await perform(drill, options, io, run, signal);
          const { consistency, info } = platform;
          const regions = info.regions.map((region) => region.name);
          if (file !== undefined)
            save(
              file,
              report({ drill: name, does: drill.does, consistency, clients, regions, history, verdict }),
            );
          const result = {
            drill: name,
            passed: verdict.passed,
            clients,
            acknowledged: verdict.acknowledged,
            lost: verdict.lost,
            events_missed: verdict.eventsMissed,
            duplicated: verdict.duplicated,
            client_errors: verdict.clientErrors,
            max_attempts: verdict.maxAttempts,
            recovery_ms: verdict.recoveryMs,
            report: file ?? null,
          };
          if (options.json) printJson(io, result);
          else print(io, result, verdict);
          for (const each of verdict.broken) io.stderr.write(`error: ${each}\n`);
          if (!verdict.passed) setExit(EXIT.failed);
        } catch (error) {
          if (signal.aborted) throw interrupted();
          throw error;
        }
      });
    });
}

/** @throws the signal's reason, or CliError; no fault, load or platform of the drill is left behind */
async function perform(
  drill: Drill,
  options: Options,
  io: Io,
  run: RunCommand,
  signal: AbortSignal,
): Promise<{ history: History; verdict: Verdict; platform: DrillPlatform }> {
  const { consistency = 'strong', running, local, json } = options;
  const say = (line: string) => {
    if (!json) io.stderr.write(`${line}\n`);
  };
  const platform = running ? await findRunning(io.cwd, local) : await startOwn(consistency, signal);
  const { info } = platform;
  const regionOf = (wanted: string) => info.regions.find(({ name }) => name === wanted)!;
  const history = new History(say);
  const load = new Load(info, history);
  const caused = new Map<string, Fault>();
  /** Commands that undo what commands of the drill did, by the Region. */
  const undo = new Map<string, string[]>();
  try {
    if (running) await mustBeGood(info);
    const context: DrillContext = {
      consistency: platform.consistency,
      regions: info.regions.map(({ name }) => name),
      history,
      wait: (part) => delay(part * options.duration * 1_000, undefined, { signal }),
      cause: async (fault) => {
        signal.throwIfAborted();
        caused.set(fault.kind, fault);
        await platform.cause(fault);
      },
      command: async (args, code = EXIT.done) => {
        const [name, region = ''] = args;
        if (name === 'evacuate') undo.set(region, ['return', region, '--yes']);
        const output = await command(run, args, code, platform, history, signal);
        if (name === 'return') undo.delete(region);
        return output;
      },
      readBack: (name) => load.readBack(history.acknowledged(), regionOf(name), signal),
      readEvents: (name) => load.readEvents(history.acknowledged(), regionOf(name), signal),
    };
    say(`${options.clients} clients register for ${durationText(options.duration * 1_000)} ...`);
    await load.start(options.clients);
    const recovery = await drill.run(context);
    await load.stop();
    say(`reading back ${history.acknowledged().length} acknowledged registrations ...`);
    await delay(SETTLE_MS, undefined, { signal });
    for (const region of info.regions) {
      // Each is read elsewhere than where it was acknowledged.
      const elsewhere = history.acknowledged().filter(({ acknowledged }) => {
        const at = info.regions.findIndex(({ name }) => name === acknowledged.region);
        return info.regions[(at + 1) % info.regions.length] === region;
      });
      await load.readBack(elsewhere, region, signal);
    }
    await load.repeatAll(signal);
    return { history, verdict: judge(history, drill, platform.consistency, recovery), platform };
  } finally {
    await load.close();
    if (running) for (const fault of caused.values()) await platform.cause(undone(fault)).catch(() => {});
    // Not stopped by Ctrl-C: that may be why they run.
    if (running)
      for (const args of undo.values()) {
        const taken = new History();
        await command(run, args, EXIT.done, platform, taken, new AbortController().signal);
        for (const line of taken.broken) io.stderr.write(`error: it is left as the drill made it: ${line}\n`);
      }
    await platform.stop();
  }
}

/** @throws CliError: what a drill finds on a platform that is broken already says nothing */
async function mustBeGood({ regions }: DrillPlatform['info']): Promise<void> {
  for (const { name, url } of regions) {
    const answer = await askHealth(url, { timeoutMs: HEALTH_MS, throttledMs: HEALTH_MS });
    if (answer === THROTTLED)
      throw new CliError(EXIT.failed, `${name} answers 429 to too many requests: nothing was done`);
    if (!answer?.healthy)
      throw new CliError(
        EXIT.failed,
        `${name} is not healthy (${answer ? [...answer.failing, ...answer.notes].join(', ') : 'no answer'}): nothing was done`,
      );
  }
}

/** Tables are left as they are: only a platform of the drill's own gets others. */
const undone = (fault: Fault): Fault => {
  if (fault.kind === 'tables') return fault;
  if (fault.kind === 'partition') return { kind: 'partition', alone: [] };
  if (fault.kind === 'throttle') return { ...fault, rate: 0, delay_ms: 0 };
  return { ...fault, lost: false };
};

/** Runs a command as a person would, beside the load. */
async function command(
  run: RunCommand,
  args: readonly string[],
  code: number,
  { cwd, local }: DrillPlatform,
  history: History,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const [stdout, stderr] = [new Collected(), new Collected()];
  const ended = await run([...args, ...local], {
    stdin: Readable.from([]),
    stdout,
    stderr,
    env: {},
    cwd,
    onInterrupt(interrupt) {
      signal.addEventListener('abort', interrupt);
      return () => signal.removeEventListener('abort', interrupt);
    },
  });
  signal.throwIfAborted();
  if (ended !== code)
    history.broken.push(
      `countersign ${args.join(' ')} ended with ${ended}, and not with ${code}: ${stderr.text.trim() || stdout.text.trim()}`,
    );
  return stdout.text;
}

class Collected extends Writable {
  text = '';

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}

type Result = Readonly<Record<string, string | number | boolean | null>>;

function print(io: Io, { drill, passed, report: file, ...numbers }: Result, { broken }: Verdict): void {
  io.stdout.write(`${drill}: ${passed ? 'passed' : `failed (${broken.length} promises did not hold)`}\n`);
  const { recovery_ms: recovery, events_missed, ...rest } = numbers;
  printFields(io, {
    ...rest,
    ...(events_missed !== null && { events_missed }),
    ...(recovery !== null && { recovery: `${recovery} ms` }),
  });
  if (file !== null) io.stdout.write(`report: ${file}\n`);
}

function parseClients(value: string): number {
  if (/^[1-9]\d{0,2}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('It must be a number from 1 to 999.');
}

const draftOf = (path: string): string => `${path}.draft`;

/** @throws CliError where no file can be written there: nobody wants to learn that after the drill */
function writable(path: string): string {
  const draft = draftOf(path);
  try {
    if (!(statSync(path, { throwIfNoEntry: false })?.isFile() ?? true))
      throw usage(`--report: cannot write ${path}: it exists, and is no file`);
    writeFileSync(draft, '');
    rmSync(draft);
    return path;
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw usage(`--report: cannot write ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** A reader sees the whole file or none. */
function save(path: string, content: string): void {
  const draft = draftOf(path);
  writeFileSync(draft, content);
  renameSync(draft, path);
}
