/** Composes the function that delivers events to consumers' endpoints. */
import { allOf } from '../../callbacks/all-of.ts';
import { createDeliver, type Wake } from '../../callbacks/deliver.ts';
import { type DeliverHandler, deliverHandler } from '../../callbacks/deliver-handler.ts';
import type { Guard } from '../../callbacks/guard.ts';
import { publishKeys } from '../../callbacks/publish-keys.ts';
import { createReadEvents } from '../../callbacks/read-events.ts';
import { reportSecretEnds } from '../../callbacks/secret-ends.ts';
import { createSend } from '../../callbacks/send.ts';
import { createSigner } from '../../callbacks/sign.ts';
import { events } from './callbacks.ts';
import {
  endpoints,
  keyset,
  publicKeys,
  registry,
  type WithSecrets,
  type WithTables,
  writeStop,
} from './parts.ts';
import { requireEnv } from './variables.ts';

export interface DeliveryOptions {
  readonly guard: Guard;
  readonly wake: Wake;
}

export function deliver(runtime: WithTables & WithSecrets, { guard, wake }: DeliveryOptions): DeliverHandler {
  const stop = writeStop(runtime);
  const webhook = keyset(runtime, 'webhook');
  const roots = keyset(runtime, 'webhook-root');
  const { nowMs, log } = runtime;
  const region = requireEnv(runtime.env, 'COUNTERSIGN_REGION');
  const publish = [
    publishKeys(webhook, publicKeys(runtime, 'webhook'), nowMs),
    publishKeys(roots, publicKeys(runtime, 'webhook-root'), nowMs),
  ];
  return deliverHandler({
    publish: () => allOf(publish.map((each) => each())).then(() => {}),
    reportEnds: reportSecretEnds({ endpoints: endpoints(runtime), roots, region, nowMs, log }),
    ...createDeliver({
      endpoints: endpoints(runtime),
      events: events(runtime),
      readEvents: createReadEvents(events(runtime)),
      registry: registry(runtime),
      sign: createSigner({ webhook, roots }),
      send: createSend({ guard }),
      wake,
      isStopped: async () => (await stop.read()) !== undefined,
      region,
      regions: (JSON.parse(requireEnv(runtime.env, 'COUNTERSIGN_REGIONS')) as { name: string }[]).map(
        ({ name }) => name,
      ),
      nowMs,
      random: Math.random,
      log,
    }),
  });
}
