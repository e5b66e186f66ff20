import * as schema from 'countersign:registration-schema';
import { discovery } from './compose/serving.ts';
import { runtime } from './process.ts';

export const handler = discovery(runtime, schema);
