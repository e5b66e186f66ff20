import { afterAll } from 'vitest';
import { dynamodb, functionClient, startDynalite } from '../support/dynalite.ts';
import { storesContract } from './stores.ts';

const engines = [await startDynalite(), await startDynalite()] as const;
afterAll(() => Promise.all(engines.map((engine) => engine.stop())));

storesContract('dynalite', () => dynamodb(engines[0].endpoint));
storesContract(
  "dynalite by the functions' own client",
  () => dynamodb(engines[1].endpoint),
  () => functionClient(engines[1].endpoint),
);
