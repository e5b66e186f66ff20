/** `countersign events`: rebuild. */
import { Command } from 'commander';
import type { AdminActions } from '../../lambda/contract/admin.ts';
import { invokeAdmin } from '../admin.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit } from '../io.ts';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';
import { parseSince } from '../time.ts';

type Options = TargetOptions & { readonly json?: true; readonly since: string };

interface Rebuilt {
  readonly region: string;
  readonly looked: number;
  readonly written: number;
  /** Undefined where the Region was looked through. */
  readonly error?: string;
}

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
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `
Reads all registrations and clients in each Region, and writes the events that are absent. Events that are there stay, so
it can be run again. A registration that was made and deleted meanwhile is the deletion alone.

Example:
  $ countersign events rebuild --since 2026-11-23T12:00:00Z
${EXIT_CODES_HELP}`,
    )
    .action(async (options: Options) => {
      const since = new Date(options.since).toISOString();
      const target = findTarget(options, io);
      const rebuilt: Rebuilt[] = [];
      for (const region of target.regions) {
        let [looked, written] = [0, 0];
        let cursor: string | undefined;
        try {
          do {
            const step: AdminActions['events.rebuild']['result'] = await invokeAdmin(
              target,
              region,
              'events.rebuild',
              { since, ...(cursor !== undefined && { cursor }) },
            );
            looked += step.looked;
            written += step.written;
            cursor = step.cursor;
            io.terminal?.write(`\r  ${looked} items, ${written} events `);
          } while (cursor !== undefined);
          rebuilt.push({ region, looked, written });
        } catch (error) {
          rebuilt.push({ region, looked, written, error: (error as Error).message });
        }
        io.terminal?.write('\r\x1b[K');
      }
      if (rebuilt.some(({ error }) => error !== undefined)) setExit(EXIT.failed);
      if (options.json) return void printJson(io, { regions: rebuilt });
      for (const { region, looked, written, error } of rebuilt) {
        const done = `${written} events written, ${looked} items looked at`;
        if (error === undefined) io.stdout.write(`${region}: ${done}\n`);
        else io.stderr.write(`${region}: ${error}; before that ${done}. Run the command again.\n`);
      }
    });
  return events;
}
