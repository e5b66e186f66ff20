/** The app of documents and tests: it writes the lock file of a stage that is not deployed, and validates nothing. */
import { App } from 'aws-cdk-lib';
import { LOCK_CONTEXT } from '../lib/config/lock.ts';

export const newApp = (outdir: string): App =>
  new App({
    outdir,
    context: { [LOCK_CONTEXT]: 'write' },
    analyticsReporting: false,
    // It is read, not deployed. The library's own validation is slow to start.
    builtinCloudFormationValidation: false,
  });
