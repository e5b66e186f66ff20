/**
 * Policies of enrolment: which workloads get a client's key by their platform's identity token
 * (docs/enrolment.md).
 */
import type { Duration } from 'aws-cdk-lib';
import { z } from 'zod';
import { isClientId } from '../../protocol/client-id.ts';
import {
  ATTESTATION_ALGORITHMS,
  attestationKey,
  type EnrolmentPolicy,
} from '../../protocol/oauth/attestation.ts';
import { parsePointer } from '../../protocol/oauth/json-pointer.ts';
import { DEFAULT_SCOPES, isScope } from '../../protocol/oauth/scope.ts';
import { holdsSecret } from '../../protocol/public-jwk.ts';
import { duration } from './duration.ts';
import type { ConfigFault } from './fault.ts';
import { count } from './forms.ts';

/** Functions get the names of all policies in their environment, which holds 4 KB. */
const MOST_POLICIES = 30;

const httpsUrl = () =>
  z
    .string()
    .regex(
      /^https:\/\/[^\s/?#@]+(\/[^\s/?#]+)*$/,
      'must be an https URL without a trailing "/", query or fragment',
    );

const policy = z.strictObject({
  client: z
    .string()
    .refine(isClientId, 'must be 3 to 32 of a-z, 0-9 and -, and begin with a letter')
    .meta({ examples: ['billing-ci'] }),
  issuer: httpsUrl().meta({ examples: ['https://token.actions.githubusercontent.com'] }),
  jwksUri: httpsUrl()
    .optional()
    .meta({ examples: ['https://keys.example.com/jwks.json'] }),
  jwks: z
    .strictObject({
      keys: z
        .array(z.record(z.string(), z.unknown()))
        .min(1, 'must hold at least one key')
        .meta({ examples: [[{ kty: 'EC', crv: 'P-256', kid: '1', x: '…', y: '…' }]] }),
    })
    .optional()
    .meta({ examples: [{ keys: [{ kty: 'EC', crv: 'P-256', kid: '1', x: '…', y: '…' }] }] }),
  algorithms: z
    .array(z.enum(ATTESTATION_ALGORITHMS))
    .min(1, 'must name at least one algorithm')
    .default(['RS256'])
    .meta({ examples: [['RS256']] }),
  match: z
    .record(z.string(), z.string().min(1))
    .meta({ examples: [{ '/repository_id': '74', '/ref': 'refs/heads/main' }] }),
  scopes: z
    .array(
      z
        .string()
        .refine(isScope, 'must be a scope name: 1 to 64 printable characters without space, " and \\'),
    )
    .default([...DEFAULT_SCOPES])
    .meta({ examples: [['registrations:write']] }),
  limit: count(600)
    .optional()
    .meta({ examples: [600] }),
  keyLife: duration()
    .refine((life) => life.toSeconds() >= 300, 'must be 5 minutes or more')
    .prefault('PT1H')
    .meta({ examples: ['PT1H'] }),
  instances: count(100).default(100),
  binding: z
    .enum(['key', 'once'])
    .default('key')
    .meta({ examples: ['once'] }),
});
export type PolicySettings = z.output<typeof policy>;

export const enrolment = z
  .array(policy)
  .max(MOST_POLICIES, `must hold at most ${MOST_POLICIES} policies`)
  .default([])
  .meta({
    examples: [
      [
        {
          client: 'billing-ci',
          issuer: 'https://token.actions.githubusercontent.com',
          match: { '/repository_id': '74', '/ref': 'refs/heads/main' },
        },
      ],
    ],
  });

/** @returns the policies as the functions read them */
export const enrolmentPolicies = (policies: readonly PolicySettings[]): EnrolmentPolicy[] =>
  policies.map(({ jwks, jwksUri, keyLife, limit = null, ...same }) => ({
    ...same,
    limit,
    keyLifeS: keyLife.toSeconds(),
    keys: jwks
      ? { kind: 'inline', keys: jwks.keys }
      : jwksUri === undefined
        ? { kind: 'discovery' }
        : { kind: 'uri', uri: jwksUri },
  }));

export interface EnrolmentContext {
  /** Whether the stage has OAuth, which instances register by. */
  readonly oauth: boolean;
  /** Every URL that the platform itself issues tokens by. */
  readonly ownUrls: readonly string[];
  readonly clientKeyLife: Duration;
}

/** Trust is given here alone, so what would let in more than its author sees is refused. */
export function checkEnrolment(
  policies: readonly PolicySettings[],
  { oauth, ownUrls, clientKeyLife }: EnrolmentContext,
): ConfigFault[] {
  if (policies.length > 0 && !oauth)
    return [{ path: ['enrolment'], message: 'needs oauth: instances register there', example: false }];
  return policies.flatMap((policy, i): ConfigFault[] => {
    const at = (setting: string, message: string): ConfigFault => ({
      path: ['enrolment', i, setting],
      message,
      example: false,
    });
    const before = policies.slice(0, i);
    return [
      ...(before.some(({ client }) => client === policy.client)
        ? [at('client', 'has a policy already: one client, one policy')]
        : []),
      ...(ownUrls.includes(policy.issuer)
        ? [at('issuer', "must not be the platform's own: a client could make clients")]
        : []),
      ...(policy.keyLife.toSeconds() > clientKeyLife.toSeconds()
        ? [at('keyLife', `must be at most clientKeyLife, ${clientKeyLife.toHumanString()}`)]
        : []),
      ...keyFaults(policy).map(([setting, message]) => at(setting, message)),
      ...matchFaults(policy).map((message) => at('match', message)),
      ...before
        .filter(({ issuer }) => issuer === policy.issuer)
        .flatMap((other) => togetherFaults(other, policy).map(([setting, message]) => at(setting, message))),
    ];
  });
}

type Fault = readonly [setting: string, message: string];

function keyFaults({ jwks, jwksUri, algorithms }: PolicySettings): Fault[] {
  if (!jwks) return [];
  if (jwksUri !== undefined)
    return [['jwksUri', 'cannot be combined with jwks, which are the keys themselves']];
  const { keys } = jwks;
  if (keys.some(holdsSecret))
    return [['jwks', 'holds a private key, which must stay with the issuer; give its public half']];
  const isUsable = (key: Record<string, unknown>) =>
    algorithms.some((alg) => attestationKey([key], { alg, kid: undefined }));
  return keys.some(isUsable)
    ? []
    : [['jwks', `holds no public key for ${algorithms.join(', ')}; an RSA key has 2048 bits or more`]];
}

/** Claims that each token has, and that say nothing of who asks. */
const NO_IDENTITY = ['/iss', '/aud', '/exp', '/nbf', '/iat', '/jti'];

const AWS_ISSUER = /\.tokens\.sts\.global\.api\.aws$/;
const AWS_CLAIMS = 'https://sts.amazonaws.com/';
const AWS_PRINCIPAL = '/https:~1~1sts.amazonaws.com~1/principal_id';

/** Everybody can have tokens of these issuers, so a policy must say whose, and for which of their code. */
const SHARED: readonly SharedIssuer[] = [
  {
    host: 'token.actions.githubusercontent.com',
    // Names can be given up, and taken by somebody else.
    tenant: ['/repository_id', '/repository_owner_id', '/enterprise_id'],
    code: ['/ref', '/environment', '/workflow_ref', '/job_workflow_ref'],
  },
  {
    host: 'gitlab.com',
    tenant: ['/project_id', '/namespace_id'],
    // `ref` alone may be a branch or a tag of that name.
    code: ['/ref_path', '/environment', '/ci_config_ref_uri'],
  },
];

interface SharedIssuer {
  readonly host: string;
  readonly tenant: readonly string[];
  readonly code: readonly string[];
}

function matchFaults({ issuer, match }: PolicySettings): string[] {
  const pointers = Object.keys(match);
  if (pointers.length === 0) return ['is empty: every token of the issuer would be let in'];
  const { hostname } = new URL(issuer);
  const shared = SHARED.find(({ host }) => host === hostname);
  const lacks = (of: readonly string[]) => !of.some((pointer) => pointers.includes(pointer));
  return [
    ...pointers.flatMap((pointer) => pointerFaults(pointer, AWS_ISSUER.test(hostname))),
    ...(shared && lacks(shared.tenant)
      ? [
          `lets in strangers: everybody can have tokens of ${hostname}, and names of repositories change hands; add one of ${shared.tenant.join(', ')}`,
        ]
      : []),
    ...(shared && lacks(shared.code)
      ? [`lets in every branch and pull request: add one of ${shared.code.join(', ')}`]
      : []),
  ];
}

function pointerFaults(pointer: string, isAws: boolean): string[] {
  const names = parsePointer(pointer);
  if (!names)
    return [
      `${JSON.stringify(pointer)} must be a JSON Pointer: it begins with /, and a / within a name is written ~1`,
    ];
  if (NO_IDENTITY.includes(pointer)) return [`${pointer} says nothing of who asks: match another claim`];
  if (names[0] === AWS_CLAIMS && names[1] === 'request_tags')
    return [`${pointer} is chosen by the caller: match principal_id instead`];
  // By SubjectMode the caller chooses whose subject it is; an identity provider may let users choose theirs.
  if (isAws && pointer === '/sub')
    return [`/sub may be another's: the caller of GetWebIdentityToken chooses; match ${AWS_PRINCIPAL}`];
  return [];
}

/** Of two policies of one issuer. */
function togetherFaults(other: PolicySettings, policy: PolicySettings): Fault[] {
  const setting = (['jwksUri', 'jwks', 'algorithms'] as const).find(
    (name) => JSON.stringify(policy[name]) !== JSON.stringify(other[name]),
  );
  return [
    ...(setting ? [[setting, `must be that of ${other.client}, whose issuer is the same`] as const] : []),
    ...(isPart(other.match, policy.match) || isPart(policy.match, other.match)
      ? [
          [
            'match',
            `fits tokens that ${other.client} fits too, and a token that fits two policies is refused`,
          ] as const,
        ]
      : []),
  ];
}

const isPart = (part: Record<string, string>, whole: Record<string, string>): boolean =>
  Object.entries(part).every(([pointer, value]) => whole[pointer] === value);
