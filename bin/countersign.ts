import { App } from 'aws-cdk-lib';
import { ConfigError } from '../lib/config/read.ts';
import { RegistrationPlatform } from '../lib/platform.ts';
import { addPolicyChecks } from '../lib/policy/nag.ts';

/** @returns the project's config. One that does not load ends the process, without Node's stack */
async function loadConfig() {
  try {
    return (await import('../countersign.config.ts')).default;
  } catch (error) {
    const { name, message } = error as Error;
    console.error(`countersign.config.ts does not load: ${name}: ${message}`);
    process.exit(1);
  }
}

const config = await loadConfig();
try {
  const app = new App();
  new RegistrationPlatform(app, 'Countersign', config);
  addPolicyChecks(app, config.stage.kind);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exit(1);
}
