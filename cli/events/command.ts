/** `countersign events`: rebuild. */
import { Command } from 'commander';
import type { AdminActions } from '../../lambda/contract/admin.ts';
import { invokeAdmin } from '../admin.ts';
import {
  CliError,
  EXIT,
  EXIT_CODES_HELP,
  type ExitCode,
  type Io,
  interruptible,
  printJson,
  type SetExit,
} from '../io.ts';
import { printable } from '../printable.ts';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';
import { parseSince } from '../time.ts';

type Options = TargetOptions & { readonly json?: true; readonly since: string; readonly withRecent?: true };

interface Rebuilt {
  readonly region: string;
  readonly looked: number;
  readonly written: number;
  /** Keys of items that another program wrote. */
  readonly unreadable: readonly string[];
  /** Undefined where the Region was looked through. */
  readonly error?: string;
}

/** Unreadable items that the text names. */
const MOST_NAMED = 10;

export function eventsCommand(io: Io, setExit: SetExit): Command {
  const events = new Command('events').description('Rebuild the events that consumers read.');
  addTargetOptions(
    events
      .command('rebuild')
      .description("Write a Region's missing events, as far as its tables tell them.")
      .requiredOption(
        '--since <time>',
        'changes from this time on: RFC 3339, or how long ago, e.g. 25h',
        parseSince,
      ),
  )
    .option(
      '--with-recent',
      'also the changes of the last 25 hours: only while the outbox reads its streams without delay',
    )
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `
Reads all registrations and clients in each Region, and writes the events that are absent. Events that are there stay, so
it can be run again. A registration that was made and deleted meanwhile is the deletion alone. Changes of the last 25
hours are left to the outbox: it may still have them, and an event that it writes later would come behind a newer one.

Example:
  $ countersign events rebuild --since 2026-11-23T12:00:00Z
${EXIT_CODES_HELP}`,
    )
    .action(async (options: Options) => {
      const since = new Date(options.since).toISOString();
      const target = findTarget(options, io);
      const { withRecent } = options;
      const rebuilt: Rebuilt[] = [];
      let exit: ExitCode = EXIT.done;
      const rebuild = async (region: string, signal: AbortSignal): Promise<void> => {
        let [looked, written] = [0, 0];
        const unreadable: string[] = [];
        let cursor: string | undefined;
        try {
          do {
            const step: AdminActions['events.rebuild']['result'] = await invokeAdmin(
              target,
              region,
              'events.rebuild',
              {
                since,
                ...(withRecent && { recent: true as const }),
                ...(cursor !== undefined && { cursor }),
              },
              signal,
            );
            looked += step.looked;
            written += step.written;
            unreadable.push(...step.unreadable);
            cursor = step.cursor;
            io.terminal?.write(`\r  ${looked} items, ${written} events `);
          } while (cursor !== undefined);
          rebuilt.push({ region, looked, written, unreadable });
          if (unreadable.length > 0) exit = EXIT.failed;
        } catch (error) {
          if (!(error instanceof CliError)) throw error;
          rebuilt.push({ region, looked, written, unreadable, error: error.message });
          exit = error.exitCode === EXIT.interrupted ? error.exitCode : EXIT.failed;
        }
        io.terminal?.write('\r\x1b[K');
      };
      // After Ctrl-C no call begins in the Regions that are left.
      await interruptible(io, async (signal) => {
        for (const region of target.regions) await rebuild(region, signal);
      });
      if (exit !== EXIT.done) setExit(exit);
      if (options.json) return void printJson(io, { regions: rebuilt });
      for (const { region, looked, written, unreadable, error } of rebuilt) {
        const done = `${written} events written, ${looked} items looked at`;
        if (error === undefined) io.stdout.write(`${region}: ${done}\n`);
        else io.stderr.write(`${region}: ${error}; before that ${done}. Run the command again.\n`);
        if (unreadable.length > 0)
          io.stderr.write(
            `${region}: ${unreadable.length} items are not of the platform's form, and were left out: ${unreadable.slice(0, MOST_NAMED).map(printable).join(', ')}\n`,
          );
      }
    });
  return events;
}
