/**
 * What there is in an account, by the services' plain HTTP forms: no SDK client for each of them. The
 * emulator reads service and Region from the credential's scope and checks no signature.
 */
import { WATCH_REGION } from '../../lambda/contract/forms.ts';
import type { Deployment } from '../../local/deploy/deployment.ts';

interface Listing {
  readonly service: string;
  readonly path?: string;
  readonly target?: string;
  readonly query?: string;
}

/** Path, body and headers of each service's listing of everything that a stack of ours can create. */
const LISTINGS: Readonly<Record<string, Listing>> = {
  stacks: { service: 'cloudformation', query: 'Action=DescribeStacks&Version=2010-05-15' },
  tables: { service: 'dynamodb', target: 'DynamoDB_20120810.ListTables' },
  secrets: { service: 'secretsmanager', target: 'secretsmanager.ListSecrets' },
  functions: { service: 'lambda', path: '/2015-03-31/functions/' },
  apis: { service: 'apigateway', path: '/restapis' },
  logGroups: { service: 'logs', target: 'Logs_20140328.DescribeLogGroups' },
  roles: { service: 'iam', query: 'Action=ListRoles&Version=2010-05-08' },
  topics: { service: 'sns', query: 'Action=ListTopics&Version=2010-03-31' },
  dashboards: { service: 'monitoring', query: 'Action=ListDashboards&Version=2010-08-01' },
  alarms: { service: 'monitoring', query: 'Action=DescribeAlarms&Version=2010-08-01' },
};

/**
 * @returns for each Region, the one that watches included, and each kind of thing the names that begin with
 * `countersign`, once each and sorted
 */
export async function inventory({ regions, awsEndpoint }: Deployment): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const name of [...regions.map((region) => region.name), WATCH_REGION])
    for (const [kind, listing] of Object.entries(LISTINGS))
      found[`${name} ${kind}`] = await list(awsEndpoint, name, listing);
  return found;
}

async function list(endpoint: string, region: string, listing: Listing): Promise<string[]> {
  const { service, path = '/', target, query } = listing;
  const contentType = target ? 'application/x-amz-json-1.1' : 'application/x-www-form-urlencoded';
  const scope = `test/20260101/${region}/${service}/aws4_request`;
  const answer = await fetch(endpoint + path, {
    method: target || query ? 'POST' : 'GET',
    headers: {
      Authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
      'Content-Type': contentType,
      ...(target && { 'X-Amz-Target': target }),
    },
    ...((target || query) && { body: target ? '{}' : query! }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${service} in ${region}: ${answer.status} ${text}`);
  // JSON or XML: a name is a whole value, or the end of an ARN or of a log group's path.
  const names = text.matchAll(/[">:/](countersign[\w/-]*)["<]/g);
  return [...new Set([...names].map(([, name]) => name!))].sort();
}
