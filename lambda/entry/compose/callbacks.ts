/** Composes the functions that tell consumers what happened. */
import { createEvents, type Events } from '../../adapters/events.ts';
import type { Wake } from '../../callbacks/deliver.ts';
import { type OutboxHandler, outboxHandler } from '../../callbacks/outbox.ts';
import { wakeInterested } from '../../callbacks/wake.ts';
import { endpoints, type WithTables } from './parts.ts';
import { requireEnv } from './variables.ts';

export const events = ({ env, dynamodb }: WithTables): Events =>
  createEvents(dynamodb, requireEnv(env, 'COUNTERSIGN_EVENTS_TABLE'));

export const outbox = (runtime: WithTables, wake: Wake): OutboxHandler =>
  outboxHandler({
    wake: wakeInterested({ endpoints: endpoints(runtime), wake, nowMs: runtime.nowMs }),
    events: events(runtime),
    tables: {
      registry: requireEnv(runtime.env, 'COUNTERSIGN_REGISTRY_TABLE'),
      clients: requireEnv(runtime.env, 'COUNTERSIGN_CLIENTS_TABLE'),
    },
    region: requireEnv(runtime.env, 'COUNTERSIGN_REGION'),
    nowMs: runtime.nowMs,
    log: runtime.log,
  });
