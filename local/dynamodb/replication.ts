/** Lets changes arrive in the other Regions as time goes by: what was under way at one beat has arrived at the next. */
import type { Dynamodb } from './dynamodb.ts';

/** @param lagMs from one beat to the next, in milliseconds @returns what ends it */
export function startReplication(store: Dynamodb, lagMs: number): () => void {
  const timer = setInterval(() => replicate(store), lagMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** All changes that can arrive, arrive. */
export function replicate(store: Dynamodb): void {
  const { eventual, strong } = store.replicated();
  for (const table of eventual) table.deliverAll();
  for (const table of strong)
    for (const region of table.replicas) if (store.network.hears(region)) table.advance(region);
}
