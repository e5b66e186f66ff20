/**
 * Ends the deletion protection of a Region's replicas, so that the home stack can remove them. A change of
 * one replica is a change of its table in every Region, which refuses any other change meanwhile. So this
 * also waits until that has ended.
 */
import { DescribeTableCommand, type DynamoDBClient, UpdateTableCommand } from '@aws-sdk/client-dynamodb';
import { callAws } from '../aws-limits.ts';
import { CliError, EXIT } from '../io.ts';
import { pause } from '../pause.ts';

export interface Replicas {
  /** Names of their tables. */
  readonly tables: readonly string[];
  readonly region: string;
  readonly home: string;
}

export interface ProtectionParts {
  dynamodb(region: string): DynamoDBClient;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  readonly pollMs: number;
}

/** A change of one replica takes about 40 seconds, and the creation of another up to a quarter of an hour. */
const SETTLED_MS = 20 * 60_000;
/** The states in which a table takes no other change. */
const CHANGING = ['CREATING', 'UPDATING'];

/**
 * A replica that is gone, or goes already, is no error: an interrupted removal is run again.
 *
 * @throws CliError where a table keeps changing
 */
export async function endProtection(
  { tables, region, home }: Replicas,
  parts: ProtectionParts,
): Promise<void> {
  const { signal, nowMs, pollMs } = parts;
  for (const table of tables) {
    const untilMs = nowMs() + SETTLED_MS;
    for (;;) {
      const replica = await describe(table, region, parts);
      if (!replica) break;
      const original = await describe(table, home, parts);
      const isChanging = [replica, original].some((each) => CHANGING.includes(each?.TableStatus ?? ''));
      const isProtected = replica.DeletionProtectionEnabled === true;
      if (!isChanging && !isProtected) break;
      if (!isChanging) await unprotect(table, region, parts);
      if (nowMs() > untilMs)
        throw new CliError(
          EXIT.failed,
          `table ${table} in ${region} or ${home} takes no change yet: run this again once it is ACTIVE in both`,
        );
      // Also right after the change: the other Regions learn of it a moment later.
      await pause(pollMs, signal);
    }
  }
}

async function describe(table: string, region: string, { dynamodb, signal }: ProtectionParts) {
  const command = new DescribeTableCommand({ TableName: table });
  return callAws(`table ${table} in ${region}`, signal, (options) =>
    dynamodb(region)
      .send(command, options)
      .then(({ Table }) => Table)
      .catch((error: Error) => {
        if (error.name === 'ResourceNotFoundException') return undefined;
        throw error;
      }),
  );
}

async function unprotect(
  table: string,
  region: string,
  { dynamodb, signal }: ProtectionParts,
): Promise<void> {
  const command = new UpdateTableCommand({ TableName: table, DeletionProtectionEnabled: false });
  await callAws(`table ${table} in ${region}`, signal, (options) =>
    dynamodb(region)
      .send(command, options)
      .catch((error: Error) => {
        // Another change began in between.
        if (error.name !== 'ResourceInUseException') throw error;
      }),
  );
}
