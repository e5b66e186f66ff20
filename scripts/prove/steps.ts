/**
 * The steps of a proof, as data: what each needs, does and looks at, and which assumptions of
 * docs/aws-truths.md are seen where a look holds on AWS.
 */
import type { Step } from './plan.ts';
import { EVACUATION } from './steps/evacuation.ts';
import { KEYS, PROMOTION } from './steps/keys.ts';
import { REPLICATION } from './steps/replication.ts';
import { REQUESTS } from './steps/requests.ts';
import { RESTORE } from './steps/restore.ts';
import { DESTROY, SETUP } from './steps/setup.ts';
import { STREAMS } from './steps/streams.ts';

export const STEPS: readonly Step[] = [
  ...SETUP,
  ...STREAMS,
  ...REQUESTS,
  ...KEYS,
  ...EVACUATION,
  ...REPLICATION,
  ...PROMOTION,
  ...RESTORE,
  ...DESTROY,
];
