/** Replicates continuously: a change that is on its way at one beat has arrived at the next. */
import type { Dynamodb } from './dynamodb.ts';

/** @param lagMs time between two beats, in milliseconds @returns a function that ends the replication */
export function startReplication(store: Dynamodb, lagMs: number): () => void {
  const timer = setInterval(() => replicate(store), lagMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Lets all changes arrive that can. */
export function replicate(store: Dynamodb): void {
  const { eventual, strong } = store.replicated();
  for (const table of eventual) table.deliverAll();
  for (const table of strong)
    for (const region of table.replicas) if (store.network.hears(region)) table.advance(region);
}
