/** Settings of OAuth, and what they need of the others. */
import { z } from 'zod';
import { isClientId } from '../../protocol/client-id.ts';
import { isScope, PLATFORM_SCOPES } from '../../protocol/oauth/scope.ts';
import { duration } from './duration.ts';
import type { ConfigFault } from './fault.ts';
import { url } from './forms.ts';

/** A token has as many scopes at most. */
const MOST_SCOPES = 29;

export const oauth = z.strictObject({
  tokenLife: duration()
    .refine((life) => life.toSeconds() >= 60 && life.toSeconds() <= 3600, 'must be 1 minute to 1 hour')
    .prefault('PT10M')
    .meta({ examples: ['PT10M'] }),
  bodyBinding: z
    .enum(['optional', 'required'])
    .default('optional')
    .meta({ examples: ['required'] }),
  scopes: z
    .array(z.string().refine(isScope, 'must be 1 to 64 printable ASCII characters without space, " and \\'))
    .max(MOST_SCOPES, `must be ${MOST_SCOPES} at most`)
    .default([])
    .meta({ examples: [['orders:read']] }),
  resources: z
    .array(
      z.strictObject({
        url: url().meta({ examples: ['https://orders.example.com'] }),
        client: z
          .string()
          .refine(isClientId, 'must be the name of a client')
          .optional()
          .meta({ examples: ['orders-api'] }),
      }),
    )
    .default([])
    .meta({ examples: [[{ url: 'https://orders.example.com', client: 'orders-api' }]] }),
});

interface Settings {
  readonly oauth?: z.output<typeof oauth> | undefined;
  readonly domain?: { readonly entry: string } | undefined;
  readonly issuer?: string | undefined;
}

/** Standard clients find the metadata at the root of the issuer's host alone (RFC 8414 §3.1). */
export function checkOAuth({ oauth, domain, issuer }: Settings): ConfigFault[] {
  if (!oauth) return [];
  const fault = (path: (string | number)[], message: string): ConfigFault => ({
    path,
    message,
    example: false,
  });
  if (!domain)
    return [
      fault(
        ['oauth'],
        'needs a domain: standard clients ask for /.well-known/oauth-authorization-server at the root of a host, and an execute-api URL has its stage there',
      ),
    ];
  const entry = `https://${domain.entry}`;
  const { scopes, resources } = oauth;
  const twice = (values: readonly string[], i: number) => values.indexOf(values[i]!) < i;
  const urls = resources.map((each) => each.url);
  return [
    ...(issuer === undefined || issuer === entry
      ? []
      : [
          fault(
            ['issuer'],
            `must be left out with oauth, or be ${entry}: issuer, token endpoint and resource are one`,
          ),
        ]),
    ...scopes.flatMap((scope, i) =>
      PLATFORM_SCOPES.some((own) => own === scope)
        ? [
            fault(
              ['oauth', 'scopes', i],
              "is one of the platform's own scopes, which are always there: leave it out",
            ),
          ]
        : twice(scopes, i)
          ? [fault(['oauth', 'scopes', i], 'is named twice')]
          : [],
    ),
    ...urls.flatMap((each, i) =>
      each === entry
        ? [
            fault(
              ['oauth', 'resources', i, 'url'],
              'is the platform itself, which is always one: leave it out',
            ),
          ]
        : twice(urls, i)
          ? [fault(['oauth', 'resources', i, 'url'], 'is named twice')]
          : [],
    ),
  ];
}
