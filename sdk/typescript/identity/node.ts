/** The identity tokens of AWS, GitHub Actions and Kubernetes, as each platform gives them to a workload. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { decodeJwt } from 'jose';
import { environment } from '../environment.ts';
import { InvalidArgumentError } from '../errors.ts';
import type { IdentitySource, IdentityWish, Platform } from './source.ts';

/** @throws InvalidArgumentError where the environment names no platform, or lacks what the platform needs */
export function platformSource(platform: Platform): IdentitySource {
  const found = platform === 'auto' ? detected() : platform;
  if (found === 'github') return github();
  if (found === 'kubernetes') return kubernetes();
  if (found === 'aws') return aws;
  throw new InvalidArgumentError(
    "identity 'auto' finds no platform here: name it (aws, github or kubernetes), or give a function",
  );
}

/** A pod of EKS has variables of both: the cluster knows its service account. */
function detected(): Exclude<Platform, 'auto'> | undefined {
  if (environment('ACTIONS_ID_TOKEN_REQUEST_URL')) return 'github';
  if (environment('KUBERNETES_SERVICE_HOST')) return 'kubernetes';
  const ofAws = [
    'AWS_LAMBDA_FUNCTION_NAME',
    'ECS_CONTAINER_METADATA_URI_V4',
    'AWS_CONTAINER_CREDENTIALS_FULL_URI',
    'AWS_WEB_IDENTITY_TOKEN_FILE',
  ];
  return ofAws.some((name) => environment(name)) ? 'aws' : undefined;
}

/** A job with `permissions: id-token: write`. */
function github(): IdentitySource {
  const url = needed('ACTIONS_ID_TOKEN_REQUEST_URL', 'the job needs permissions: id-token: write');
  const secret = needed('ACTIONS_ID_TOKEN_REQUEST_TOKEN', 'the job needs permissions: id-token: write');
  return async ({ audience, signal }) => {
    const asked = new URL(url);
    asked.searchParams.set('audience', audience);
    const answer = await fetch(asked, {
      headers: { authorization: `bearer ${secret}`, accept: 'application/json' },
      redirect: 'error',
      signal,
    });
    if (!answer.ok) throw new Error(`GitHub answered ${answer.status}`);
    return tokenOf('GitHub', ((await answer.json()) as { value?: unknown }).value);
  };
}

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The shortest life that Kubernetes gives, in seconds. */
const KUBERNETES_LIFE_S = 600;

/** A pod whose service account may make tokens for itself (TokenRequest). */
function kubernetes(): IdentitySource {
  const host = needed('KUBERNETES_SERVICE_HOST', 'this is no pod of a cluster');
  const port = environment('KUBERNETES_SERVICE_PORT') ?? '443';
  return async ({ audience, signal }) => {
    const [token, ca] = await Promise.all([
      readFile(`${ACCOUNT}/token`, 'utf8'),
      readFile(`${ACCOUNT}/ca.crt`, 'utf8'),
    ]);
    // The account's own token says who it is: system:serviceaccount:<namespace>:<name>.
    const [, , namespace, name] = (decodeJwt(token).sub ?? '').split(':');
    if (!namespace || !name) throw new Error("the token of the pod's service account names no account");
    const status = await post(
      {
        ...{ host, port, ca, signal },
        path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}/token`,
        headers: { authorization: `Bearer ${token.trim()}`, 'content-type': 'application/json' },
      },
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: [audience], expirationSeconds: KUBERNETES_LIFE_S },
      },
    );
    return tokenOf('Kubernetes', (status as { status?: { token?: unknown } }).status?.token);
  };
}

interface Post {
  readonly host: string;
  readonly port: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The cluster's own authority. */
  readonly ca: string;
  readonly signal: AbortSignal;
}

/** The built-in fetch takes no authority of its own. */
function post(options: Post, value: object): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const asked = request({ ...options, method: 'POST' }, async (answer) => {
    try {
      let text = '';
      for await (const chunk of answer.setEncoding('utf8')) text += chunk;
      const { statusCode = 0 } = answer;
      if (statusCode !== 200 && statusCode !== 201)
        throw new Error(
          statusCode === 403
            ? 'the service account may not create serviceaccounts/token for itself'
            : `the API server of the cluster answered ${statusCode}`,
        );
      resolve(JSON.parse(text));
    } catch (error) {
      reject(error);
    }
  });
  asked.on('error', reject).end(JSON.stringify(value));
  return promise;
}

interface Sts {
  readonly STSClient: new (options: object) => { send(command: object, options: object): Promise<unknown> };
  readonly GetWebIdentityTokenCommand: new (input: object) => object;
}

const AWS_LIFE_S = 300;

/** `sts:GetWebIdentityToken`, with the role's own credentials, at the endpoint of its Region. */
async function aws({ audience, signal }: IdentityWish): Promise<string> {
  // A name that no bundler follows: only who asks for it needs the package.
  const name = '@aws-sdk/client-sts';
  const sts: Sts = await import(/* @vite-ignore */ name).catch(() => {
    throw new InvalidArgumentError(`identity 'aws' needs the package ${name}`);
  });
  const command = new sts.GetWebIdentityTokenCommand({
    Audience: [audience],
    DurationSeconds: AWS_LIFE_S,
    SigningAlgorithm: 'RS256',
  });
  const answer = await new sts.STSClient({}).send(command, { abortSignal: signal });
  return tokenOf('AWS STS', (answer as { WebIdentityToken?: unknown }).WebIdentityToken);
}

function needed(name: string, why: string): string {
  const value = environment(name);
  if (value !== undefined) return value;
  throw new InvalidArgumentError(`${name} is not set: ${why}`);
}

function tokenOf(platform: string, token: unknown): string {
  if (typeof token === 'string' && token !== '') return token;
  throw new Error(`${platform} answered without a token`);
}
