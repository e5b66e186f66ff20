/**
 * The app for documents and tests: it writes the lock file of a stage that is not deployed, and skips
 * validation.
 */
import { App } from 'aws-cdk-lib';
import { LOCK_CONTEXT } from '../lib/config/lock.ts';

export const newApp = (outdir: string): App =>
  new App({
    outdir,
    context: { [LOCK_CONTEXT]: 'write' },
    analyticsReporting: false,
    // The templates are read, not deployed, and the CDK's own validation is slow to start.
    builtinCloudFormationValidation: false,
  });
