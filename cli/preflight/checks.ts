/** The checks before `cdk deploy`: each finds what would make the deployment fail, and says how to fix it. */
import type { DeployPlan, PlannedRegion } from '../../lambda/contract/deploy-plan.ts';
import { WATCH_REGION } from '../../lambda/contract/forms.ts';
import type { Account, Region } from './account.ts';
import { checkAlarmTopic, checkApiGatewayRole, checkCustomerKey, checkNetwork } from './named.ts';
import { checkNames } from './names.ts';
import { day, fail, type Outcome, ok, orUnknown, warn } from './outcome.ts';
import { askReplicas, checkReplicas } from './replicas.ts';

export interface Finding extends Outcome {
  readonly check: string;
  /** Null for a finding about the whole account. */
  readonly region: string | null;
}

/** The CDK's default. */
export const DEFAULT_QUALIFIER = 'hnb659fds';
/** The oldest version of the bootstrap stack that aws-cdk-lib deploys with. */
const BOOTSTRAP_VERSION = 6;
/**
 * At 50 ms per request, this many concurrent executions serve 2000 requests per second. A new account may
 * have only 10.
 */
const CONCURRENCY = 100;
const CERTIFICATE_LEFT_MS = 30 * 24 * 3600 * 1000;

/** @returns the findings of the account, then those of each Region */
export async function runChecks(
  account: Account,
  accountId: string,
  plan: DeployPlan,
  nowMs: number,
): Promise<Finding[]> {
  const home = account.region(plan.homeRegion);
  const checks: [check: string, region: string | null, outcomes: Promise<Outcome[]>][] = [
    ['account', null, checkAccount(accountId, plan)],
    ['audit trail', null, auditTrail(account)],
    ['bootstrap', null, bootstrap(account, accountId, plan)],
    ['hosted zone', null, hostedZone(account, plan)],
  ];
  const regions = plan.regions.map((planned) => {
    const { name } = planned;
    return { planned, here: name === home.name ? home : account.region(name) };
  });
  const replicas = askReplicas(
    plan,
    regions.map(({ here }) => here),
  );
  for (const { planned, here } of regions) {
    const { name } = planned;
    checks.push(
      ['concurrency', name, concurrency(here, plan)],
      ['API Gateway role', name, checkApiGatewayRole(here, plan.apiGatewayRole)],
      ['certificate', name, certificate(here, planned, plan, nowMs)],
      ['customer key', name, checkCustomerKey(here, plan.stage, planned)],
      ['alarm topic', name, checkAlarmTopic(here, planned.alarmTopicArn)],
      ['network', name, checkNetwork(here, planned.network)],
      ['names', name, checkNames(plan, planned, here, home)],
      ['replicas', name, replicas.then((answers) => checkReplicas(plan, name, answers))],
    );
  }
  const watchTopic = checkAlarmTopic(account.region(WATCH_REGION), plan.watchAlarmTopicArn);
  checks.push(['alarm topic', WATCH_REGION, watchTopic]);
  const found = await Promise.all(
    checks.map(async ([check, region, pending]) =>
      (await orUnknown(pending)).map((outcome) => ({ check, region, ...outcome })),
    ),
  );
  return found.flat();
}

async function checkAccount(accountId: string, { account }: DeployPlan): Promise<Outcome[]> {
  if (account === undefined || account === accountId) return [];
  const fix = `use credentials of ${account}, or change "account" in the config`;
  return [fail(`the config deploys to account ${account}, but these credentials are of ${accountId}`, fix)];
}

async function auditTrail(account: Account): Promise<Outcome[]> {
  const trail = (await account.trails()).find(({ multiRegion, logging }) => multiRegion && logging);
  if (trail) return [ok(`${trail.name} records every Region`)];
  const fix = 'create a multi-Region trail in CloudTrail; the first copy of management events costs nothing';
  return [warn('no CloudTrail trail records the management events of every Region of this account', fix)];
}

/**
 * One finding with one command for all Regions that lack the bootstrap stack: an empty account needs it
 * first.
 */
async function bootstrap(account: Account, accountId: string, plan: DeployPlan): Promise<Outcome[]> {
  const { qualifier = DEFAULT_QUALIFIER, stackRegions } = plan;
  const found = await Promise.all(
    stackRegions.map(async (name) => {
      const stacks = await account.region(name).bootstraps();
      return { name, version: stacks.find((each) => each.qualifier === qualifier)?.version ?? 0 };
    }),
  );
  const describe = ({ name, version }: (typeof found)[number]) =>
    version === 0 ? `${name} has none` : `${name} has version ${version}`;
  const wrong = found.filter(({ version }) => version < BOOTSTRAP_VERSION);
  if (wrong.length === 0) return [ok(found.map(describe).join(', '))];
  const environments = wrong.map(({ name }) => `aws://${accountId}/${name}`).join(' ');
  const option = qualifier === DEFAULT_QUALIFIER ? '' : ` --qualifier ${qualifier}`;
  const detail = `${wrong.map(describe).join(', ')}; needed: version ${BOOTSTRAP_VERSION}, qualifier ${qualifier}`;
  return [fail(detail, `npx cdk bootstrap ${environments}${option}`)];
}

async function hostedZone(account: Account, { domain }: DeployPlan): Promise<Outcome[]> {
  if (!domain?.hostedZone) return [];
  const { id, name } = domain.hostedZone;
  const zone = await account.hostedZone(id);
  if (!zone)
    return [
      fail(`there is no zone ${id} in this account`, `set domain.hostedZone to the zone of ${name} in it`),
    ];
  if (zone.isPrivate)
    return [fail(`${id} is a private zone`, `set domain.hostedZone to the public zone of ${name}`)];
  if (zone.name !== name)
    return [
      fail(`${id} is the zone of ${zone.name}, not of ${name}`, 'correct domain.hostedZone in the config'),
    ];
  const delegated = await account.delegation(name);
  if (zone.nameServers.some((server) => delegated.includes(server)))
    return [ok(`${name} is delegated to ${id}`)];
  const now = delegated.length > 0 ? delegated.join(', ') : 'nobody';
  const fix = `at the registrar, or in the parent zone, set NS to ${zone.nameServers.join(', ')}`;
  return [fail(`${name} is delegated to ${now}`, fix)];
}

async function concurrency(here: Region, { concurrencyQuota: quota }: DeployPlan): Promise<Outcome[]> {
  const limit = await here.concurrency();
  const request = (value: number) =>
    `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value ${value} --region ${here.name}`;
  const detail = `${limit} concurrent executions, for all functions of the account together`;
  const early = limit > quota ? `; concurrencyQuota is ${quota}, so its alarm fires before 80 % of them` : '';
  const found = limit >= CONCURRENCY ? ok(`${detail}${early}`) : warn(detail, request(1000));
  if (limit >= quota) return [found];
  // The same setting is for every Region: the lowest limit is the one that counts.
  const late = `concurrencyQuota is ${quota}, and the limit here ${limit}: the alarm at 80 % of ${quota} fires late or never`;
  return [found, warn(late, `set concurrencyQuota to ${limit} in the config, or ${request(quota)}`)];
}

async function certificate(
  here: Region,
  { certificateArn: arn }: PlannedRegion,
  { domain }: DeployPlan,
  nowMs: number,
): Promise<Outcome[]> {
  if (arn === undefined) return [];
  const hosts = domain ? [domain.entry, `${here.name}.${domain.entry}`] : [];
  const request = `request a certificate for ${hosts.join(' and ')}`;
  const found = await here.certificate(arn);
  if (!found) return [fail(`there is no certificate ${arn}`, request)];
  const { status, names, notAfterMs } = found;
  if (status !== 'ISSUED')
    return [fail(`${arn} is ${status}`, 'validate it, or set certificateArn to an issued certificate')];
  const missing = hosts.filter((host) => !names.some((name) => covers(name, host)));
  if (missing.length > 0) return [fail(`${arn} does not cover ${missing.join(' and ')}`, request)];
  if (notAfterMs !== undefined && notAfterMs - nowMs < CERTIFICATE_LEFT_MS)
    return [
      warn(
        `${arn} expires on ${day(notAfterMs)}`,
        'check that its DNS validation record still exists: ACM needs it to renew the certificate',
      ),
    ];
  return [ok(`${arn} is issued`)];
}

/** A wildcard stands for one label (RFC 6125, 6.4.3). */
const covers = (name: string, host: string): boolean =>
  name === host || (name.startsWith('*.') && host.slice(host.indexOf('.')) === name.slice(1));
