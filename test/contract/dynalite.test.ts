import { afterAll } from 'vitest';
import { dynamodb, startDynalite } from '../support/dynalite.ts';
import { storesContract } from './stores.ts';

const engine = await startDynalite();
afterAll(() => engine.stop());

storesContract('dynalite', () => dynamodb(engine.endpoint));
