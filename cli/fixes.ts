/**
 * How to fix a problem that every request of this client gets, by the problem's code. A retry does not help.
 */
import { ApiError, type CountersignError, type ForeignRegionsError } from '@countersign/sdk';
import type { Access } from './register/access.ts';

/** The fix where the server that answers is not a platform. */
export const BASE_URL =
  'use the base URL only, without /v1, and check that no proxy answers in place of the platform';
/** The help for a client whose Regions lie on other hosts. */
export const foreignRegionsFix = (urls: readonly string[]): string =>
  `name those that are yours with --regions ${urls.join(',')}`;

const FIXES: Readonly<{ [code: string]: (access: Access, error: CountersignError) => string }> = {
  invalid_proof: ({ source }) =>
    `check that the API key is complete and of this platform and stage, and that its client is not deleted; if the platform's client root was revoked, ask the operator for a new key (clients rotate-key); ${source}, and each \`npm start\` makes new keys`,
  key_expired: () =>
    'the key has expired or was revoked: ask the operator for a new one (clients rotate-key)',
  token_revoked: () => 'the key was revoked: ask the operator for another (clients rotate-key)',
  client_disabled: () => 'an operator disabled this client: ask the operator for the reason',
  not_allowed: () => "this client's profile may not do this: ask the operator for another client",
  clock_skew: () => "set this machine's clock from a time server (NTP)",
  foreign_regions: (_, error) => foreignRegionsFix((error as ForeignRegionsError).origins),
  quota_exceeded: () => 'wait, or ask the operator for a higher limit (clients update --limit)',
  unexpected_answer: () => BASE_URL,
  unsupported_media_type: () => 'let nothing in between change the Content-Type of requests',
  malformed_proof: () => 'let nothing in between change requests, and use a client of this version',
};

/** @returns what to do; undefined where the code says too little about that */
export function fixOf(error: CountersignError, access: Access): string | undefined {
  if (Object.hasOwn(FIXES, error.code)) return FIXES[error.code]!(access, error);
  // The page that the platform itself names.
  const type = error instanceof ApiError ? error.problem.type : undefined;
  return type !== undefined && /^https?:\/\//.test(type) ? `see ${type}` : undefined;
}
