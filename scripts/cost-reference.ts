/**
 * Writes the generated parts of docs/cost.md, the cost of a stage at rest, from its templates, and in use;
 * and that of docs/scale.md.
 */
import { fileURLToPath } from 'node:url';
import type { ConfigInput } from '../lib/config/schema.ts';
import {
  billionRegistrations,
  flood,
  healthTraffic,
  instances,
  millionCallbacks,
  millionEvents,
  millionNonces,
  millionRegistrations,
  quietCallbacks,
} from './cost-use.ts';
import {
  production,
  type Resources,
  readDocument,
  resourcesOf,
  withGenerated,
  writeDocument,
} from './reference.ts';

interface Price {
  readonly what: string;
  /** USD a month for one. */
  readonly each: number;
  count(resources: Resources): number;
}

const ofType =
  (...types: string[]) =>
  (resources: Resources): number =>
    Object.values(resources).filter(({ Type }) => types.includes(Type)).length;

/**
 * A month of what costs by existing; us-east-1. Tables, functions and an API cost nothing until they are
 * used.
 */
const PRICES: readonly Price[] = [
  { what: 'secret', each: 0.4, count: ofType('AWS::SecretsManager::Secret') },
  { what: 'replica of a secret', each: 0.4, count: (resources) => replicas(resources) },
  { what: 'customer key', each: 1, count: ofType('AWS::KMS::Key', 'AWS::KMS::ReplicaKey') },
  { what: 'metric that an alarm watches', each: 0.1, count: (resources) => alarmMetrics(resources) },
  { what: 'composite alarm', each: 0.5, count: ofType('AWS::CloudWatch::CompositeAlarm') },
  { what: 'dashboard', each: 3, count: ofType('AWS::CloudWatch::Dashboard') },
  { what: 'WAF web ACL', each: 5, count: ofType('AWS::WAFv2::WebACL') },
  { what: 'WAF rule', each: 1, count: (resources) => wafRules(resources) },
  {
    what: 'health check of an endpoint, over HTTPS',
    each: 1.5,
    count: (resources) => healthChecks(resources, true),
  },
  {
    what: 'health check, calculated or of an alarm',
    each: 0.5,
    count: (resources) => healthChecks(resources, false),
  },
];

const EXAMPLES: readonly (readonly [title: string, config: ConfigInput])[] = [
  [
    '`dev`: one Region',
    {
      stage: { name: 'dev', kind: 'dev' },
      regions: [{ name: 'eu-west-1' }],
      vault: { address: 'https://vault.example.com:8200' },
    },
  ],
  ['`prod`: two Regions behind one name', production('prod')],
];

const PARTS: Readonly<Record<string, () => string>> = {
  'at rest': () =>
    EXAMPLES.map(([title, config]) => table(title, [...resourcesOf(config).values()])).join('\n'),
  'health checks': healthTraffic,
  instances,
  'a million registrations': millionRegistrations,
  'a million nonces': millionNonces,
  'a million events': millionEvents,
  'a million callbacks': millionCallbacks,
  'quiet callbacks': quietCallbacks,
  flood,
};

/** @returns docs/cost.md with new generated parts */
export function costReference(): string {
  return Object.entries(PARTS).reduce(
    (document, [part, text]) => withGenerated(document, `cost-reference.ts: ${part}`, text()),
    readDocument('cost.md'),
  );
}

/** @returns docs/scale.md with its new generated part */
export const scaleReference = (): string =>
  withGenerated(
    readDocument('scale.md'),
    'cost-reference.ts: a billion registrations',
    billionRegistrations(),
  );

function table(title: string, stacks: readonly Resources[]): string {
  const rows = PRICES.map(({ what, each, count }) => {
    const quantity = stacks.reduce((sum, resources) => sum + count(resources), 0);
    return { what, each, quantity, sum: quantity * each };
  }).filter(({ quantity }) => quantity > 0);
  const total = rows.reduce((sum, row) => sum + row.sum, 0);
  return [
    `### ${title}\n`,
    '| what | quantity | each | USD a month |',
    '|---|---:|---:|---:|',
    ...rows.map(({ what, each, quantity, sum }) => `| ${what} | ${quantity} | ${usd(each)} | ${usd(sum)} |`),
    `| **at rest** | | | **${usd(total)}** |`,
    '',
  ].join('\n');
}

const usd = (amount: number): string => amount.toFixed(2);

/** An alarm on an expression is billed for each metric in it. */
const alarmMetrics = (resources: Resources): number =>
  Object.values(resources)
    .filter(({ Type }) => Type === 'AWS::CloudWatch::Alarm')
    .reduce((sum, { Properties }) => sum + (Properties.Metrics?.filter(isMetric).length ?? 1), 0);

const isMetric = ({ MetricStat }: { MetricStat?: object }): boolean => MetricStat !== undefined;

const replicas = (resources: Resources): number =>
  Object.values(resources)
    .filter(({ Type }) => Type === 'AWS::SecretsManager::Secret')
    .reduce((sum, { Properties }) => sum + (Properties.ReplicaRegions?.length ?? 0), 0);

const wafRules = (resources: Resources): number =>
  Object.values(resources)
    .filter(({ Type }) => Type === 'AWS::WAFv2::WebACL')
    .reduce((sum, { Properties }) => sum + Properties.Rules.length, 0);

const healthChecks = (resources: Resources, ofEndpoint: boolean): number =>
  Object.values(resources)
    .filter(({ Type }) => Type === 'AWS::Route53::HealthCheck')
    .filter(({ Properties }) => (Properties.HealthCheckConfig.Type === 'HTTPS') === ofEndpoint).length;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeDocument('cost.md', costReference());
  writeDocument('scale.md', scaleReference());
}
