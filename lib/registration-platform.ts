/** The platform as one object of a CDK app, for those who would rather write `new`. */
import type { App } from 'aws-cdk-lib';
import type { ConfigInput } from './config/schema.ts';
import { addPlatform, type Platform, type PlatformOptions } from './platform.ts';
import type { BaseStack } from './stacks/base-stack.ts';
import type { HomeStack } from './stacks/home-stack.ts';
import type { RegionStack } from './stacks/region-stack.ts';
import type { WatchStack } from './stacks/watch-stack.ts';

/**
 * Adds the platform's stacks to an app. They are the app's own children, so that `cdk deploy --all` finds them.
 *
 * @example
 * new RegistrationPlatform(app, {
 *   stage: { name: 'dev', kind: 'dev' },
 *   regions: [{ name: 'eu-west-1' }],
 *   vault: { address: 'https://vault.example.com:8200' },
 * });
 */
export class RegistrationPlatform implements Platform {
  readonly bases: readonly BaseStack[];
  readonly home: HomeStack;
  readonly regions: readonly RegionStack[];
  readonly watch?: WatchStack;

  /** @throws ConfigError that names every fault of the config, or each frozen setting that is not what it was */
  constructor(app: App, config: ConfigInput, options: PlatformOptions = {}) {
    const { bases, home, regions, watch } = addPlatform(app, config, options);
    this.bases = bases;
    this.home = home;
    this.regions = regions;
    if (watch) this.watch = watch;
  }
}
