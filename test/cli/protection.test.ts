/**
 * The end of the deletion protection of a Region's replicas, on the local store: a table that a change keeps
 * busy refuses the removal of a replica.
 */
import { expect, it } from 'vitest';
import { endProtection } from '../../cli/deploy/protection.ts';
import { EXIT } from '../../cli/io.ts';
import { type Carry, dynamodbClientOn } from '../../local/dynamodb/client.ts';
import { Dynamodb } from '../../local/dynamodb/dynamodb.ts';

const T0 = 1_795_430_000_000;
const [HOME, OTHER, GONE] = ['eu-west-1', 'eu-north-1', 'eu-central-1'] as [string, string, string];
const TABLES = ['countersign-live-registry-1', 'countersign-live-clients-1'];

class World {
  nowMs = T0;
  readonly store = new Dynamodb({
    regions: [HOME, OTHER, GONE],
    modeOf: () => 'eventual',
    nowMs: () => this.nowMs,
  });
  /** Each call takes a second. A test can make it fail, or do something in between. */
  carry: Carry = async ({ region, operation, input }, store) => store.ask(region, operation, input);

  constructor() {
    for (const TableName of TABLES)
      this.ask(HOME, 'CreateTable', {
        ...{ TableName, KeySchema: [{ AttributeName: 'pk' }], DeletionProtectionEnabled: true },
      });
  }

  ask(region: string, operation: string, input: object): object {
    return this.store.ask(region, operation, input as never);
  }

  run(tables: readonly string[] = TABLES): Promise<void> {
    const dynamodb = (region: string) =>
      dynamodbClientOn(this.store, region, (call, store) => {
        this.nowMs += 1_000;
        return this.carry(call, store);
      });
    const { signal } = new AbortController();
    return endProtection(
      { tables, region: GONE, home: HOME },
      { dynamodb, signal, nowMs: () => this.nowMs, pollMs: 0 },
    );
  }

  /** What the home stack does next. */
  removeReplica(TableName: string): void {
    const ReplicaUpdates = [{ Delete: { RegionName: GONE } }];
    this.ask(HOME, 'UpdateTable', { TableName, ReplicaUpdates });
  }

  replicas(TableName: string): string[] {
    const { Table } = this.ask(HOME, 'DescribeTable', { TableName }) as {
      Table: { Replicas?: { RegionName: string }[] };
    };
    return (Table.Replicas ?? []).map(({ RegionName }) => RegionName);
  }
}

it('the store refuses what AWS refuses: a protected replica, a busy table, a Region that is no member', () => {
  const at = new World();
  const [TableName] = TABLES as [string];
  expect(() => at.removeReplica(TableName)).toThrow(/deletion protection enabled/);
  at.ask(GONE, 'UpdateTable', { TableName, DeletionProtectionEnabled: false });
  expect(() => at.removeReplica(TableName)).toThrow(/attempting to change is in use/);
  at.nowMs += 60_000;
  at.removeReplica(TableName);
  at.nowMs += 60_000;
  expect(() => at.removeReplica(TableName)).toThrow(/not part of the global table.*eu-central-1/);
});

it('once it ends, the home stack can remove each replica; the other Regions keep their protection', async () => {
  const at = new World();
  await at.run();
  for (const TableName of TABLES) {
    at.removeReplica(TableName);
    expect(at.replicas(TableName)).toEqual([OTHER]);
    const { Table } = at.ask(HOME, 'DescribeTable', { TableName }) as { Table: object };
    expect(Table).toMatchObject({ DeletionProtectionEnabled: true });
  }
});

it('killed at any call, before or after its effect, and run again, it ends as one run does', async () => {
  for (const after of [false, true])
    for (let at = 1, ended = false; !ended; at++) {
      const world = new World();
      const { carry } = world;
      let calls = 0;
      world.carry = async ({ region, operation, input }, store) => {
        calls += 1;
        if (calls === at && !after) throw new Error('killed');
        const answer = store.ask(region, operation, input);
        if (calls === at) throw new Error('killed');
        return answer;
      };
      ended = await world.run().then(
        () => true,
        () => false,
      );
      world.carry = carry;
      await world.run();
      for (const TableName of TABLES) world.removeReplica(TableName);
    }
});

it('what is gone already, or goes, is no error: a removal that was interrupted is run again', async () => {
  const at = new World();
  await at.run();
  for (const TableName of TABLES) at.removeReplica(TableName);
  await at.run();
  at.nowMs += 600_000;
  await at.run();
  await at.run(['countersign-live-registry-9']);
});

it('a change that begins in between is waited for', async () => {
  const at = new World();
  let began = false;
  at.carry = async ({ region, operation, input }, store) => {
    if (operation === 'UpdateTable' && !began) {
      began = true;
      store.ask(OTHER, 'UpdateTable', { ...input, DeletionProtectionEnabled: false });
    }
    return store.ask(region, operation, input);
  };
  await at.run();
  for (const TableName of TABLES) at.removeReplica(TableName);
});

it('a table that never settles ends it, with an error that says so', async () => {
  const at = new World();
  at.carry = async ({ region, operation, input }, store) => {
    const answer = store.ask(region, operation, input) as { Table?: object };
    return region === HOME && answer.Table ? { Table: { ...answer.Table, TableStatus: 'UPDATING' } } : answer;
  };
  await expect(at.run()).rejects.toMatchObject({
    exitCode: EXIT.failed,
    message: expect.stringMatching(/takes no change yet: run this again/),
  });
});
