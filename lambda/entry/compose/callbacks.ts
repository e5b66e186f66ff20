/** Composes the functions that tell consumers what happened. */

import { createClientScan } from '../../adapters/clients.ts';
import { readCopiedMs } from '../../adapters/copy-mark.ts';
import { createEvents, type Events } from '../../adapters/events.ts';
import { type Conflict, createNotices } from '../../adapters/notices.ts';
import { allOf } from '../../callbacks/all-of.ts';
import type { Wake } from '../../callbacks/deliver.ts';
import { writeExpiring } from '../../callbacks/expiring.ts';
import { hear } from '../../callbacks/hear.ts';
import { type OutboxHandler, outboxHandler } from '../../callbacks/outbox.ts';
import { wakeInterested } from '../../callbacks/wake.ts';
import type { Environment } from '../../contract/environment.ts';
import type { GlobalTableKind } from '../../contract/names.ts';
import { once } from '../../request/once.ts';
import { endpoints, type WithTables } from './parts.ts';
import { requireEnv } from './variables.ts';

export const events = ({ env, dynamodb }: WithTables): Events =>
  createEvents(dynamodb, requireEnv(env, 'COUNTERSIGN_EVENTS_TABLE'), isEventual(env));

const isEventual = (env: Environment): boolean => env.COUNTERSIGN_CONSISTENCY === 'eventual';

export const globalTables = (env: Environment): Record<GlobalTableKind, string> => ({
  registry: requireEnv(env, 'COUNTERSIGN_REGISTRY_TABLE'),
  clients: requireEnv(env, 'COUNTERSIGN_CLIENTS_TABLE'),
});

/** Takes batches of streams, and the schedule's events, which have no records. */
export function outbox(runtime: WithTables, wakeUp: Wake): OutboxHandler {
  const { env, dynamodb, nowMs, log } = runtime;
  const table = events(runtime);
  const tables = globalTables(env);
  const region = requireEnv(env, 'COUNTERSIGN_REGION');
  const copiedMs = once(() => readCopiedMs(dynamodb, tables.registry));
  const wake = wakeInterested({ endpoints: endpoints(runtime), wake: wakeUp, region, nowMs });
  const notices = createNotices(dynamodb, tables.registry);
  // One Region, or a strongly consistent table, accepts one registration of a user alone.
  const announce = isEventual(env) ? (each: Conflict) => notices.conflict(each, nowMs()) : undefined;
  const onChanges = outboxHandler({ events: table, announce, wake, tables, copiedMs, region, nowMs, log });
  const clients = createClientScan(dynamodb, tables.clients);
  const names: { name: string }[] = JSON.parse(requireEnv(env, 'COUNTERSIGN_REGIONS'));
  const others = names.flatMap(({ name }) => (name === region ? [] : [name]));
  return async (event) => {
    if (event.Records) return onChanges({ Records: event.Records });
    await allOf([
      writeExpiring({ events: table, clients, nowMs }),
      ...(isEventual(env) ? [hear({ notices, events: table, region, others, nowMs })] : []),
    ]);
    return { batchItemFailures: [] };
  };
}
