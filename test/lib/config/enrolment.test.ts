/** Which policies of enrolment a config may have: each refusal, with its reason. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { enrolmentPolicies } from '../../../lib/config/enrolment.ts';
import type { EnrolmentPolicyConfig } from '../../../lib/config/input.ts';
import { checkLock } from '../../../lib/config/lock.ts';
import { ConfigError, readConfig } from '../../../lib/config/read.ts';
import { AWS, GITHUB, GITLAB, KUBERNETES } from '../../support/identity.ts';
import { PROD } from '../synth.ts';

const BASE = { ...PROD, oauth: {} };

const github = (more: object = {}): EnrolmentPolicyConfig => ({
  client: 'billing-ci',
  issuer: GITHUB.issuer,
  match: { '/repository_id': '74', '/ref': 'refs/heads/main' },
  ...more,
});
const of = (issuer: string, match: Record<string, string>, more: object = {}): EnrolmentPolicyConfig => ({
  client: 'billing',
  issuer,
  match,
  ...more,
});
const PRINCIPAL = '/https:~1~1sts.amazonaws.com~1/principal_id';
const kubernetes = (more: object = {}) =>
  of(KUBERNETES.issuer, { '/sub': 'system:serviceaccount:billing:worker' }, more);

const lines = (work: () => unknown): string[] => {
  try {
    work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
};
const faults = (...enrolment: EnrolmentPolicyConfig[]) => lines(() => readConfig({ ...BASE, enrolment }));

describe('a policy that is taken', () => {
  it.each<[string, EnrolmentPolicyConfig]>([
    ['GitHub', github()],
    [
      'GitHub, by owner and workflow',
      github({
        match: {
          '/repository_owner_id': '65',
          '/job_workflow_ref': 'o/r/.github/workflows/w.yml@refs/heads/main',
        },
      }),
    ],
    ['GitLab', of(GITLAB.issuer, { '/project_id': '20', '/ref_path': 'refs/heads/main' })],
    [
      'AWS',
      of(
        AWS.issuer,
        { [PRINCIPAL]: 'arn:aws:iam::123456789012:role/Worker' },
        { algorithms: ['ES384', 'RS256'] },
      ),
    ],
    ['Kubernetes', kubernetes({ jwksUri: 'https://keys.example.com/jwks' })],
    ['a private cluster', kubernetes({ jwks: { keys: KUBERNETES.keys }, algorithms: ['ES256'] })],
  ])('%s', (_, policy) => {
    expect(faults(policy)).toEqual([]);
  });

  it('has defaults, and reaches the functions whole', () => {
    const { enrolment } = readConfig({
      ...BASE,
      enrolment: [github(), kubernetes({ keyLife: 'PT30M', limit: 5 })],
    });
    expect(enrolmentPolicies(enrolment)).toEqual([
      {
        client: 'billing-ci',
        issuer: GITHUB.issuer,
        keys: { kind: 'discovery' },
        algorithms: ['RS256'],
        match: { '/repository_id': '74', '/ref': 'refs/heads/main' },
        scopes: ['registrations:write', 'registrations:read'],
        limit: null,
        keyLifeS: 3600,
        instances: 100,
        binding: 'key',
      },
      expect.objectContaining({ keyLifeS: 1800, limit: 5 }),
    ]);
  });
});

describe('a policy that is refused', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
  it.each<[string, readonly EnrolmentPolicyConfig[], string, RegExp]>([
    ['without a match', [github({ match: {} })], '[0].match', /empty: every token of the issuer/],
    [
      'of GitHub by names',
      [github({ match: { '/repository': 'octo-org/octo-repo', '/ref': 'refs/heads/main' } })],
      '[0].match',
      /lets in strangers/,
    ],
    [
      'of GitHub for every branch',
      [github({ match: { '/repository_id': '74' } })],
      '[0].match',
      /every branch/,
    ],
    [
      'of GitHub by the name of a workflow',
      [github({ match: { '/repository_id': '74', '/workflow': 'release' } })],
      '[0].match',
      /every branch/,
    ],
    [
      'of GitLab for every branch',
      [of(GITLAB.issuer, { '/project_id': '20', '/ref': 'main' })],
      '[0].match',
      /every branch/,
    ],
    [
      'by AWS request tags',
      [of(AWS.issuer, { [PRINCIPAL]: 'r', '/https:~1~1sts.amazonaws.com~1/request_tags/team': 'a' })],
      '[0].match',
      /chosen by the caller/,
    ],
    [
      "by AWS's subject",
      [of(AWS.issuer, { '/sub': 'arn:aws:iam::123456789012:role/Worker' })],
      '[0].match',
      /may be another's/,
    ],
    [
      'by what each token has',
      [kubernetes({ match: { '/iss': KUBERNETES.issuer } })],
      '[0].match',
      /says nothing of who asks/,
    ],
    ['by no pointer', [kubernetes({ match: { sub: 'a' } })], '[0].match', /must be a JSON Pointer/],
    [
      'of the platform itself',
      [of('https://api.example.com', { '/sub': 'a' })],
      '[0].issuer',
      /the platform's own/,
    ],
    [
      'of a Region of the platform',
      [of('https://eu-west-1.api.example.com', { '/sub': 'a' })],
      '[0].issuer',
      /the platform's own/,
    ],
    ['without TLS', [of('http://127.0.0.1:8080', { '/sub': 'a' })], '[0].issuer', /https URL/],
    [
      'for a client that has one',
      [github(), of(KUBERNETES.issuer, { '/sub': 'a' }, { client: 'billing-ci' })],
      '[1].client',
      /has a policy already/,
    ],
    [
      'whose tokens fit another',
      [
        github(),
        github({
          client: 'other',
          match: { '/repository_id': '74', '/ref': 'refs/heads/main', '/environment': 'prod' },
        }),
      ],
      '[1].match',
      /fits tokens that billing-ci fits too/,
    ],
    [
      'with other keys for one issuer',
      [
        kubernetes(),
        kubernetes({ client: 'other', match: { '/sub': 'b' }, jwksUri: 'https://k.example.com' }),
      ],
      '[1].jwksUri',
      /that of billing/,
    ],
    [
      'with other algorithms for one issuer',
      [kubernetes(), kubernetes({ client: 'other', match: { '/sub': 'b' }, algorithms: ['ES256'] })],
      '[1].algorithms',
      /that of billing/,
    ],
    [
      'with keys in two places',
      [
        kubernetes({
          jwks: { keys: KUBERNETES.keys },
          jwksUri: 'https://k.example.com',
          algorithms: ['ES256'],
        }),
      ],
      '[0].jwksUri',
      /cannot be combined/,
    ],
    [
      'with a private key',
      [kubernetes({ jwks: { keys: [privateKey.export({ format: 'jwk' })] } })],
      '[0].jwks',
      /private key/,
    ],
    [
      'with keys of other algorithms',
      [kubernetes({ jwks: { keys: KUBERNETES.keys } })],
      '[0].jwks',
      /no public key for RS256/,
    ],
    ['with a short RSA key', [kubernetes({ jwks: { keys: [short] } })], '[0].jwks', /2048 bits/],
    ['with an algorithm of clients', [kubernetes({ algorithms: ['HS256'] })], '[0].algorithms[0]', /RS256/],
    [
      'with a key life beyond the longest',
      [kubernetes({ keyLife: 'P91D' })],
      '[0].keyLife',
      /at most clientKeyLife/,
    ],
    ['with a key life that no renewal keeps', [kubernetes({ keyLife: 'PT1M' })], '[0].keyLife', /5 minutes/],
    ['with a scope that is none', [kubernetes({ scopes: ['a b'] })], '[0].scopes[0]', /scope/],
    ['with a name that is none', [kubernetes({ client: 'Billing' })], '[0].client', /3 to 32/],
  ])('%s', (_, enrolment, path, message) => {
    const found = faults(...enrolment);
    expect(found).toContainEqual(expect.stringMatching(message));
    expect(found).toEqual(
      found.map(() => expect.stringMatching(`^enrolment${path.replace(/[[\]]/g, '\\$&')}: `)),
    );
  });

  it('in a stage without OAuth', () => {
    expect(lines(() => readConfig({ ...PROD, enrolment: [github()] }))).toEqual([
      expect.stringMatching(/^enrolment: needs oauth/),
    ]);
  });

  it('as the 31st of a stage', () => {
    const many = Array.from({ length: 31 }, (_, i) =>
      of('https://k.example.com', { '/sub': `s-${i}` }, { client: `c-${i}` }),
    );
    expect(faults(...many)).toContainEqual(expect.stringMatching(/at most 30 policies/));
    expect(faults(...many.slice(1))).toEqual([]);
  });
});

describe('the lock', () => {
  let directory: string;
  const file = () => join(directory, 'countersign.lock.json');
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'countersign-enrolment-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const check = (enrolment: EnrolmentPolicyConfig[], write = false) =>
    lines(() => checkLock(readConfig({ ...BASE, enrolment }), { file: file(), write }));

  it('keeps which clients enrol, and by whom', () => {
    check([github()], true);
    expect(JSON.parse(readFileSync(file(), 'utf8')).live.enrolment).toEqual({ 'billing-ci': GITHUB.issuer });
    expect(check([github()])).toEqual([]);
    // A tighter match changes no identity.
    expect(check([github({ match: { ...github().match, '/environment': 'prod' } })])).toEqual([]);
  });

  it('takes another client once it is written', () => {
    check([github()], true);
    const more = [github(), kubernetes()];
    expect(check(more)).toEqual([expect.stringMatching(/it lacks billing\. Write it/)]);
    expect(check(more, true)).toEqual([]);
    expect(check(more)).toEqual([]);
    expect(check([github()])).toEqual([expect.stringMatching(/it has billing\. Write it/)]);
    expect(check([github()], true)).toEqual([]);
  });

  it.each([false, true])('refuses another name for the same workloads (written: %s)', (write) => {
    check([github()], true);
    expect(check([github({ client: 'renamed' })], write)).toEqual([
      expect.stringMatching(/is frozen .* has billing-ci, got renamed; a client keeps its name/),
    ]);
  });

  it.each([false, true])('refuses another issuer for the same name (written: %s)', (write) => {
    check([github()], true);
    expect(check([kubernetes({ client: 'billing-ci' })], write)).toEqual([
      expect.stringMatching(/is frozen .* for billing-ci, got https:\/\/kubernetes/),
    ]);
  });
});
