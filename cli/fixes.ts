/** What to do about a problem that every user meets and that no repetition solves, by the problem's code. */
export const FIXES: Readonly<{ [code: string]: string }> = {
  invalid_proof: 'check that the API key is whole, of this platform and stage, and its client not deleted',
  key_expired: 'the key has ended or was revoked: ask the operator for another (clients rotate-key)',
  client_disabled: 'an operator disabled this client: ask why',
  clock_skew: "set this machine's clock by a time server (NTP)",
};

/** Where something answers that is no platform. */
export const BASE_URL =
  'the URL must be the base URL alone, without /v1, and nothing in between may answer for it';
