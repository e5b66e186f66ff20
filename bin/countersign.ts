import { App } from 'aws-cdk-lib';
import config from '../countersign.config.ts';
import { ConfigError } from '../lib/config/read.ts';
import { addPlatform } from '../lib/platform.ts';

try {
  addPlatform(new App(), config);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exit(1);
}
