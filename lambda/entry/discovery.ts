import * as schema from 'countersign:registration-schema';
import { discovery } from '../functions.ts';
import { runtime } from './process.ts';

export const handler = discovery(runtime, schema);
