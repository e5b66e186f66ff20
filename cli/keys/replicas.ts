/**
 * A Region's replicas of the keysets, for `countersign region add`, and for `remove` after a promotion. One
 * secret at a time: AWS removes the secret from the Region where a replication fails.
 */
import { keyAlias } from '../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { CliError, EXIT } from '../io.ts';
import { pause } from '../pause.ts';
import type { DescribedSecret, Secrets } from './secrets.ts';

export interface ReplicasOptions {
  /** The Region that makes the keys. */
  readonly from: string;
  readonly region: string;
  /** The Region's own customer key. Undefined: the one that the stage made, if it made one. */
  readonly kmsKeyArn: string | undefined;
  readonly stage: string;
  /** The options that name the stage, as they continue an operator's command. */
  readonly args: string;
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

/** Limit on one replica, in milliseconds. AWS names none. */
const REPLICA_MS = 300_000;

/** @throws CliError at the first replica that is not made */
export async function makeReplicas(secrets: Secrets, options: ReplicasOptions): Promise<void> {
  for (const purpose of PURPOSES) await makeReplica(secrets, purpose, options);
}

/** @throws CliError */
export async function removeReplicas(secrets: Secrets, from: string, region: string): Promise<void> {
  for (const purpose of PURPOSES) {
    const source = await primary(secrets, from, purpose);
    if (replicaIn(source, region)) await secrets.removeReplica(from, region, purpose);
  }
}

async function makeReplica(
  secrets: Secrets,
  purpose: Purpose,
  { from, region, kmsKeyArn, stage, args, pollMs, signal }: ReplicasOptions,
): Promise<void> {
  const source = await primary(secrets, from, purpose);
  const there = await secrets.describe(region, purpose);
  if (there && there.primaryRegion !== from)
    throw new CliError(
      EXIT.failed,
      `${region} has a secret of ${purpose} that is no replica of ${from}, and may hold keys: ` +
        `countersign keys promote --to ${from}${args} compares them first`,
    );
  if (!there || replicaIn(source, region)?.status === 'Failed')
    await secrets.replicate(from, region, purpose, kmsKeyArn ?? (source.kmsKeyId && keyAlias(stage)));
  const endMs = Date.now() + REPLICA_MS;
  for (;;) {
    const { status, message } = replicaIn(await primary(secrets, from, purpose), region) ?? {};
    if (status === 'InSync') return;
    if (status === 'Failed')
      throw new CliError(EXIT.failed, `AWS does not make the replica of ${purpose} in ${region}: ${message}`);
    if (Date.now() >= endMs)
      throw new CliError(EXIT.failed, `the replica of ${purpose} in ${region} is not there yet`);
    await pause(pollMs, signal);
  }
}

async function primary(secrets: Secrets, from: string, purpose: Purpose): Promise<DescribedSecret> {
  const found = await secrets.describe(from, purpose);
  if (found) return found;
  throw new CliError(EXIT.failed, `${from}, which makes the keys, has no secret of ${purpose}`);
}

const replicaIn = ({ replicas }: DescribedSecret, region: string) =>
  replicas.find((each) => each.region === region);
