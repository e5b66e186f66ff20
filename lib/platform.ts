/** The platform as stacks of a CDK app. */
import { Annotations, type App, type Stack } from 'aws-cdk-lib';
import { checkLock, LOCK_CONTEXT, LOCK_FILE } from './config/lock.ts';
import { type Config, readConfig } from './config/read.ts';
import type { ConfigInput } from './config/schema.ts';
import { buildBundles } from './functions/bundles.ts';
import { addDeployRules } from './policy/deploy-rules.ts';
import { AccountStack } from './stacks/account-stack.ts';
import { BaseStack, needsBase } from './stacks/base-stack.ts';
import { writeDeployPlan } from './stacks/deploy-plan.ts';
import { HomeStack } from './stacks/home-stack.ts';
import { RegionStack } from './stacks/region-stack.ts';
import { WatchStack } from './stacks/watch-stack.ts';

export interface PlatformOptions {
  /**
   * The file that keeps what cannot change after a prod stage's first deploy.
   * @default 'countersign.lock.json' where the app runs
   */
  readonly lockFile?: string;
}

export interface Platform {
  /** One for each Region whose key or alarm topic the stage makes; none for a stage of kind dev. */
  readonly bases: readonly BaseStack[];
  readonly home: HomeStack;
  /** One for each Region, in the config's order. */
  readonly regions: readonly RegionStack[];
  /** A stage of kind dev has none. */
  readonly watch?: WatchStack;
}

/**
 * Adds the platform's stacks, named `countersign-<stage>-<part>`, to an app, in the order in which they deploy: key and
 * topic of each Region, what they share, one Region after the other, and what watches them all. They share names and
 * nothing else: no stack imports from another.
 *
 * @throws ConfigError that names every fault of the config, or each frozen setting that is not what it was
 */
export function addPlatform(app: App, input: ConfigInput, options: PlatformOptions = {}): Platform {
  const config = readConfig(input);
  const write = app.node.tryGetContext(LOCK_CONTEXT) === 'write';
  checkLock(config, { file: options.lockFile ?? LOCK_FILE, write });

  const id = (part: string) => `countersign-${config.stage.name}-${part}`;
  const prod = config.stage.kind === 'prod';
  const bases = (prod ? config.regions.filter(needsBase) : []).map(
    (region) => new BaseStack(app, id(`base-${region.name}`), { config, region }),
  );
  const home = new HomeStack(app, id('home'), { config });
  if (write && !prod)
    Annotations.of(home).addInfo(
      `${LOCK_CONTEXT}=write has nothing to write: a stage of kind dev has no entry in ${LOCK_FILE}`,
    );
  const bundles = buildBundles({ outdir: app.outdir, registrationSchema: config.registrationSchema });
  const regions = config.regions.map(
    (region) => new RegionStack(app, id(`region-${region.name}`), { config, region, bundles }),
  );
  const watch = prod ? new WatchStack(app, id('watch'), { config }) : undefined;

  for (const base of bases) home.addStackDependency(base, 'its replicas are encrypted with the key');
  const changesKeys = config.regions.some(({ previousKmsKeyArn }) => previousKmsKeyArn !== undefined);
  for (const [i, region] of regions.entries()) {
    if (prod && config.apiGatewayRole === 'create')
      region.addStackDependency(accountStack(app, config, region.region), 'its API writes logs');
    if (changesKeys)
      home.addStackDependency(region, 'roles may use the new key before tables and secrets do');
    else region.addStackDependency(home, 'its functions use the tables and keysets');
    if (i > 0) region.addStackDependency(regions[i - 1]!, 'one Region at a time');
    watch?.addStackDependency(region, 'its records lead there');
    if (changesKeys)
      for (const base of bases) region.addStackDependency(base, 'its functions may use the key');
  }
  addDeployRules(app);
  writeDeployPlan(app.outdir, config, [home, ...bases, ...regions, ...(watch ? [watch] : [])]);
  return { bases, home, regions, ...(watch && { watch }) };
}

/** One for an account and Region: several stages in one app share it, too. */
function accountStack(app: App, config: Config, region: string): Stack {
  const id = `countersign-account-${region}`;
  return (app.node.tryFindChild(id) as Stack | undefined) ?? new AccountStack(app, id, { config, region });
}
