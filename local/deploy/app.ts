/**
 * The CDK app for the emulator; the CDK CLI runs it. It adds the same platform as `bin/countersign.ts`, gives
 * every API an id that is known before the deployment, then removes what the emulator refuses.
 */
import { App, Tags } from 'aws-cdk-lib';
import { RegistrationPlatform } from '../../lib/platform.ts';
import { apiId, CONFIG_VARIABLE } from './deployment.ts';
import { fitToEmulator } from './emulator-fit.ts';

const app = new App();
const { regions } = new RegistrationPlatform(app, 'Countersign', JSON.parse(process.env[CONFIG_VARIABLE]!));
for (const [i, { api }] of regions.entries()) Tags.of(api).add('ms-custom-id', apiId(i));
fitToEmulator(app);
