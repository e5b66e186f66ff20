/**
 * The settings that cannot change after the first deploy, in a file that is committed beside the config
 * (docs/deploy-config.md, "Frozen"). A stage of kind prod does not synthesise without its entry, so that the
 * file cannot be forgotten; one of kind dev has none, since it goes without a trace.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { KEYS_MANAGED_BY, LOCK_FILE } from '../../lambda/contract/lock-file.ts';
import { keyAlias } from '../../lambda/contract/names.ts';
import type { ConfigFault } from './fault.ts';
import { type Config, ConfigError } from './read.ts';
import { type TableSet, tableSets } from './tables.ts';

export { LOCK_FILE };
/** `npx cdk synth -c countersign:lock=write` */
export const LOCK_CONTEXT = 'countersign:lock';

const WRITE = `npx cdk synth -c ${LOCK_CONTEXT}=write`;
const MADE = 'made';
const MIGRATE = 'copy the data into tables of the next generation: docs/upgrade.md, "Other tables"';

const tablesSchema = z.strictObject({
  /** Absent: 1. */
  generation: z.number().optional(),
  /** Tables of one Region are `eventual`: replicas can be added to them. */
  consistency: z.enum(['eventual', 'strong']),
  regions: z.array(z.string()),
  witnessRegion: z.string().optional(),
  /** Whether tables of one Region have the stream that a replica needs; earlier releases made none. */
  stream: z.literal(true).optional(),
});

/** The tables in use, and what else is frozen. */
const stageSchema = tablesSchema.extend({
  homeRegion: z.string(),
  /** Tables of another generation. */
  other: tablesSchema.optional(),
  /** By Region, the customer key that encrypts there: its ARN, or `made` if the stage created it. */
  kmsKeys: z.record(z.string(), z.string()).optional(),
  /**
   * By Region, also one that was removed, the generation of its ledger. Used nonces go with the stack of a
   * Region, and in an empty ledger of the same name they would be good again.
   */
  ledgers: z.record(z.string(), z.number()).optional(),
  /** By client, the issuer of its policy of enrolment. */
  enrolment: z.record(z.string(), z.string()).optional(),
  /** The Region that the keys were promoted to. */
  [KEYS_MANAGED_BY]: z.string().optional(),
});
const lockSchema = z.record(z.string(), stageSchema);

type Tables = z.output<typeof tablesSchema>;
type LockedStage = z.output<typeof stageSchema>;

export interface LockOptions {
  /** Path of the file. */
  readonly file: string;
  /** Whether to write this stage's entry, or the part of it that may change. */
  readonly write: boolean;
}

/** @throws ConfigError where the entry is missing, or a frozen setting is not what it was */
export function checkLock(config: Config, { file, write }: LockOptions): void {
  const { name, kind } = config.stage;
  if (kind === 'dev') return;
  const lock = read(file);
  const before = lock[name];
  const now = lockedStage(config, before?.ledgers);
  const faults = before
    ? [
        ...promotion(before, config, file),
        ...homeChange(before, now, file),
        ...generationChanges(before, now, { file, write }),
        ...keyChanges(before, config, { file, write }),
        ...ledgerChanges(before, config, { file, write }),
        ...enrolmentChanges(before, now, { file, write }),
      ]
    : [
        ...promotion({}, config, file),
        ...tooEarly(config),
        ...(write ? [] : [missing(name, Object.keys(lock), file)]),
      ];
  if (faults.length > 0) throw new ConfigError(faults);
  if (write) writeFileSync(file, `${JSON.stringify({ ...lock, [name]: now }, undefined, 2)}\n`);
}

function lockedStage(config: Config, ledgers: LockedStage['ledgers']): LockedStage {
  const { homeRegion, regions, keys } = config;
  const { inUse, other } = tableSets(config);
  const made = (other?.regions ?? []).map((name) => [name, MADE] as const);
  return {
    homeRegion,
    ...tablesOf(inUse),
    ...(other && { other: tablesOf(other) }),
    kmsKeys: {
      ...Object.fromEntries(made),
      ...Object.fromEntries(regions.map(({ name, kmsKeyArn = MADE }) => [name, kmsKeyArn])),
    },
    ledgers: {
      ...ledgers,
      ...Object.fromEntries(regions.map(({ name, ledgerGeneration }) => [name, ledgerGeneration])),
    },
    ...(config.enrolment.length > 0 && {
      enrolment: Object.fromEntries(config.enrolment.map(({ client, issuer }) => [client, issuer])),
    }),
    ...(keys.managedBy !== undefined && { [KEYS_MANAGED_BY]: keys.managedBy }),
  };
}

const tablesOf = ({ generation, consistency, regions, witnessRegion }: TableSet): Tables => ({
  ...(generation !== 1 && { generation }),
  consistency: consistency === 'strong' ? 'strong' : 'eventual',
  regions: [...regions],
  ...(witnessRegion !== undefined && { witnessRegion }),
  ...(regions.length === 1 && { stream: true as const }),
});

const generationOf = ({ generation = 1 }: Tables): number => generation;

/**
 * The Region that makes keys changes only by a promotion, which writes it into the file. Two Regions that
 * make keys would make keys that the other does not know; and a home stack that claims the secrets again
 * would fail, or overwrite them.
 */
function promotion(
  { [KEYS_MANAGED_BY]: was }: Partial<LockedStage>,
  { stage, homeRegion, regions, keys: { managedBy: is } }: Config,
  file: string,
): ConfigFault[] {
  if (was === is) return [];
  const others = regions.flatMap(({ name }) => (name === homeRegion ? [] : [name]));
  const command = `countersign keys promote --to ${is} --stage ${stage.name} --region ${[homeRegion, ...others].join(',')}`;
  const how =
    was === undefined
      ? `must be left out: ${file} knows of no promotion. To let ${is} make the keys, run \`${command}\`, which writes it into the file`
      : `must be ${was}, which the keys were promoted to: ${file} says so, got ${is ?? 'none'}` +
        (is === undefined ? '' : `. To let ${is} make the keys, run \`${command}\``);
  return [{ path: ['keys', 'managedBy'], message: how, example: false }];
}

/**
 * If the key of a live stage changes, the roles lack a right on one of the two, unless they may use both for
 * a while. The file names the keys that encrypted tables and secrets when it was last written.
 */
function keyChanges(
  { kmsKeys }: LockedStage,
  { stage, regions }: Config,
  { file, write }: LockOptions,
): ConfigFault[] {
  if (kmsKeys === undefined) {
    const message =
      `${file} does not say which keys encrypt the stage's data: an earlier version wrote it. With the kmsKeyArn of every ` +
      `Region as it is deployed, write it once with \`${WRITE}\` and commit it`;
    return write ? [] : [{ path: ['regions'], message, example: false }];
  }
  return regions.flatMap(({ name, kmsKeyArn: is = MADE, previousKmsKeyArn: previous }, i): ConfigFault[] => {
    const was = kmsKeys[name];
    // The ARN of a key that the stage made is not known here. A stage that is adopted again names it twice.
    const listed = previous !== undefined && (was === MADE || was === previous);
    if (was === undefined || was === is || listed) return [];
    const alias = keyAlias(stage.name);
    const of = (key: string) => (key === MADE ? 'the key that the stage made' : key);
    const shown =
      was === MADE ? ` (\`aws kms describe-key --region ${name} --key-id ${alias}\` shows its ARN)` : '';
    const message =
      `changes on a live stage: ${file} has ${of(was)}, got ${of(is)}. Roles must be able to use both while tables and ` +
      `secrets go over: name ${of(was)}${shown} as previousKmsKeyArn, and go on as docs/upgrade.md says`;
    return [{ path: ['regions', i, 'kmsKeyArn'], message, example: false }];
  });
}

/**
 * A ledger that lost what it held, or was left for another, is never used again. So the file has each
 * generation before it is deployed: nothing else remembers it when the config goes back.
 */
function ledgerChanges(
  { ledgers = {}, ...before }: LockedStage,
  { regions }: Config,
  { file, write }: LockOptions,
): ConfigFault[] {
  return regions.flatMap(({ name, ledgerGeneration: is }, i): ConfigFault[] => {
    const was = ledgers[name] ?? 0;
    // Until a switch of the tables is over, a Region of either generation has its stack.
    const serves = [...before.regions, ...(before.other?.regions ?? [])].includes(name);
    const fault = (message: string): ConfigFault[] => [
      { path: ['regions', i, 'ledgerGeneration'], message, example: false },
    ];
    if (serves ? is >= was : is > was)
      return write || was === 0 || is === was
        ? []
        : fault(
            `changes on a live stage: ${file} has ${was}, got ${is}. Write it with \`${WRITE}\` and commit it before you deploy, ` +
              'so that the stage never goes back to a ledger that it left',
          );
    const why = serves
      ? `${file} has generation ${was} in use, and an earlier one lacks the nonces that were used since`
      : `${name} was removed from the stage, and its used nonces with it: in an empty ledger of that name they would be good again`;
    return fault(`must be ${serves ? was : was + 1} or more, got ${is}: ${why}`);
  });
}

/**
 * A client's registrations are its own, so another name for its workloads would lose them, and another issuer
 * for its name would give them away.
 */
function enrolmentChanges(
  { enrolment: was = {} }: LockedStage,
  { enrolment: is = {} }: LockedStage,
  { file, write }: LockOptions,
): ConfigFault[] {
  const clients = (of: Record<string, string>, without: Record<string, string>) =>
    Object.keys(of).filter((client) => !Object.hasOwn(without, client));
  const [removed, added] = [clients(was, is), clients(is, was)];
  const path = ['enrolment'];
  const moved = Object.keys(is).filter((client) => Object.hasOwn(was, client) && is[client] !== was[client]);
  const faults = moved.map((client) =>
    frozen(
      path,
      file,
      `${was[client]} for ${client}`,
      String(is[client]),
      'give other workloads another client',
    ),
  );
  const renamed = added.flatMap((client) =>
    removed.some((before) => was[before] === is[client]) ? [client] : [],
  );
  if (renamed.length > 0)
    return [
      ...faults,
      frozen(
        path,
        file,
        removed.join(', '),
        renamed.join(', '),
        'a client keeps its name, by which its registrations are found. If these are other workloads, deploy without the old policy first',
      ),
    ];
  if (write || (removed.length === 0 && added.length === 0)) return faults;
  const listed = (names: readonly string[], what: string) =>
    names.length > 0 ? [`${what} ${names.join(', ')}`] : [];
  const message =
    `changes which clients enrol, which ${file} keeps: ${[...listed(added, 'it lacks'), ...listed(removed, 'it has')].join(', ')}. ` +
    `Write it with \`${WRITE}\` and commit it`;
  return [...faults, { path, message, example: false }];
}

/** A stage that is not deployed yet has no previous key. */
const tooEarly = ({ regions }: Config): ConfigFault[] =>
  regions.flatMap(({ previousKmsKeyArn }, i) =>
    previousKmsKeyArn === undefined
      ? []
      : [
          {
            path: ['regions', i, 'previousKmsKeyArn'],
            message: 'has no meaning before the first deploy: leave it out',
            example: false,
          },
        ],
  );

const frozen = (
  path: readonly string[],
  file: string,
  was: string,
  is: string,
  how: string,
): ConfigFault => ({
  path,
  message: `is frozen since the first deploy: ${file} has ${was}, got ${is}; ${how}`,
  example: false,
});

function homeChange(before: LockedStage, now: LockedStage, file: string): ConfigFault[] {
  if (now.homeRegion === before.homeRegion) return [];
  const how = 'tables and secrets do not move: deploy another stage there and move clients to it';
  return [frozen(['homeRegion'], file, before.homeRegion, now.homeRegion, how)];
}

/**
 * A stage takes a generation into use only after its tables were made beside the ones in use, which is when
 * they can be filled. The previous ones stay listed, so that no deployment in between gives them up.
 */
function generationChanges(
  before: LockedStage,
  now: LockedStage,
  { file, write }: LockOptions,
): ConfigFault[] {
  const [was, is] = [generationOf(before), generationOf(now)];
  if (was === is)
    return [
      ...tableChanges([], before, now, { file }),
      ...(now.other ? otherChanges(before, now.other, { file, write }) : []),
    ];
  const fault = (path: string[], message: string): ConfigFault[] => [{ path, message, example: false }];
  if (before.other === undefined || generationOf(before.other) !== is)
    return fault(
      ['tables', 'generation'],
      `changes on a live stage: ${file} has ${was} in use, got ${is}, which has no tables yet. Name them as tables.other, ` +
        'deploy, and fill them first: docs/upgrade.md, "Other tables"',
    );
  if (now.other === undefined || generationOf(now.other) !== was)
    return fault(
      ['tables', 'other'],
      `must keep generation ${was}, which ${file} has in use, while Regions change to generation ${is}`,
    );
  return [
    ...tableChanges([], before.other, now, { file, switches: true }),
    ...tableChanges(OTHER, before, now.other, { file, switches: true }),
    ...(write
      ? []
      : fault(
          ['tables', 'generation'],
          `changes on a live stage: ${file} has ${was} in use, got ${is}. Once \`countersign registry copy\` has said that the ` +
            `tables are complete and equal, write it with \`${WRITE}\` and commit it`,
        )),
  ];
}

const OTHER = ['tables', 'other'] as const;

function otherChanges(before: LockedStage, now: Tables, { file, write }: LockOptions): ConfigFault[] {
  if (before.other && generationOf(before.other) === generationOf(now))
    return tableChanges(OTHER, before.other, now, { file });
  if (write) return [];
  const message =
    `${file} has no tables of generation ${generationOf(now)}. It keeps what cannot change after they are made: ` +
    `write it once with \`${WRITE}\` and commit it`;
  return [{ path: OTHER, message, example: false }];
}

/**
 * @param at where the settings of these tables are: [] for those in use
 * @param options with `switches`, whether the stage takes the other generation into use
 */
function tableChanges(
  at: readonly string[],
  before: Tables,
  now: Tables,
  { file, switches }: Pick<LockOptions, 'file'> & { readonly switches?: true },
): ConfigFault[] {
  if (now.consistency !== before.consistency) {
    const how = `a table keeps its mode; ${MIGRATE}`;
    return [frozen([...at, 'consistency'], file, before.consistency, now.consistency, how)];
  }
  const path = [...at, 'regions'];
  const [was, is] = [before, now].map(
    ({ regions, witnessRegion }) =>
      [...regions].sort().join(', ') +
      (witnessRegion === undefined ? '' : ` and the witness ${witnessRegion}`),
  ) as [string, string];
  if (now.consistency === 'strong')
    return was === is
      ? []
      : [frozen(path, file, was, is, `a strongly consistent table keeps its Regions; ${MIGRATE}`)];
  // A switch is written before it is deployed, so the file cannot say which replicas exist by then.
  if (switches) {
    if (difference(before.regions, now.regions) === 0) return [];
    const message =
      `differ from ${file}, whose tables of generation ${generationOf(before)} have ${was}, got ${is}. ` +
      `A switch changes the Regions of no table: name ${was}, and change them afterwards`;
    return [{ path, message, example: false }];
  }
  if (was !== is && before.regions.length === 1 && before.stream === undefined) {
    const message =
      `differ from ${file}, whose tables have no stream: an earlier release wrote it. A table takes no replica in the same ` +
      `deploy as the stream: deploy ${was} once with this release, write it into the file with \`${WRITE}\`, then add the Region`;
    return [{ path, message, example: false }];
  }
  // Writing is no way around it: the file would have Regions that no deployment can make at once.
  if (difference(before.regions, now.regions) <= 1) return [];
  const step =
    at.length === 0
      ? `\`countersign region add REGION\` or \`countersign region remove REGION\``
      : '`countersign deploy`';
  const message =
    `differ from ${file} in more than one: it has ${was}, got ${is}. A table takes one replica more or less a ` +
    `deploy: change one, run ${step}, write it into the file with \`${WRITE}\`, then change the next`;
  return [{ path, message, example: false }];
}

function missing(stage: string, others: readonly string[], file: string): ConfigFault {
  const known = others.length === 0 ? '' : ` (it has ${others.join(', ')}; a stage cannot be renamed)`;
  return {
    path: ['stage', 'name'],
    message:
      `${file} has no entry for ${stage}${known}. It keeps what cannot change after the first deploy: ` +
      `write it once with \`${WRITE}\` and commit it`,
    example: false,
  };
}

function read(file: string): Record<string, LockedStage> {
  if (!existsSync(file)) return {};
  try {
    return lockSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    const message = `${file} cannot be read: it is not JSON, or not of this form; take it from version control`;
    throw new ConfigError([{ path: [], message, example: false }]);
  }
}

const difference = (a: readonly string[], b: readonly string[]): number =>
  a.filter((each) => !b.includes(each)).length + b.filter((each) => !a.includes(each)).length;
