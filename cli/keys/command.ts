/** `countersign keys`: manages the platform's own keys (docs/key-life-cycle.md). */
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { KeysetSummary } from '../../lambda/contract/keys.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { PATIENCE_MS } from '../ask.ts';
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
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';
import { parseTime } from '../time.ts';
import { askKeys, exitOf } from './ask.ts';
import { initExit, initKeys } from './init.ts';
import { look, lookForKeyHome } from './look.ts';
import { faults, newest, printKeyset, printRotated } from './print.ts';
import { type PromoteCommandOptions, promote } from './promote-command.ts';
import { type RevokeCommandOptions, revoke } from './revoke-command.ts';
import { timeline } from './timeline.ts';
import { waitForCopies } from './wait.ts';

type Options = TargetOptions & { readonly json?: true };
export function keysCommand(io: Io, setExit: SetExit): Command {
  const keys = new Command('keys').description("Manage the platform's own keys, which are made in Vault.");
  const add = (name: string, description: string, example: string, more = '') =>
    addTargetOptions(keys.command(name).description(description))
      .option('--json', 'print one JSON document')
      .addHelpText('after', `${more}\nExample:\n  $ countersign keys ${example}\n${EXIT_CODES_HELP}`);

  add(
    'init',
    'Create the first keys of a new stage, and wait until every Region has them.',
    'init --stage prod --region eu-west-1,eu-central-1',
    '\nA keyset that has keys stays unchanged. If the command is interrupted, run it again to finish.\n',
  )
    .addOption(
      new Option('--timeout <time>', 'how long to wait for the Regions, e.g. 90s, 10m')
        .argParser(parseTime)
        .default(300, '5m'),
    )
    .action(init);

  add('list', 'Show the keys, their states, and which Regions lack one.', 'list nonce')
    .addArgument(purposeArgument('[purpose]'))
    .action((purpose: Purpose | undefined, options: Options) => show(purpose, options, printKeyset));

  add(
    'timeline',
    'Draw when each key signs and when it is removed.',
    'timeline token',
    '\n- published, signs later   ═ signs   · verifies earlier signatures   │ removed\n',
  )
    .addArgument(purposeArgument('[purpose]'))
    .action((purpose: Purpose | undefined, options: Options) =>
      show(purpose, options, ({ stdout }, keyset, nowMs, args) => {
        for (const line of timeline(keyset, nowMs, args, stdout.columns)) stdout.write(`${line}\n`);
      }),
    );

  add('rotate', 'Create the next key now, ahead of its schedule.', 'rotate nonce')
    .addArgument(purposeArgument('[purpose]'))
    .option('--all', 'for every purpose')
    .option('--force', 'create it even if the previous new key does not sign yet')
    .action(rotate);

  add(
    'revoke',
    'Revoke all keys of a purpose at once, because one of them leaked.',
    'revoke token --stage prod --region eu-west-1,eu-central-1',
    '\nIt first prints the consequences and asks for confirmation. Each Region that confirms refuses the keys within\n10 seconds.\n',
  )
    .addArgument(purposeArgument('<purpose>'))
    .option('--only-kid <kid>', 'revoke only this key; repeatable', collectKids)
    .option('--yes', 'do not ask for confirmation')
    .addOption(
      new Option('--timeout <time>', 'how long to wait until every Region has the new key, e.g. 90s')
        .argParser(parseTime)
        .default(30, '30s'),
    )
    .action((purpose: Purpose, options: RevokeCommandOptions) => revoke(io, setExit, purpose, options));

  add(
    'unstick',
    'Remove what an interrupted rotation left behind, so that the next one can start.',
    'unstick nonce',
    '\nThe function keys-watch does this by itself once the rotation is older than a rotation may take.\n',
  )
    .addArgument(purposeArgument('<purpose>'))
    .action(unstick);

  add(
    'promote',
    'Let another Region make the keys, because the one that makes them is lost.',
    'promote --to eu-central-1 --stage prod --region eu-west-1,eu-central-1',
    '\nEach step is printed. Run it again after a deployment, an interruption, or when a lost Region is back: it goes on.\n',
  )
    .requiredOption('--to <region>', 'the Region that makes the keys from now on')
    .option('--yes', 'go on although the Region that makes the keys answers, or keys are lost')
    .addOption(
      new Option('--timeout <time>', 'how long each step waits for Secrets Manager, e.g. 90s')
        .argParser(parseTime)
        .default(60, '60s'),
    )
    .action((options: PromoteCommandOptions) => promote(io, setExit, options));
  return keys;

  async function init({ timeout, ...options }: Options & { readonly timeout: number }): Promise<void> {
    const target = findTarget(options, io);
    let interrupted = false;
    const all = await interruptible(io, (signal) => {
      signal.addEventListener('abort', () => {
        interrupted = true;
      });
      return initKeys(target, {
        timeoutMs: timeout * 1_000,
        pollMs: io.pollMs ?? 1_000,
        signal,
        report: (text) => io.stderr.write(`${text}\n`),
      });
    });
    for (const { purpose, missing, replicas, failure } of all) {
      if (failure) io.stderr.write(`error: ${purpose}: ${failure.message}\n`);
      if (missing.length > 0)
        io.stderr.write(
          `error: ${purpose}: Regions without the key: ${missing.join(', ')}; run it again to keep waiting\n`,
        );
      for (const { region, status, message } of replicas)
        io.stderr.write(
          `error: ${purpose}: the replica in ${region} is ${status}${message === null ? '' : `: ${message}`} (docs/runbook.md, replica-behind)\n`,
        );
    }
    const exit = interrupted ? EXIT.interrupted : initExit(all);
    if (exit !== EXIT.done) setExit(exit);
    if (options.json)
      printJson(io, {
        keysets: all.map(({ purpose, kid, made, missing, replicas, failure }) => ({
          purpose,
          kid: kid ?? null,
          made,
          missing,
          replicas,
          failure: failure?.message ?? null,
        })),
      });
    else if (exit === EXIT.done) io.stdout.write(`every Region has the keys: ${target.regions.join(', ')}\n`);
  }

  async function show(
    purpose: Purpose | undefined,
    options: Options,
    print: (io: Io, keyset: KeysetSummary, nowMs: number, args: string) => void,
  ): Promise<void> {
    const target = findTarget(options, io);
    const keysets = await forEach(purpose ? [purpose] : PURPOSES, async (each) => {
      const { result, asked, unreachable } = await look(target, each, { patienceMs: io.patienceMs });
      for (const { error } of unreachable) io.stderr.write(`error: ${error}; asked ${asked} instead\n`);
      return result;
    });
    if (keysets.some((keyset) => faults(keyset, target.args).length > 0)) setExit(EXIT.failed);
    if (options.json) return void printJson(io, { keysets });
    for (const [i, keyset] of keysets.entries()) {
      if (i > 0) io.stdout.write('\n');
      print(io, keyset, Date.now(), target.args);
    }
  }

  async function rotate(
    purpose: Purpose | undefined,
    { all, force, ...options }: Options & { readonly all?: true; readonly force?: true },
  ): Promise<void> {
    if ((purpose === undefined) !== (all === true))
      throw usage(`keys rotate needs one purpose (${PURPOSES.join(', ')}) or --all`);
    const target = findTarget(options, io);
    const keysets = await interruptible(io, (signal) =>
      forEach(purpose ? [purpose] : PURPOSES, async (each) => {
        const { keyHome } = await lookForKeyHome(target, each, {
          signal,
          patienceMs: io.patienceMs ?? PATIENCE_MS,
        });
        return askKeys(target, keyHome, each, 'keys.rotate', force ? { force } : {}, signal);
      }),
    );
    if (options.json && all) printJson(io, { keysets });
    for (const keyset of keysets)
      if (!options.json) printRotated(io, keyset, Date.now());
      else if (!all) printJson(io, keyset);
    // A key that signs at once, such as that of a revocation which a rotation completes, is needed everywhere
    // now.
    await interruptible(io, async (signal) => {
      for (const keyset of keysets) {
        const made = newest(keyset);
        if (made?.state === 'current')
          await waitForCopies(
            io,
            setExit,
            target,
            keyset.purpose as Purpose,
            made.kid,
            (io.patienceMs ?? PATIENCE_MS) / 1_000,
            signal,
          );
      }
    });
  }

  /** Runs `ask` for each purpose, even if another failed. @returns the results of those that succeeded */
  async function forEach<R>(
    purposes: readonly Purpose[],
    ask: (purpose: Purpose) => Promise<R>,
  ): Promise<R[]> {
    const results: R[] = [];
    const codes: ExitCode[] = [];
    for (const purpose of purposes)
      try {
        results.push(await ask(purpose));
        codes.push(EXIT.done);
      } catch (error) {
        if (!(error instanceof CliError) || error.exitCode === EXIT.interrupted) throw error;
        codes.push(error.exitCode);
        io.stderr.write(`error: ${purpose}: ${error.message}\n`);
      }
    setExit(exitOf(codes));
    return results;
  }

  async function unstick(purpose: Purpose, options: Options): Promise<void> {
    const target = findTarget(options, io);
    const { keyHome, keyset: before } = await lookForKeyHome(target, purpose, {
      patienceMs: io.patienceMs ?? PATIENCE_MS,
    });
    const { pending } = before;
    const version = pending === null ? {} : { version_id: pending };
    const keyset = await interruptible(io, (signal) =>
      askKeys(target, keyHome, purpose, 'keys.unstick', version, signal),
    );
    // A rotation that began in the meantime is not removed.
    const stays = keyset.pending !== null && (pending === null || keyset.pending === pending);
    if (stays) setExit(EXIT.failed);
    if (options.json) printJson(io, { removed: stays ? null : pending, keyset });
    else if (!stays)
      io.stdout.write(
        pending === null
          ? `${purpose}: no rotation is pending; nothing to remove\n`
          : `${purpose}: removed pending version ${pending}; the next rotation can start\n`,
      );
    if (stays)
      io.stderr.write(
        `error: ${purpose}: version ${keyset.pending} is still pending; look again with countersign keys list ${purpose}${target.args}\n`,
      );
  }
}

const purposeArgument = (name: string): Argument =>
  new Argument(name, 'purpose of the keys').choices(PURPOSES);

function collectKids(value: string, before: readonly string[] = []): string[] {
  if (!/^[\w-]{6}$/.test(value))
    throw new InvalidArgumentError('It must be a key as `countersign keys list` shows it.');
  return [...before, value];
}
