/**
 * What `bin/countersign.ts` deploys, of the config that it is given, then fitted to the emulator: every API gets an id
 * that is known before it exists. Run by the CDK CLI.
 */
import { App, Tags } from 'aws-cdk-lib';
import { RegistrationPlatform } from '../../lib/platform.ts';
import { apiId, CONFIG_VARIABLE } from './deployment.ts';
import { fitToEmulator } from './emulator-fit.ts';

const app = new App();
const { regions } = new RegistrationPlatform(app, 'Countersign', JSON.parse(process.env[CONFIG_VARIABLE]!));
for (const [i, { api }] of regions.entries()) Tags.of(api).add('ms-custom-id', apiId(i));
fitToEmulator(app);
