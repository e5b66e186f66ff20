import { App } from 'aws-cdk-lib';
import config from '../countersign.config.ts';
import { ConfigError } from '../lib/config/read.ts';
import { RegistrationPlatform } from '../lib/platform.ts';
import { addPolicyChecks } from '../lib/policy/nag.ts';

try {
  const app = new App();
  new RegistrationPlatform(app, 'Countersign', config);
  addPolicyChecks(app, config.stage.kind);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exit(1);
}
