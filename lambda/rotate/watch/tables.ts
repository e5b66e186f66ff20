/**
 * Checks that this Region's copies of the shared tables can be used, and are still replicated. A customer key
 * that is unusable for 20 hours takes its Region's replica out of a table for good. That Region is healthy
 * again as soon as its key is, and then takes registrations that no other Region sees. Every Region checks
 * its own copy, so that the Region and the others report it.
 */
import type { ReplicaStatus, TableDescription } from '@aws-sdk/client-dynamodb';
import { DescribeTableCommand, type Dynamodb } from '../../adapters/aws/commands.ts';
import type { TableFinding } from '../../contract/keys.ts';
import { describeError, type Log } from '../../log.ts';

export interface TablesWatchOptions {
  readonly dynamodb: Dynamodb;
  /** This Region. */
  readonly region: string;
  /** All Regions of the stage. */
  readonly regions: readonly string[];
  /** Names of the shared tables in use. */
  readonly tables: readonly string[];
  readonly log: Log;
}

/** The states of a replica that replicates, or that a deployment is changing. */
const GOOD: readonly (ReplicaStatus | undefined)[] = ['ACTIVE', 'CREATING', 'UPDATING', 'DELETING'];

/** @returns a handler that checks every table, and throws at the end if one could not be checked */
export function tablesWatchHandler({ dynamodb, region, regions, tables, log }: TablesWatchOptions) {
  const others = regions.filter((each) => each !== region);
  return async (): Promise<void> => {
    let failed = 0;
    for (const target of tables)
      try {
        const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName: target }));
        for (const [reason, of] of findings(Table!))
          log({ level: 'WARN', message: 'table', target, reason, region: of });
      } catch (error) {
        failed += 1;
        log({ level: 'ERROR', message: 'table', target, ...describeError(error) });
      }
    if (failed > 0) throw new Error(`${failed} of ${tables.length} tables could not be checked`);
  };

  function findings({ TableStatus, Replicas = [] }: TableDescription): [TableFinding, region: string][] {
    const states = new Map(Replicas.map((each) => [each.RegionName, each.ReplicaStatus]));
    // AWS documents nowhere whether a table's own Region is one of them, so only the others count.
    if (others.length > 0 && !others.some((each) => states.has(each))) {
      // Of two Regions that do not see each other, neither can tell which was cut off.
      const named = others.length === 1 ? [region, ...others] : [region];
      return named.map((each) => ['replica_cut_off', each]);
    }
    states.set(region, TableStatus as ReplicaStatus);
    return [region, ...others].flatMap((each): [TableFinding, string][] => {
      if (!states.has(each)) return [['replica_cut_off', each]];
      return GOOD.includes(states.get(each)) ? [] : [['replica_inaccessible', each]];
    });
  }
}
