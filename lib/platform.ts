/** The platform as one construct, whose stacks are the app's own. */
import { Annotations, App, ArnFormat, type Stack, Stage } from 'aws-cdk-lib';
import type { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import {
  accountStackName,
  type FunctionName,
  functionName,
  rotationFunctionName,
  stackName,
} from '../lambda/contract/names.ts';
import { PURPOSES } from '../lambda/contract/purposes.ts';
import { enrolmentPolicies } from './config/enrolment.ts';
import type { ConfigInput } from './config/input.ts';
import { checkLock, LOCK_CONTEXT, LOCK_FILE } from './config/lock.ts';
import { type Config, readConfig } from './config/read.ts';
import { tableSets } from './config/tables.ts';
import { changesKeys } from './data/encryption.ts';
import { buildBundles } from './functions/bundles.ts';
import { addDeployRules } from './policy/deploy-rules.ts';
import { AccountStack } from './stacks/account-stack.ts';
import { BaseStack, type BaseStackProps, needsBase } from './stacks/base-stack.ts';
import { writeDeployPlan } from './stacks/deploy-plan.ts';
import { HomeStack } from './stacks/home-stack.ts';
import type { PlatformStack } from './stacks/platform-stack.ts';
import { RegionStack } from './stacks/region-stack.ts';
import { WatchStack } from './stacks/watch-stack.ts';

/** One stage of the platform. */
export interface RegistrationPlatformProps extends ConfigInput {
  /**
   * The file that records the settings that cannot change after a `prod` stage's first deployment.
   *
   * @default 'countersign.lock.json' where the app runs
   */
  readonly lockFile?: string;
}

/**
 * The whole platform: one stage, in one Region or several.
 *
 * Its stacks are children of the app, not of the construct: they are named `countersign-<stage>-<part>`
 * wherever the construct is, and `countersign deploy` deploys them in their order. They share names and
 * nothing else; no stack imports from another, or depends on one in another Region. So tags and aspects go on
 * `stacks`, or into the settings (`tags`).
 *
 * @example
 * new RegistrationPlatform(app, 'Countersign', {
 *   stage: { name: 'dev', kind: 'dev' },
 *   regions: [{ name: 'eu-west-1' }],
 *   vault: { address: 'https://vault.example.com:8200' },
 * });
 */
export class RegistrationPlatform extends Construct {
  /** Key and alarm topic, one stack for each Region whose key or topic the stage makes. None for `dev`. */
  readonly bases: readonly BaseStack[];
  /** Tables and secrets that all Regions share. */
  readonly home: HomeStack;
  /** One for each Region, in the order of the settings. */
  readonly regions: readonly RegionStack[];
  /** DNS entry, health checks and dashboard. Undefined for `dev`. */
  readonly watch?: WatchStack;

  readonly #stage: string;

  /** @throws ConfigError that names every wrong setting, or each frozen setting that has changed */
  constructor(scope: Construct, id: string, props: RegistrationPlatformProps) {
    super(scope, id);
    const app = appOf(this);
    const { lockFile = LOCK_FILE, ...settings } = props;
    const config = readConfig(settings);
    const write = app.node.tryGetContext(LOCK_CONTEXT) === 'write';
    checkLock(config, { file: lockFile, write });

    const stage = config.stage.name;
    const prod = config.stage.kind === 'prod';
    const bases = (prod ? keyRegions(config).filter(needsBase) : []).map(
      (region) => new BaseStack(app, stackName(stage, 'base', region.name), { config, region }),
    );
    const home = new HomeStack(app, stackName(stage, 'home'), { config });
    if (write && !prod)
      Annotations.of(home).addInfo(
        `${LOCK_CONTEXT}=write has nothing to write: a stage of kind dev has no entry in ${LOCK_FILE}`,
      );
    const bundles = buildBundles({
      outdir: app.outdir,
      registrationSchema: config.registrationSchema,
      enrolment: enrolmentPolicies(config.enrolment),
    });
    const regions = config.regions.map(
      (region) => new RegionStack(app, stackName(stage, 'region', region.name), { config, region, bundles }),
    );
    const watch = prod ? new WatchStack(app, stackName(stage, 'watch'), { config }) : undefined;

    // Within a Region only (deploy-rules.ts): else `cdk destroy` of one Region would select others, and a fix
    // could not be deployed while another Region is down. `countersign deploy` goes from Region to Region.
    const writesLogs = prod && config.apiGatewayRole === 'create';
    const accounts = writesLogs ? regions.map(({ region }) => accountStack(app, config, region)) : [];
    for (const [i, region] of regions.entries()) {
      if (accounts[i]) region.addStackDependency(accounts[i], 'its API writes logs');
      const base = bases.find((each) => each.region === region.region);
      if (base) region.addStackDependency(base, 'its functions use the key, its alarms the topic');
      if (region.region !== home.region) continue;
      if (base) home.addStackDependency(base, 'the key encrypts its tables and secrets');
      if (changesKeys(config))
        home.addStackDependency(region, 'roles may use the new key before tables and secrets do');
      else region.addStackDependency(home, 'its functions use the tables and keysets');
    }
    this.bases = bases;
    this.home = home;
    this.regions = regions;
    if (watch) this.watch = watch;
    this.#stage = stage;
    addDeployRules(app);
    writeDeployPlan(app.outdir, config, {
      account: accounts,
      base: bases,
      home: [home],
      region: regions,
      watch: watch ? [watch] : [],
    });
  }

  /**
   * All stacks of the stage, for tags and aspects. The stack of the account's role is not one: stages share
   * it.
   */
  get stacks(): readonly PlatformStack[] {
    return [this.home, ...this.bases, ...this.regions, ...(this.watch ? [this.watch] : [])];
  }

  /** The alarms of all stacks. docs/runbook.md says what to do about each. */
  get alarms(): readonly Alarm[] {
    return this.stacks.flatMap(({ alarms }) => alarms);
  }

  /**
   * Lets a principal of the same account manage clients: invoke `admin-read` and `admin-write` in every
   * Region. Such a principal can create a client, and so register users.
   */
  grantInvokeAdmin(grantee: IGrantable): Grant {
    return this.#grantInvoke(
      grantee,
      ADMIN.map((name) => functionName(this.#stage, name)),
    );
  }

  /** Lets a principal of the same account manage keys: invoke the rotation functions and `admin-read`. */
  grantInvokeRotation(grantee: IGrantable): Grant {
    return this.#grantInvoke(grantee, [
      ...PURPOSES.map((purpose) => rotationFunctionName(this.#stage, purpose)),
      functionName(this.#stage, 'admin-read'),
    ]);
  }

  /** Names the functions, so the grantee's stack imports nothing. */
  #grantInvoke(grantee: IGrantable, names: readonly string[]): Grant {
    const resourceArns = this.regions.flatMap((region) =>
      names.map((resourceName) =>
        region.formatArn({ service: 'lambda', resource: 'function', resourceName, arnFormat: COLON }),
      ),
    );
    return Grant.addToPrincipal({ grantee, actions: ['lambda:InvokeFunction'], resourceArns });
  }
}

/**
 * The Regions that hold data, and so need a key: those that serve, and others that have tables of another
 * generation.
 */
function keyRegions(config: Config): BaseStackProps['region'][] {
  const serve = new Set(config.regions.map(({ name }) => name));
  const more = tableSets(config).other?.regions.filter((name) => !serve.has(name)) ?? [];
  return [...config.regions, ...more.map((name) => ({ name }))];
}

const ADMIN = ['admin-read', 'admin-write'] as const satisfies readonly FunctionName[];
const COLON = ArnFormat.COLON_RESOURCE_NAME;

/**
 * Under a `Stage`, stacks would have other names and directories, and `cdk deploy --all` would not find them.
 */
function appOf(platform: Construct): App {
  const around = Stage.of(platform);
  if (App.isApp(around)) return around;
  throw new Error(
    `RegistrationPlatform must lie in the App itself, because its stacks have fixed names; got ${platform.node.path}, ` +
      'which lies in a Stage. Set stage.name instead: an app can hold a platform for each',
  );
}

/** One for each account and Region. Several stages in one app share it, too. */
function accountStack(app: App, config: Config, region: string): Stack {
  const id = accountStackName(region);
  return (app.node.tryFindChild(id) as Stack | undefined) ?? new AccountStack(app, id, { config, region });
}
