/**
 * The issuers of AWS, GitHub, GitLab and a Kubernetes cluster, played here: their headers, claims, algorithms
 * and key sets have the forms of the platforms' documentation, which docs/enrolment.md quotes.
 */
import { generateKeyPairSync, type JsonWebKey, type KeyObject, randomUUID, sign } from 'node:crypto';
import { b64 } from './signer.ts';

export interface IdentityIssuer {
  readonly issuer: string;
  readonly alg: 'RS256' | 'ES256' | 'ES384';
  readonly privateKey: KeyObject;
  /** As it publishes them. */
  readonly keys: readonly JsonWebKey[];
  readonly header: object;
  /** The claims of one workload, without audience and times. */
  readonly claims: Readonly<Record<string, unknown>>;
}

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const P384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const P256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const published = (key: KeyObject, members: object): JsonWebKey => ({
  ...key.export({ format: 'jwk' }),
  ...members,
});

/** AWS STS, `GetWebIdentityToken` of a Lambda function's role. */
export const AWS: IdentityIssuer = {
  issuer: 'https://abc123-def456-ghi789-jkl012.tokens.sts.global.api.aws',
  alg: 'ES384',
  privateKey: P384.privateKey,
  keys: [
    published(P384.publicKey, { kid: 'EC384_0', alg: 'ES384', use: 'sig' }),
    published(RSA.publicKey, { kid: 'RSA_0', alg: 'RS256', use: 'sig' }),
  ],
  header: { kid: 'EC384_0', typ: 'JWT', alg: 'ES384' },
  claims: {
    sub: 'arn:aws:iam::123456789012:role/DataProcessingRole',
    'https://sts.amazonaws.com/': {
      aws_account: '123456789012',
      source_region: 'us-east-1',
      org_id: 'o-abc1234567',
      ou_path: 'o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-ab12-22222222/',
      principal_id: 'arn:aws:iam::123456789012:role/DataProcessingRole',
      principal_tags: { environment: 'production', team: 'data-engineering' },
      lambda_source_function_arn: 'arn:aws:lambda:us-east-1:123456789012:function:process-data',
      request_tags: { 'job-id': 'job-2024-001', priority: 'high' },
    },
  },
};

/** A job of GitHub Actions with `permissions: id-token: write`. */
export const GITHUB: IdentityIssuer = {
  issuer: 'https://token.actions.githubusercontent.com',
  alg: 'RS256',
  privateKey: RSA.privateKey,
  keys: [published(RSA.publicKey, { kid: 'example-key-id', alg: 'RS256', use: 'sig' })],
  header: { typ: 'JWT', alg: 'RS256', x5t: 'example-thumbprint', kid: 'example-key-id' },
  claims: {
    sub: 'repo:octo-org/octo-repo:environment:prod',
    environment: 'prod',
    ref: 'refs/heads/main',
    sha: 'example-sha',
    repository: 'octo-org/octo-repo',
    repository_owner: 'octo-org',
    actor_id: '12',
    repository_visibility: 'private',
    repository_id: '74',
    repository_owner_id: '65',
    run_id: 'example-run-id',
    run_number: '10',
    run_attempt: '2',
    runner_environment: 'github-hosted',
    actor: 'octocat',
    workflow: 'example-workflow',
    head_ref: '',
    base_ref: '',
    event_name: 'workflow_dispatch',
    ref_type: 'branch',
    job_workflow_ref: 'octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main',
  },
};

/** A pipeline of gitlab.com, with `id_tokens`. */
export const GITLAB: IdentityIssuer = {
  issuer: 'https://gitlab.com',
  alg: 'RS256',
  privateKey: RSA.privateKey,
  keys: [published(RSA.publicKey, { kid: 'gitlab-key', alg: 'RS256', use: 'sig' })],
  header: { kid: 'gitlab-key', typ: 'JWT', alg: 'RS256' },
  claims: {
    namespace_id: '72',
    namespace_path: 'my-group',
    project_id: '20',
    project_path: 'my-group/my-project',
    user_id: '1',
    user_login: 'sample-user',
    pipeline_id: '574',
    pipeline_source: 'push',
    job_id: '302',
    ref: 'feature-branch-1',
    ref_type: 'branch',
    ref_path: 'refs/heads/feature-branch-1',
    ref_protected: 'false',
    environment: 'test-environment2',
    environment_protected: 'false',
    runner_id: 1,
    runner_environment: 'self-hosted',
    sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
    sub: 'project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1',
  },
};

/** A pod of a cluster, by the TokenRequest API. */
export const KUBERNETES: IdentityIssuer = {
  issuer: 'https://kubernetes.example.com',
  alg: 'ES256',
  privateKey: P256.privateKey,
  keys: [published(P256.publicKey, { kid: 'cluster-key', alg: 'ES256', use: 'sig' })],
  header: { alg: 'ES256', kid: 'cluster-key' },
  claims: {
    sub: 'system:serviceaccount:billing:worker',
    'kubernetes.io': {
      namespace: 'billing',
      node: { name: 'node-1', uid: '646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1' },
      pod: { name: 'worker-0', uid: '8d0de1dd-1ab1-4a5f-9c0b-2f3f0b7f5bdb' },
      serviceaccount: { name: 'worker', uid: '7dcce5a0-2c1b-4ac9-8cd8-2c3f2b8c4d7d' },
    },
  },
};

export interface TokenWish {
  readonly audience: unknown;
  readonly nowMs: number;
  readonly lifeS?: number;
  /** Members that are undefined are left out. */
  readonly claims?: object;
  readonly header?: object;
  readonly key?: KeyObject;
}

const DIGEST = { RS256: 'sha256', ES256: 'sha256', ES384: 'sha384' } as const;

/** @returns what the issuer gives a workload that asks for this audience */
export function identityToken(
  { issuer, alg, privateKey, header, claims }: IdentityIssuer,
  { audience, nowMs, lifeS = 300, claims: more = {}, header: change = {}, key = privateKey }: TokenWish,
): string {
  const iat = Math.floor(nowMs / 1000);
  const times = { iat, nbf: iat - 5, exp: iat + lifeS };
  const payload = { ...claims, iss: issuer, aud: audience, jti: randomUUID(), ...times, ...more };
  const input = `${b64({ ...header, ...change })}.${b64(payload)}`;
  const signature = sign(DIGEST[alg], Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}
