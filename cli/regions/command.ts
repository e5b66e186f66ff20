/** `countersign evacuate` and `countersign return`: take a Region out of service, and take it back. */
import { Command, Option } from 'commander';
import { invokeAdmin } from '../admin.ts';
import { confirm } from '../confirm.ts';
import { CliError, EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, usage } from '../io.ts';
import { addTargetOptions, findTarget, type Target, type TargetOptions } from '../target.ts';
import { parseTime } from '../time.ts';
import { waitForAlarm } from './alarm.ts';
import { describe, isFit, type Survey, survey } from './survey.ts';

type Options = TargetOptions & {
  readonly json?: true;
  readonly yes?: true;
  /** Seconds. */
  readonly timeout: number;
};
type EvacuateOptions = Options & { readonly evenIfLast?: true };

const COMMANDS = {
  evacuate: { action: 'regions.evacuate', alarm: 'ALARM' },
  return: { action: 'regions.return', alarm: 'OK' },
} as const;
type Name = keyof typeof COMMANDS;

export const evacuateCommand = (io: Io, setExit: SetExit): Command =>
  command('evacuate', 'Take a Region out of service until you take it back.', EVACUATE_HELP)
    .option('--even-if-last', 'also if no other Region is healthy: then no Region takes registrations')
    .action(async (region: string, options: EvacuateOptions) => {
      const target = begin(io, 'evacuate', options);
      const seen = await survey(target, region);
      const others = seen.regions.filter((each) => each.region !== region);
      for (const line of evacuationCost(seen, target.stage)) io.stderr.write(`${line}\n`);
      if (!options.evenIfLast && !others.some(({ healthy }) => healthy))
        throw new CliError(
          EXIT.failed,
          `no other Region is healthy (${others.map(describe).join('; ')}): nothing was done. DNS would answer with every Region, so only registrations would end; --even-if-last does that`,
        );
      await run(io, setExit, 'evacuate', target, seen, options);
    });

export const returnCommand = (io: Io, setExit: SetExit): Command =>
  command('return', 'Take an evacuated Region back into service.', RETURN_HELP).action(
    async (region: string, options: Options) => {
      const target = begin(io, 'return', options);
      const seen = await survey(target, region);
      for (const each of seen.regions) io.stderr.write(`${describe(each)}\n`);
      const own = seen.regions.find((each) => each.region === region)!;
      if (!isFit(own))
        throw new CliError(
          EXIT.failed,
          `${region} is not good: ${[...own.failing, ...own.notes].join(', ')}. It stays out; nothing was done`,
        );
      const unread = seen.flags.find(({ error }) => error !== undefined);
      if (unread)
        throw new CliError(
          EXIT.unreachable,
          `${unread.at} cannot be asked for the flag of ${region}: ${unread.error}. It stays out; nothing was done`,
        );
      await run(io, setExit, 'return', target, seen, options);
    },
  );

const EVACUATE_HELP = `
The flag is written to the keeper, the next Region in alphabetical order, and to the Region itself. DNS then leads to the
other Regions, and the Region answers 503 to registrations. No restart and no loss ends that; only \`countersign return\` does.
`;
const RETURN_HELP = `
It shows the checks of all Regions first, and refuses if the Region is not good. DNS leads to it again once it has been
good for the hold-down, 3 minutes by default.
`;

const command = (name: Name, description: string, more: string): Command =>
  addTargetOptions(new Command(name).description(description))
    .argument('<region>', 'the Region')
    .option('--yes', 'do not ask for confirmation')
    .addOption(
      new Option('--timeout <time>', 'how long to wait for the alarm that DNS follows, e.g. 90s, 10m')
        .argParser(parseTime)
        .default(300, '5m'),
    )
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `${more}\nExample:\n  $ countersign ${name} eu-west-1 --stage prod --region eu-west-1,eu-central-1\n${EXIT_CODES_HELP}`,
    );

function begin(io: Io, name: Name, options: Options): Target {
  if (!options.yes && !io.stderr.isTTY)
    throw usage(`${name} asks for confirmation, which needs a terminal; use --yes to skip it`);
  return findTarget(options, io);
}

function evacuationCost({ region, keeper, regions, flags }: Survey, stage: string): string[] {
  const since = flags.find(({ evacuatedAt }) => evacuatedAt)?.evacuatedAt;
  return [
    ...(since ? [`${region} is evacuated since ${since}.`] : []),
    `This takes ${region} out of service in stage ${stage}, until you run countersign return ${region}.`,
    `DNS leads to the other Regions within about 3 minutes, and ${region} refuses registrations within 10 seconds.`,
    'Nonces that it issued cannot be used while it is out; the SDK gets others elsewhere and registers there.',
    `Its flag is kept in ${keeper}: while both are lost, the Region stays out.`,
    ...regions.map(describe),
  ];
}

/** Changes the flag in both places, the keeper first, since that one decides; then waits for the alarm. */
async function run(
  io: Io,
  setExit: SetExit,
  name: Name,
  target: Target,
  { region, keeper, flags }: Survey,
  options: Options,
): Promise<void> {
  if (!options.yes) await confirm(io, region, 'nothing was done');
  const { action, alarm } = COMMANDS[name];
  const interruption = new AbortController();
  const { signal } = interruption;
  const disarm = io.onInterrupt(() => interruption.abort());
  const errors: { readonly at: string; readonly error: string }[] = [];
  const done: string[] = [];
  let alarmSeen = false;
  let interrupted = false;
  const attempt = async (at: string, work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      interrupted ||= error.exitCode === EXIT.interrupted;
      errors.push({ at, error: error.message });
      return false;
    }
  };
  try {
    for (const at of [keeper, region]) {
      if (interrupted) break;
      if (await attempt(at, () => invokeAdmin(target, at, action, { region }, signal))) done.push(at);
      // A Region whose keeper still holds it out does not come back by half.
      else if (name === 'return') break;
    }
    if (done.includes(keeper) && !interrupted)
      alarmSeen = await attempt(`alarm in ${keeper}`, () =>
        waitForAlarm(target, {
          keeper,
          region,
          wanted: alarm,
          timeoutMs: options.timeout * 1_000,
          pollMs: io.pollMs ?? 1_000,
          signal,
        }),
      );
  } finally {
    disarm();
  }
  if (errors.length > 0) setExit(interrupted ? EXIT.interrupted : EXIT.failed);
  const result = { region, keeper, keeper_flag: done.includes(keeper), own_flag: done.includes(region) };
  if (options.json) printJson(io, { ...result, alarm: alarmSeen ? alarm : null, errors });
  else if (errors.length === 0) for (const line of SUCCESS[name](region)) io.stdout.write(`${line}\n`);
  else if (done.length > 0)
    io.stdout.write(`${region}: the flag is ${CHANGED[name]} in ${done.join(', ')}\n`);
  for (const { at, error } of errors) io.stderr.write(`error: ${at}: ${error}\n`);
  if (errors.length === 0) return;
  for (const line of left(name, result, flags)) io.stderr.write(`${line}\n`);
  io.stderr.write(`to finish, run again: countersign ${name} ${region}${target.args}\n`);
}

const CHANGED = { evacuate: 'set', return: 'taken back' } as const;

const SUCCESS: Readonly<Record<Name, (region: string) => string[]>> = {
  evacuate: (region) => [
    `${region} is out of service: its flag stands in both Regions, and the alarm that DNS follows has fired`,
    `it stays out until: countersign return ${region}`,
  ],
  return: (region) => [
    `${region} is back: no flag stands, and the alarm that DNS follows has ended`,
    'DNS leads to it again once it has been good for the hold-down (3 minutes by default)',
  ],
};

/**
 * What is known after a command that did not finish. A call without an answer may have changed its flag.
 *
 * @param before the flags as they were seen before it
 */
function left(
  name: Name,
  result: { region: string; keeper: string; keeper_flag: boolean; own_flag: boolean },
  before: Survey['flags'],
): string[] {
  const { region, keeper, keeper_flag, own_flag } = result;
  if (name === 'return')
    return [
      keeper_flag && !own_flag
        ? `${region} still refuses registrations, and its own flag makes it unhealthy`
        : keeper_flag
          ? `no flag stands; DNS follows the alarm when it ends`
          : `${keeper} did not confirm: ${region} stays out while its flag stands there`,
    ];
  const stood = (at: string) => before.some((flag) => flag.at === at && flag.evacuatedAt);
  const [inKeeper, inItself] = [keeper_flag || stood(keeper), own_flag || stood(region)];
  if (inKeeper && inItself) return ['both flags stand; DNS follows the alarm when it fires'];
  if (inKeeper)
    return [
      `the flag in ${keeper} holds ${region} out of DNS; ${region} itself may still take registrations`,
    ];
  if (inItself)
    return [
      `${region} refuses registrations, and is unhealthy; but without the flag in ${keeper} DNS leads to it again if it loses its own`,
    ];
  return [`nothing confirms that ${region} is evacuated; a call without an answer may have set a flag`];
}
