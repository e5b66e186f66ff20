/** `countersign evacuate` and `countersign return`: take a Region out of service, and return it. */
import { Command, Option } from 'commander';
import { invokeAdmin, Refused } from '../admin.ts';
import { PATIENCE_MS } from '../ask.ts';
import { NotBegun } from '../aws-error.ts';
import { confirm } from '../confirm.ts';
import {
  CliError,
  EXIT,
  EXIT_CODES_HELP,
  type Io,
  interruptible,
  printJson,
  type SetExit,
  usage,
} from '../io.ts';
import { addTargetOptions, findTarget, type Target, type TargetOptions } from '../target.ts';
import { parseSince, parseTime } from '../time.ts';
import { waitForAlarm } from './alarm.ts';
import { unheard } from './heard.ts';
import {
  describe,
  type Flag,
  isGood,
  isKnown,
  isOut,
  isStopped,
  type Looking,
  type SeenRegion,
  type Survey,
  survey,
  whyOut,
} from './survey.ts';

type Options = TargetOptions & {
  readonly json?: true;
  readonly yes?: true;
  /** Seconds. */
  readonly timeout: number;
};
type EvacuateOptions = Options & { readonly evenIfLast?: true; readonly since?: string };
type ReturnOptions = Options & { readonly evenIfUnknown?: true };

const COMMANDS = {
  evacuate: { action: 'regions.evacuate', flag: 'set', alarm: 'ALARM' },
  return: { action: 'regions.return', flag: 'clear', alarm: 'OK' },
} as const;
type Name = keyof typeof COMMANDS;

export const evacuateCommand = (io: Io, setExit: SetExit): Command =>
  command('evacuate', 'Take a Region out of service until you return it.', EVACUATE_HELP)
    .option('--even-if-last', 'also if no other Region is healthy: then no Region takes registrations')
    .option(
      '--since <time>',
      'deliver callbacks again from then on: RFC 3339, or how long ago, e.g. 6h; without it, from 25 hours before each endpoint’s last event',
      parseSince,
    )
    .action(async (region: string, options: EvacuateOptions) => {
      const target = begin(io, 'evacuate', options);
      const seen = await survey(target, region, looking(io, 'evacuate', options, options.evenIfLast));
      for (const line of [...evacuationCost(seen, target), ...stopped(seen, target)])
        io.stderr.write(`${line}\n`);
      if (!options.evenIfLast && isLast(seen))
        throw new CliError(
          EXIT.failed,
          `${noOther(seen)}: nothing was done. No Region would take registrations; --even-if-last does that` +
            // A command before this one may have taken it out.
            (isOut(seen.flags)
              ? `. ${region} is evacuated already; to return it: countersign return ${region}${target.args}`
              : ''),
        );
      await run(io, setExit, 'evacuate', target, seen, options);
    });

export const returnCommand = (io: Io, setExit: SetExit): Command =>
  command('return', 'Return an evacuated Region to service.', RETURN_HELP)
    .option(
      '--even-if-unknown',
      'also if its health cannot be read from here: DNS leads to it only once its own checks pass',
    )
    .action(async (region: string, options: ReturnOptions) => {
      const target = begin(io, 'return', options);
      const seen = await survey(target, region, looking(io, 'return', options, options.evenIfUnknown));
      for (const line of [...seen.regions.map(describe), ...stopped(seen, target)])
        io.stderr.write(`${line}\n`);
      const own = seen.regions.find((each) => each.region === region)!;
      if (!isKnown(own) && options.evenIfUnknown) io.stderr.write(`${unknownHealth(own)}\n`);
      else if (!isKnown(own))
        throw new CliError(
          EXIT.failed,
          `${region} is not known to be good: ${whyOut(own)}. It stays out; nothing was done. ` +
            'If it is known from elsewhere, or DNS is to decide: --even-if-unknown',
        );
      else if (!isGood(own))
        throw new CliError(
          EXIT.failed,
          `${region} would be unhealthy without its flag, too: ${whyOut(own)}. It stays out; nothing was done`,
        );
      for (const { at, flag } of seen.flags)
        if (flag.is === 'unknown')
          throw new CliError(
            EXIT.unreachable,
            `${at} cannot be asked for the flag of ${region}: ${flag.error}. It stays out; nothing was done`,
          );
      await run(io, setExit, 'return', target, seen, options);
    });

/**
 * One Region that is cut off delays no evacuation, and neither does a flood of the Region that is to go. One
 * whose health decides is asked again if it answers 429.
 *
 * @param isForced whether the command goes on if nothing is known
 */
const looking = (
  io: Io,
  name: Name,
  { timeout }: Options,
  isForced: true | undefined,
): Omit<Looking, 'signal'> => ({
  limitMs: Math.min(timeout * 1_000, PATIENCE_MS),
  throttledMs: isForced ? 0 : timeout * 1_000,
  decides: name === 'evacuate' ? 'others' : 'own',
  report: (text) => io.stderr.write(`${text}\n`),
});

const unknownHealth = (own: SeenRegion): string =>
  `${own.region} is not known to be good: ${whyOut(own)}. DNS leads to it only once its own checks pass; without DNS it serves at once.`;

/** @returns a line if the writes of Regions are stopped */
function stopped({ regions }: Survey, { args }: Target): string[] {
  const names = regions.filter(isStopped).map(({ region }) => region);
  if (names.length === 0) return [];
  return [
    `writes are stopped in ${names.join(', ')}, where every registration is refused; to allow them: ${resume(args)}`,
  ];
}
const resume = (args: string): string => `countersign registry resume-writes${args}`;

const othersOf = ({ region, regions }: Survey) => regions.filter((each) => each.region !== region);
const isLast = (seen: Survey): boolean => !othersOf(seen).some(({ state }) => state === 'healthy');
/** Whether no other Region serves. One of which nothing is known may serve. */
const isAlone = (seen: Survey): boolean =>
  othersOf(seen).every(({ state }) => state === 'unhealthy' || state === 'silent');
const noOther = (seen: Survey): string =>
  `no other Region is ${isAlone(seen) ? '' : 'known to be '}healthy (${othersOf(seen).map(describe).join('; ')})`;

const EVACUATE_HELP = `
The flag is written to the keeper, the next Region in alphabetical order, and to the Region itself. DNS then leads to the
other Regions, and the Region answers 503 to registrations. No restart and no loss ends that; only \`countersign return\` does.
`;
const RETURN_HELP = `
It shows the checks of all Regions first, and refuses if the Region would be unhealthy without its flag, too, or if its
health cannot be read. DNS leads to it again once all its checks have passed for the hold-down, 3 minutes by default.
`;

const command = (name: Name, description: string, more: string): Command =>
  addTargetOptions(new Command(name).description(description))
    .argument('<region>', 'the Region')
    .option('--yes', 'do not ask for confirmation')
    .addOption(
      new Option(
        '--timeout <time>',
        'how long to wait for each Region, also for one that answers 429, and for the alarm that DNS follows, e.g. 90s',
      )
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

function evacuationCost({ region, keeper, regions, flags }: Survey, { stage, args }: Target): string[] {
  const since = flags.flatMap(({ flag }) => (flag.is === 'set' ? [flag.since] : [])).slice(0, 1);
  return [
    ...since.map((time) => `${region} is evacuated since ${time}.`),
    `This takes ${region} out of service in stage ${stage}, until you run countersign return ${region}${args}.`,
    `DNS leads to the other Regions within about 3 minutes, and ${region} refuses registrations within 10 seconds.`,
    'Nonces that it issued cannot be used while it is out; the SDK gets others elsewhere and registers there.',
    `${keeper} keeps the flag. If both are lost, ${region} is still out when they return.`,
    ...regions.map(describe),
  ];
}

/** What a command did. */
interface Outcome {
  readonly errors: readonly { readonly at: string; readonly error: string }[];
  /** By place, the flag as far as it is known. */
  readonly stands: ReadonlyMap<string, Flag['is']>;
  /** The places where the command changed the flag. */
  readonly done: ReadonlySet<string>;
  readonly alarmSeen: boolean;
  /** The endpoints that another Region delivers to from now on; undefined where that was not done. */
  readonly moved: readonly string[] | undefined;
  /** The Regions that do not show that yet. */
  readonly unheardIn: readonly string[];
  readonly interrupted: boolean;
}

/**
 * Changes the flag in both places, then waits for the alarm. An evacuation writes both flags at once, so that
 * a Region that gives no answer delays nothing. A return begins with the keeper: a Region whose keeper still
 * holds it out does not come back by half.
 */
async function changeFlags(
  io: Io,
  name: Name,
  target: Target,
  { region, keeper, flags }: Survey,
  options: EvacuateOptions,
  signal: AbortSignal,
): Promise<Outcome> {
  const { pollMs = 1_000 } = io;
  const errors: { readonly at: string; readonly error: string }[] = [];
  const stands = new Map<string, Flag['is']>(flags.map(({ at, flag }) => [at, flag.is]));
  /** Where the flag stood before this command set it: another evacuation set it there. */
  const foreign = new Set(flags.flatMap(({ at, flag }) => (flag.is === 'set' ? [at] : [])));
  const done = new Set<string>();
  let alarmSeen = false;
  let moved: readonly string[] | undefined;
  let unheardIn: readonly string[] = [];
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
  const change = (at: string, to: Name): Promise<boolean> =>
    attempt(at, async () => {
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(options.timeout * 1_000)]);
        const shown = await invokeAdmin(target, at, COMMANDS[to].action, { region }, limit);
        if ('stood_before' in shown && shown.stood_before) foreign.add(at);
        stands.set(at, COMMANDS[to].flag);
      } catch (error) {
        const isBegun = !(error instanceof Refused || error instanceof NotBegun);
        if (isBegun && stands.get(at) !== COMMANDS[to].flag) stands.set(at, 'unknown');
        throw error;
      }
    });
  /** Of two operators who take out a Region each, at least one sees here what the other did. */
  const lookAgain = async (): Promise<void> => {
    let isTooMany = false;
    await attempt(LOOK, async () => {
      const now = await survey(target, region, { ...looking(io, 'evacuate', options, undefined), signal });
      isTooMany = isAlone(now);
      for (const line of isTooMany ? stopped(now, target) : []) io.stderr.write(`${line}\n`);
      if (isTooMany)
        throw new CliError(
          EXIT.failed,
          foreign.size > 0
            ? `${noOther(now)}. It stays evacuated, since another command has evacuated it too; to return it: ` +
                `countersign return ${region}${target.args}`
            : `${noOther(now)}: so this command clears what it has set`,
        );
    });
    if (!isTooMany || foreign.size > 0) return;
    await Promise.all(
      flags.map(async ({ at }) => {
        if (stands.get(at) !== 'clear' && (await change(at, 'return'))) done.delete(at);
      }),
    );
  };
  const changeAt = async (at: string) => {
    if (await change(at, name)) done.add(at);
  };
  if (name === 'evacuate') await Promise.all([keeper, region].map(changeAt));
  else {
    await changeAt(keeper);
    if (done.has(keeper) && !interrupted) await changeAt(region);
  }
  if (name === 'evacuate' && !options.evenIfLast && done.size > 0 && !interrupted) await lookAgain();
  // Whichever Region is out, callbacks go on: its keeper delivers what it has not.
  if (name === 'evacuate' && stands.get(keeper) === 'set' && !interrupted)
    await attempt(CALLBACKS, async () => {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(options.timeout * 1_000)]);
      const { since } = options;
      const params = { from: region, to: keeper, ...(since !== undefined && { since }) };
      ({ moved } = await invokeAdmin(target, keeper, 'webhooks.move', params, limit));
      const regions = stands.get(region) === 'set' ? [keeper, region] : [keeper];
      unheardIn = await unheard(target, { moved, holder: keeper, regions, pollMs, signal: limit });
    });
  if (done.has(keeper) && !interrupted)
    alarmSeen = await attempt(`alarm in ${keeper}`, () =>
      waitForAlarm(target, {
        keeper,
        region,
        wanted: COMMANDS[name].alarm,
        timeoutMs: options.timeout * 1_000,
        pollMs,
        signal,
      }),
    );
  return { errors, stands, done, alarmSeen, moved, unheardIn, interrupted };
}

/** Asks, changes the flags, and reports: the state, also where only a part was done. */
async function run(
  io: Io,
  setExit: SetExit,
  name: Name,
  target: Target,
  seen: Survey,
  options: EvacuateOptions,
): Promise<void> {
  const { region, keeper } = seen;
  if (!options.yes) await confirm(io, region, 'nothing was done');
  const { errors, stands, done, alarmSeen, moved, unheardIn, interrupted } = await interruptible(
    io,
    (signal) => changeFlags(io, name, target, seen, options, signal),
  );
  if (errors.length > 0) setExit(interrupted ? EXIT.interrupted : EXIT.failed);
  const [inKeeper, own] = [stands.get(keeper)!, stands.get(region)!];
  const isSet = (flag: Flag['is']) => (flag === 'unknown' ? null : flag === 'set');
  const result = { region, keeper, keeper_flag: isSet(inKeeper), own_flag: isSet(own) };
  const alarm = alarmSeen ? COMMANDS[name].alarm : null;
  if (options.json)
    printJson(io, { ...result, alarm, ...(name === 'evacuate' && { moved: moved ?? null }), errors });
  else if (errors.length === 0)
    for (const line of SUCCESS[name](seen, target.args)) io.stdout.write(`${line}\n`);
  else if (done.size > 0)
    io.stdout.write(`${region}: the flag is ${CHANGED[name]} in ${[...done].join(', ')}\n`);
  if (!options.json && moved && moved.length > 0)
    io.stdout.write(`${keeper} delivers callbacks to ${moved.join(', ')} from now on\n`);
  if (unheardIn.length > 0)
    io.stderr.write(
      `${unheardIn.join(' and ')} did not show this yet: until that changes, a Region that goes on delivers, too, ` +
        'and events come twice, with the same ids. Look: countersign webhooks list' +
        `${target.args}\n`,
    );
  for (const { at, error } of errors) io.stderr.write(`error: ${at}: ${error}\n`);
  if (errors.length === 0) return;
  for (const line of left(region, keeper, inKeeper, own)) io.stderr.write(`${line}\n`);
  if (errors.some(({ at }) => at === LOOK) && [inKeeper, own].some((flag) => flag !== 'clear'))
    io.stderr.write(
      `if no other Region serves, return ${region}: countersign return ${region}${target.args}\n`,
    );
  const again = options.since === undefined ? '' : ` --since ${options.since}`;
  io.stderr.write(`to finish, run again: countersign ${name} ${region}${target.args}${again}\n`);
}

/** Names the move of the endpoints among the errors. */
const CALLBACKS = 'callbacks';
/** Names the second look among the errors. */
const LOOK = 'another look';
const CHANGED = { evacuate: 'set', return: 'cleared' } as const;

const DNS_FOLLOWS =
  'DNS leads to it once all its checks have passed for the hold-down (3 minutes by default)';

const SUCCESS: Readonly<Record<Name, (seen: Survey, args: string) => string[]>> = {
  evacuate: ({ region }, args) => [
    `${region} is out of service: its flag stands in both Regions, and the alarm that DNS follows has fired`,
    `it stays out until: countersign return ${region}${args}`,
  ],
  // An interrupted return may have left nothing but the alarm to wait for: running it again is no error.
  return: ({ region, regions, flags, othersOut }, args) => [
    isOut(flags)
      ? `${region} is back: no flag stands, and the alarm that DNS follows has ended`
      : `${region} was not evacuated: no flag stood, and the alarm that DNS follows has ended`,
    ...othersOut.map((other) => `${other} is evacuated; to return it: countersign return ${other}${args}`),
    regions.some((each) => each.region === region && isStopped(each))
      ? `It takes no registration until writes are allowed: ${resume(args)}. ${DNS_FOLLOWS}, also while they are stopped`
      : `It takes registrations again within 10 seconds. ${DNS_FOLLOWS}`,
  ],
};

/** The state after a command that did not finish. */
function left(region: string, keeper: string, inKeeper: Flag['is'], own: Flag['is']): string[] {
  if (inKeeper === 'set' && own === 'set') return ['both flags stand; DNS follows the alarm'];
  if (inKeeper === 'clear' && own === 'clear')
    return [`${region} is not evacuated: no flag stands; DNS follows the alarm`];
  const isHeld =
    inKeeper === 'set'
      ? `the flag in ${keeper} holds ${region} out of DNS`
      : inKeeper === 'clear'
        ? `without the flag in ${keeper} DNS leads to ${region} again once its own health check passes`
        : `it is not known whether the flag in ${keeper} stands, which decides where DNS leads`;
  const refuses =
    own === 'set'
      ? `${region} refuses registrations, and its own flag makes it unhealthy`
      : own === 'clear'
        ? `${region} itself does not refuse registrations`
        : `it is not known whether ${region} itself refuses registrations`;
  return [isHeld, refuses];
}
