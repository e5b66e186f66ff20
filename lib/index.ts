/** The exports for your own CDK app, listed in docs/constructs.md. */

export type * from './config/input.ts';
export { ConfigError } from './config/read.ts';
export { RegistrationPlatform, type RegistrationPlatformProps } from './platform.ts';
export type { BaseStack } from './stacks/base-stack.ts';
export type { HomeStack } from './stacks/home-stack.ts';
export type { PlatformStack } from './stacks/platform-stack.ts';
export type { RegionStack } from './stacks/region-stack.ts';
export type { WatchStack } from './stacks/watch-stack.ts';
