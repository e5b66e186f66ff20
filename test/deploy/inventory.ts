/**
 * What there is in an account, by the services' plain HTTP forms: no SDK client for each of them. The emulator reads
 * service and Region from the credential's scope and checks no signature.
 */
import { REGION } from './deployment.ts';

/** Path, body and headers of each service's listing of everything that a stack of ours can create. */
const LISTINGS: Readonly<
  Record<string, { service: string; path?: string; target?: string; query?: string }>
> = {
  stacks: { service: 'cloudformation', query: 'Action=DescribeStacks&Version=2010-05-15' },
  tables: { service: 'dynamodb', target: 'DynamoDB_20120810.ListTables' },
  secrets: { service: 'secretsmanager', target: 'secretsmanager.ListSecrets' },
  functions: { service: 'lambda', path: '/2015-03-31/functions/' },
  apis: { service: 'apigateway', path: '/restapis' },
  logGroups: { service: 'logs', target: 'Logs_20140328.DescribeLogGroups' },
  roles: { service: 'iam', query: 'Action=ListRoles&Version=2010-05-08' },
  alarms: { service: 'monitoring', query: 'Action=DescribeAlarms&Version=2010-08-01' },
};

/** @returns for each kind of thing the names that begin with `countersign`, once each and sorted */
export async function inventory(endpoint: string): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const [kind, { service, path = '/', target, query }] of Object.entries(LISTINGS)) {
    const contentType = target ? 'application/x-amz-json-1.1' : 'application/x-www-form-urlencoded';
    const scope = `test/20260101/${REGION}/${service}/aws4_request`;
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
    if (!answer.ok) throw new Error(`${kind}: ${answer.status} ${text}`);
    // JSON or XML: a name is a whole value, or follows the path that log groups and secrets have before it.
    const names = text.matchAll(/[">](?:\/aws\/lambda\/)?(countersign[\w/-]*)["<]/g);
    found[kind] = [...new Set([...names].map(([, name]) => name!))].sort();
  }
  return found;
}
