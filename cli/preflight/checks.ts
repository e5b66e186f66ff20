/** What has to be so before `cdk deploy`: each check with what it found and, where that is wrong, how to mend it. */
import type { Account, Region } from './account.ts';
import { checkNames } from './names.ts';
import { day, fail, type Outcome, ok, warn } from './outcome.ts';

export interface Finding extends Outcome {
  readonly check: string;
  /** Null where it is about the whole account. */
  readonly region: string | null;
}

export interface Plan {
  readonly stage: string;
  /** The home Region first. */
  readonly regions: readonly string[];
  readonly qualifier: string;
  /** Host name of the entry. */
  readonly domain?: string;
  readonly hostedZone?: string;
  /** ARNs, each of the Region that it names. */
  readonly certificates: readonly string[];
}

export const DEFAULT_QUALIFIER = 'hnb659fds';
/** The oldest bootstrap that aws-cdk-lib deploys with. */
const BOOTSTRAP_VERSION = 6;
/** At 50 ms a request this many serve 2000 requests a second; a new account may start with 10. */
const CONCURRENCY = 100;
const CERTIFICATE_LEFT_MS = 30 * 24 * 3600 * 1000;

/** Metrics of health checks exist there alone, and so the stack that watches the Regions. */
const WATCH_REGION = 'us-east-1';
const isWatched = ({ regions, domain }: Plan): boolean => regions.length > 1 || domain !== undefined;

/** @returns the findings of the account, then those of each Region */
export async function runChecks(
  account: Account,
  accountId: string,
  plan: Plan,
  nowMs: number,
): Promise<Finding[]> {
  const regions = plan.regions.map((name) => account.region(name));
  const checks: [check: string, region: string | null, outcomes: Promise<Outcome[]>][] = [
    ['audit trail', null, auditTrail(account)],
    ['hosted zone', null, hostedZone(account, plan)],
  ];
  for (const here of regions)
    checks.push(
      ['bootstrap', here.name, bootstrap(here, accountId, plan)],
      ['concurrency', here.name, concurrency(here)],
      ['certificate', here.name, certificates(here, plan, nowMs)],
      ['names', here.name, checkNames(plan.stage, here, regions[0]!)],
    );
  if (isWatched(plan) && !plan.regions.includes(WATCH_REGION))
    checks.push(['bootstrap', WATCH_REGION, bootstrap(account.region(WATCH_REGION), accountId, plan)]);
  const found = await Promise.all(
    checks.map(async ([check, region, pending]) => {
      // One that may not look spoils none of the others.
      const outcomes = await pending.catch(({ name, message }: Error) => [
        warn(`could not be checked: ${message} (${name})`, 'docs/iam.md lists what preflight needs'),
      ]);
      return outcomes.map((outcome) => ({ check, region, ...outcome }));
    }),
  );
  return found.flat();
}

async function auditTrail(account: Account): Promise<Outcome[]> {
  const trail = (await account.trails()).find(({ multiRegion, logging }) => multiRegion && logging);
  if (trail) return [ok(`${trail.name} records every Region`)];
  const mend = 'create a multi-Region trail in CloudTrail; the first copy of management events costs nothing';
  return [warn('no trail records what is done in every Region of this account', mend)];
}

async function hostedZone(account: Account, { hostedZone: id, domain }: Plan): Promise<Outcome[]> {
  if (id === undefined) return [];
  const { name, isPrivate, nameServers } = await account.hostedZone(id);
  if (isPrivate) return [fail(`${id} is a private zone`, 'name the public zone of that domain')];
  if (domain !== undefined && !`.${domain}`.endsWith(`.${name}`))
    return [fail(`${domain} does not lie in ${name}`, `choose a name that ends in .${name}, or its zone`)];
  const delegated = await account.delegation(name);
  if (nameServers.some((server) => delegated.includes(server))) return [ok(`${name} is delegated to ${id}`)];
  const now = delegated.length > 0 ? delegated.join(', ') : 'nobody';
  const mend = `at its registrar, or in its parent zone, set NS to ${nameServers.join(', ')}`;
  return [fail(`${name} is delegated to ${now}`, mend)];
}

async function bootstrap(here: Region, accountId: string, { qualifier }: Plan): Promise<Outcome[]> {
  const found = (await here.bootstraps()).find((each) => each.qualifier === qualifier);
  const option = qualifier === DEFAULT_QUALIFIER ? '' : ` --qualifier ${qualifier}`;
  const command = `npx cdk bootstrap aws://${accountId}/${here.name}${option}`;
  if (!found) return [fail(`the CDK is not bootstrapped with qualifier ${qualifier}`, command)];
  const detail = `${found.stack} has version ${found.version}`;
  if (found.version >= BOOTSTRAP_VERSION) return [ok(detail)];
  return [fail(`${detail}, older than ${BOOTSTRAP_VERSION}`, command)];
}

async function concurrency(here: Region): Promise<Outcome[]> {
  const limit = await here.concurrency();
  const detail = `${limit} executions at once, of all functions of the account together`;
  if (limit >= CONCURRENCY) return [ok(detail)];
  const request =
    'aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384';
  return [warn(detail, `${request} --desired-value 1000 --region ${here.name}`)];
}

function certificates(here: Region, plan: Plan, nowMs: number): Promise<Outcome[]> {
  const { name: region } = here;
  const hosts = plan.domain === undefined ? [] : [plan.domain, `${region}.${plan.domain}`];
  const judge = async (arn: string): Promise<Outcome> => {
    const { status, names, notAfterMs } = await here.certificate(arn);
    if (status !== 'ISSUED') return fail(`${arn} is ${status}`, 'validate it, or name one that is issued');
    const missing = hosts.filter((host) => !names.some((name) => covers(name, host)));
    if (missing.length > 0)
      return fail(`${arn} does not cover ${missing.join(' and ')}`, `request one for ${hosts.join(' and ')}`);
    if (notAfterMs !== undefined && notAfterMs - nowMs < CERTIFICATE_LEFT_MS)
      return warn(`${arn} ends on ${day(notAfterMs)}`, 'its validation record may be gone: ACM renews by it');
    return ok(`${arn} is issued`);
  };
  return Promise.all(plan.certificates.filter((arn) => arn.split(':')[3] === region).map(judge));
}

/** A wildcard stands for one label (RFC 6125, 6.4.3). */
const covers = (name: string, host: string): boolean =>
  name === host || (name.startsWith('*.') && host.slice(host.indexOf('.')) === name.slice(1));
