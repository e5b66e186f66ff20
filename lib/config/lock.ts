/**
 * The settings that cannot change after the first deploy, in a file that is committed beside the config
 * (docs/deploy-config.md, "Frozen"). A stage of kind prod does not synthesise without its entry, so that the file cannot be forgotten; one of
 * kind dev has none, since it goes without a trace.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Fault } from './fault.ts';
import { type Config, ConfigError } from './read.ts';

export const LOCK_FILE = 'countersign.lock.json';
/** `npx cdk synth -c countersign:lock=write` */
export const LOCK_CONTEXT = 'countersign:lock';

const WRITE = `npx cdk synth -c ${LOCK_CONTEXT}=write`;
const MADE = 'made';
const MIGRATE =
  'its migration, a copy into tables of the next generation (countersign registry copy), is not supported yet';

const stageSchema = z.strictObject({
  homeRegion: z.string(),
  /** Of the tables: with one Region they are such as replicas can be added to. */
  consistency: z.enum(['eventual', 'strong']),
  regions: z.array(z.string()),
  witnessRegion: z.string().optional(),
  /** By Region, the customer key that encrypts there: its ARN, or `made` if the stage created it. */
  kmsKeys: z.record(z.string(), z.string()).optional(),
});
const lockSchema = z.record(z.string(), stageSchema);

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
  const now = lockedStage(config);
  // Writing takes a new stage and, one after the other, replicas that were deployed; never what is frozen.
  const takesReplicas = write && now.consistency !== 'strong';
  const faults = before
    ? [
        ...changes(before, now, file).filter(({ path }) => !takesReplicas || path[0] !== 'regions'),
        ...keyChanges(before, config, { file, write }),
      ]
    : [...tooEarly(config), ...(write ? [] : [missing(name, Object.keys(lock), file)])];
  if (faults.length > 0) throw new ConfigError(faults);
  if (write) writeFileSync(file, `${JSON.stringify({ ...lock, [name]: now }, undefined, 2)}\n`);
}

function lockedStage({ homeRegion, consistency, regions, witnessRegion }: Config): LockedStage {
  return {
    homeRegion,
    consistency: consistency === 'strong' ? 'strong' : 'eventual',
    regions: regions.map(({ name }) => name),
    ...(witnessRegion !== undefined && { witnessRegion }),
    kmsKeys: Object.fromEntries(regions.map(({ name, kmsKeyArn = MADE }) => [name, kmsKeyArn])),
  };
}

/**
 * A key that changes on a live stage leaves the roles without a right on it, unless they may use both for a while. The
 * file has what tables and secrets were encrypted with when it was last written.
 */
function keyChanges(
  { kmsKeys }: LockedStage,
  { stage, regions }: Config,
  { file, write }: LockOptions,
): Fault[] {
  if (kmsKeys === undefined) {
    const message =
      `${file} does not say which keys encrypt the stage's data: an earlier version wrote it. With the kmsKeyArn of every ` +
      `Region as it is deployed, write it once with \`${WRITE}\` and commit it`;
    return write ? [] : [{ path: ['regions'], message, example: false }];
  }
  return regions.flatMap(({ name, kmsKeyArn: is = MADE, previousKmsKeyArn: previous }, i): Fault[] => {
    const was = kmsKeys[name];
    // The ARN of a key that the stage made is not known here.
    const listed = previous !== undefined && (was === MADE || was === previous);
    if (was === undefined || was === is || listed) return [];
    const alias = `alias/countersign-${stage.name}`;
    const of = (key: string) => (key === MADE ? 'the key that the stage made' : key);
    const shown =
      was === MADE ? ` (\`aws kms describe-key --region ${name} --key-id ${alias}\` shows its ARN)` : '';
    const message =
      `changes on a live stage: ${file} has ${of(was)}, got ${of(is)}. Roles must be able to use both while tables and ` +
      `secrets go over: name ${of(was)}${shown} as previousKmsKeyArn, and go on as docs/upgrade.md says`;
    return [{ path: ['regions', i, 'kmsKeyArn'], message, example: false }];
  });
}

/** A stage that is not deployed yet has no key before its first. */
const tooEarly = ({ regions }: Config): Fault[] =>
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

function changes(before: LockedStage, now: LockedStage, file: string): Fault[] {
  const frozen = (setting: keyof LockedStage, was: string, is: string, how: string): Fault => ({
    path: [setting],
    message: `is frozen since the first deploy: ${file} has ${was}, got ${is}; ${how}`,
    example: false,
  });
  const faults: Fault[] = [];
  if (now.homeRegion !== before.homeRegion)
    faults.push(
      frozen(
        'homeRegion',
        before.homeRegion,
        now.homeRegion,
        'tables and secrets do not move: deploy another stage there and move clients to it',
      ),
    );
  if (now.consistency !== before.consistency)
    return [
      ...faults,
      frozen('consistency', before.consistency, now.consistency, `a table keeps its mode; ${MIGRATE}`),
    ];
  const [was, is] = [before, now].map(
    ({ regions, witnessRegion }) =>
      [...regions].sort().join(', ') +
      (witnessRegion === undefined ? '' : ` and the witness ${witnessRegion}`),
  ) as [string, string];
  if (now.consistency === 'strong') {
    const how = `a strongly consistent table keeps its Regions; ${MIGRATE}`;
    return was === is ? faults : [...faults, frozen('regions', was, is, how)];
  }
  if (difference(before.regions, now.regions) > 1)
    faults.push({
      path: ['regions'],
      message:
        `differ from ${file} in more than one: it has ${was}, got ${is}. A table takes one replica more or less a ` +
        `deploy: change one, deploy, write it into the file with \`${WRITE}\`, then change the next`,
      example: false,
    });
  return faults;
}

function missing(stage: string, others: readonly string[], file: string): Fault {
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
