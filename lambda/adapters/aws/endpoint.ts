/** Where a service answers, found as the AWS SDK finds it, without its shared config files. */

export type Service = 'dynamodb' | 'secretsmanager';

type Env = Readonly<Record<string, string | undefined>>;

const OVERRIDE: Readonly<Record<Service, string>> = {
  dynamodb: 'AWS_ENDPOINT_URL_DYNAMODB',
  secretsmanager: 'AWS_ENDPOINT_URL_SECRETS_MANAGER',
};

/** The partitions of AWS whose names end otherwise than in `amazonaws.com`, by their Regions. */
const PARTITIONS: readonly (readonly [regions: RegExp, suffix: string])[] = [
  [/^cn-/, 'amazonaws.com.cn'],
  [/^eusc-/, 'amazonaws.eu'],
  [/^us-iso-/, 'c2s.ic.gov'],
  [/^us-isob-/, 'sc2s.sgov.gov'],
  [/^eu-isoe-/, 'cloud.adc-e.uk'],
  [/^us-isof-/, 'csp.hci.ic.gov'],
];
const ORDINARY = /^(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d+$/;

/**
 * @param env the process's variables
 * @returns the service's base URL in a Region
 */
export function endpointOf(service: Service, region: string, env: Env): string {
  const fips = env.AWS_USE_FIPS_ENDPOINT === 'true';
  const dualStack = env.AWS_USE_DUALSTACK_ENDPOINT === 'true';
  const override =
    env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS === 'true'
      ? undefined
      : env[OVERRIDE[service]] || env.AWS_ENDPOINT_URL;
  if (override) {
    if (fips || dualStack)
      throw new Error('an AWS_ENDPOINT_URL excludes AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT');
    return override;
  }
  if ((fips || dualStack) && !ORDINARY.test(region))
    throw new Error(`FIPS and dual-stack endpoints are not supported in ${region}`);
  const name = fips ? `${service}-fips` : service;
  // Secrets Manager answers over IPv6 under its ordinary name.
  if (dualStack && service === 'dynamodb') return `https://${name}.${region}.api.aws`;
  const suffix = PARTITIONS.find(([regions]) => regions.test(region))?.[1] ?? 'amazonaws.com';
  return `https://${name}.${region}.${suffix}`;
}
