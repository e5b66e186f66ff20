/** All mutants. A test must fail with each of these changes; `npm run mutants` checks that. */
import type { Mutant } from './mutant.ts';
import { BENCH } from './table/bench.ts';
import { CALLBACKS_MUTANTS } from './table/callbacks.ts';
import { CLI } from './table/cli.ts';
import { ENROLMENT } from './table/enrolment.ts';
import { EVENTS_MUTANTS } from './table/events.ts';
import { KEYS } from './table/keys.ts';
import { LOCAL } from './table/local.ts';
import { OAUTH_MUTANTS } from './table/oauth.ts';
import { REQUESTS } from './table/requests.ts';
import { SDK } from './table/sdk.ts';
import { STACKS } from './table/stacks.ts';

export const MUTANTS: readonly Mutant[] = [
  ...REQUESTS,
  ...KEYS,
  ...STACKS,
  ...SDK,
  ...CLI,
  ...LOCAL,
  ...BENCH,
  ...EVENTS_MUTANTS,
  ...CALLBACKS_MUTANTS,
  ...OAUTH_MUTANTS,
  ...ENROLMENT,
];
