/** The platform as stacks of a CDK app. */
import type { App } from 'aws-cdk-lib';
import { readConfig } from './config/read.ts';
import type { ConfigInput } from './config/schema.ts';
import { HomeStack } from './home-stack.ts';
import { RegionStack } from './region-stack.ts';

export interface Platform {
  readonly home: HomeStack;
  /** One for each Region, in the config's order. */
  readonly regions: readonly RegionStack[];
}

/**
 * Adds the platform's stacks, named `countersign-<stage>-<part>`, to an app, in the order in which they deploy.
 * They share names and nothing else: no stack imports from another.
 *
 * @throws ConfigError that names every fault of the config
 */
export function addPlatform(app: App, input: ConfigInput): Platform {
  const config = readConfig(input);
  const home = new HomeStack(app, `countersign-${config.stage.name}-home`, { config });
  const regions = config.regions.map((region) => {
    const id = `countersign-${config.stage.name}-region-${region.name}`;
    const stack = new RegionStack(app, id, { config, region });
    stack.addStackDependency(home, 'its functions use the tables and keysets');
    return stack;
  });
  return { home, regions };
}
