/**
 * The platform for a CDK app of one's own:
 *
 * ```ts
 * import { App } from 'aws-cdk-lib';
 * import { addPlatform } from 'countersign';
 *
 * addPlatform(new App(), {
 *   stage: { name: 'dev', kind: 'dev' },
 *   regions: [{ name: 'eu-west-1' }],
 *   vault: { address: 'https://vault.example.com:8200' },
 * });
 * ```
 */
export { ConfigError } from './config/read.ts';
export type { ConfigInput } from './config/schema.ts';
export { addPlatform, type Platform, type PlatformOptions } from './platform.ts';
export { RegistrationPlatform } from './registration-platform.ts';
