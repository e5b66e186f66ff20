/**
 * What `bin/countersign.ts` deploys, and then changed where the emulator needs it: an id for the API that is known
 * before it exists, and nothing else. Run by the CDK CLI.
 */
import { App, Tags } from 'aws-cdk-lib';
import { addPlatform } from '../../lib/platform.ts';
import { API_ID, BASE_URL_VARIABLE, REGION, STAGE } from './deployment.ts';

const { regions } = addPlatform(new App(), {
  stage: { name: STAGE, kind: 'dev' },
  regions: [{ name: REGION, baseUrl: process.env[BASE_URL_VARIABLE]! }],
});
for (const stack of regions) Tags.of(stack.api).add('ms-custom-id', API_ID);
