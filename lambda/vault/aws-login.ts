/**
 * A login by an IAM role, for Vault's AWS auth method: a signed `sts:GetCallerIdentity` request, which Vault
 * itself sends to AWS (Vault, "AWS auth method (API)", Login). The signature also covers the name of the
 * Vault that it is for.
 */
import { Hash } from '@smithy/core/serde';
import { SignatureV4 } from '@smithy/signature-v4';
import { stsEndpoint } from '../contract/vault.ts';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const BODY = 'Action=GetCallerIdentity&Version=2011-06-15';

/**
 * @param stsRegion whose endpoint the request is for; @default the global one, Vault's own default
 * @returns the parameters of `auth/aws/login`, without the role
 */
export async function awsLogin(
  credentials: AwsCredentials,
  serverId: string,
  stsRegion?: string,
): Promise<Record<string, string>> {
  const url = stsEndpoint(stsRegion);
  const { hostname } = new URL(url);
  // Signatures for the global endpoint name this Region.
  const region = stsRegion ?? 'us-east-1';
  const signer = new SignatureV4({ service: 'sts', region, credentials, sha256: Hash.bind(null, 'sha256') });
  const { headers } = await signer.sign({
    method: 'POST',
    protocol: 'https:',
    hostname,
    path: '/',
    headers: {
      host: hostname,
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      'content-length': String(BODY.length),
      'x-vault-aws-iam-server-id': serverId,
    },
    body: BODY,
  });
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return {
    iam_http_request_method: 'POST',
    iam_request_url: base64(`${url}/`),
    iam_request_body: base64(BODY),
    iam_request_headers: base64(JSON.stringify(headers)),
  };
}
