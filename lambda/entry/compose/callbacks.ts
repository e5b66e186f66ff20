/** Composes the functions that tell consumers what happened. */

import { createClientScan } from '../../adapters/clients.ts';
import { readCopiedMs } from '../../adapters/copy-mark.ts';
import { createEvents, type Events } from '../../adapters/events.ts';
import type { Wake } from '../../callbacks/deliver.ts';
import { writeExpiring } from '../../callbacks/expiring.ts';
import { type OutboxHandler, outboxHandler } from '../../callbacks/outbox.ts';
import { wakeInterested } from '../../callbacks/wake.ts';
import type { Environment } from '../../contract/environment.ts';
import type { GlobalTableKind } from '../../contract/names.ts';
import { once } from '../../request/once.ts';
import { endpoints, type WithTables } from './parts.ts';
import { requireEnv } from './variables.ts';

export const events = ({ env, dynamodb }: WithTables): Events =>
  createEvents(dynamodb, requireEnv(env, 'COUNTERSIGN_EVENTS_TABLE'));

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
  const wake = wakeInterested({ endpoints: endpoints(runtime), wake: wakeUp, nowMs });
  const onChanges = outboxHandler({ events: table, wake, tables, copiedMs, region, nowMs, log });
  const clients = createClientScan(dynamodb, tables.clients);
  return async (event) => {
    if (event.Records) return onChanges({ Records: event.Records });
    await writeExpiring({ events: table, clients, nowMs });
    return { batchItemFailures: [] };
  };
}
