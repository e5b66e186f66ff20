/** The functions' own client finds a service where the AWS SDK finds it. */
import { Readable } from 'node:stream';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type HttpRequest, HttpResponse } from '@smithy/core/protocols';
import { afterEach, expect, it, vi } from 'vitest';
import { endpointOf } from '../../../lambda/adapters/aws/endpoint.ts';

const SERVICES = ['dynamodb', 'secretsmanager'] as const;
const ORDINARY = ['us-east-1', 'eu-west-1', 'eu-central-2', 'ap-southeast-7', 'me-south-1', 'mx-central-1'];
const OTHERS = [
  ...['cn-north-1', 'cn-northwest-1', 'us-gov-west-1', 'us-gov-east-1', 'eusc-de-east-1'],
  ...['us-iso-east-1', 'us-isob-east-1', 'eu-isoe-west-1', 'us-isof-south-1'],
];

afterEach(() => vi.unstubAllEnvs());

/** @returns the URL that the SDK's client sends to @throws Error where it has none */
async function sdkEndpoint(service: (typeof SERVICES)[number], region: string): Promise<string> {
  let url = '';
  // Of a request, it keeps where it goes.
  const requestHandler = {
    handle: async ({ protocol, hostname, port, path }: HttpRequest) => {
      url = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`;
      return { response: new HttpResponse({ statusCode: 200, body: Readable.from(['{}']) }) };
    },
  };
  const options = { region, credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, requestHandler };
  if (service === 'dynamodb')
    await new DynamoDBClient(options as object).send(new GetItemCommand({ TableName: 't', Key: {} }));
  else await new SecretsManagerClient(options as object).send(new GetSecretValueCommand({ SecretId: 's' }));
  return url;
}

const own = (service: (typeof SERVICES)[number], region: string): string => {
  const { href, pathname } = new URL(endpointOf(service, region, process.env));
  return pathname.endsWith('/') ? href : `${href}/`;
};

it.each(SERVICES)('%s in every partition', async (service) => {
  for (const region of [...ORDINARY, ...OTHERS])
    expect(own(service, region)).toBe(await sdkEndpoint(service, region));
});

it.each(SERVICES)('%s with FIPS and with IPv6', async (service) => {
  for (const [fips, dualStack] of [
    ['true', 'false'],
    ['false', 'true'],
    ['true', 'true'],
  ] as const) {
    vi.stubEnv('AWS_USE_FIPS_ENDPOINT', fips);
    vi.stubEnv('AWS_USE_DUALSTACK_ENDPOINT', dualStack);
    for (const region of ORDINARY) expect(own(service, region)).toBe(await sdkEndpoint(service, region));
    // Their names differ from service to service, and no stage is supported there.
    for (const region of OTHERS) expect(() => own(service, region)).toThrow(region);
  }
});

it.each([
  { AWS_ENDPOINT_URL: 'http://127.0.0.1:4566' },
  { AWS_ENDPOINT_URL: 'http://127.0.0.1:4566/below/a/path' },
  { AWS_ENDPOINT_URL: 'https://one', AWS_ENDPOINT_URL_DYNAMODB: 'https://two' },
  { AWS_ENDPOINT_URL: 'https://one', AWS_ENDPOINT_URL_SECRETS_MANAGER: 'https://two' },
  { AWS_ENDPOINT_URL_DYNAMODB: 'http://[::1]:8000' },
  { AWS_ENDPOINT_URL: 'https://one', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' },
  { AWS_ENDPOINT_URL: '' },
])('the environment says where: %o', async (variables) => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  for (const service of SERVICES)
    expect(own(service, 'eu-west-1')).toBe(await sdkEndpoint(service, 'eu-west-1'));
});

it('a URL of one’s own excludes FIPS and IPv6, as in the SDK', async () => {
  vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:4566');
  for (const name of ['AWS_USE_FIPS_ENDPOINT', 'AWS_USE_DUALSTACK_ENDPOINT']) {
    vi.stubEnv(name, 'true');
    await expect(sdkEndpoint('dynamodb', 'eu-west-1')).rejects.toThrow();
    expect(() => own('dynamodb', 'eu-west-1')).toThrow(name);
    vi.stubEnv(name, 'false');
  }
});
