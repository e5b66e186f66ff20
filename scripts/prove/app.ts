/**
 * The CDK app of a proof on AWS: the project's platform, with the settings that the proof has changed so far.
 * The CDK CLI runs it in the proof's own folder, so the project's config and its lock file stay as they are.
 */
import { readFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { ConfigError } from '../../lib/config/read.ts';
import { RegistrationPlatform } from '../../lib/platform.ts';
import { addPolicyChecks } from '../../lib/policy/nag.ts';
import { CHANGES_FILE, changedConfig } from './project.ts';

try {
  const config = await changedConfig(JSON.parse(readFileSync(CHANGES_FILE, 'utf8')));
  const app = new App();
  new RegistrationPlatform(app, 'Countersign', config);
  addPolicyChecks(app, config.stage.kind);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exit(1);
}
