/** How to fix a problem that every request of this client gets, by the problem's code. A retry does not help. */
export const FIXES: Readonly<{ [code: string]: string }> = {
  invalid_proof:
    'check that the API key is complete and of this platform and stage, and that its client is not deleted',
  key_expired: 'the key has expired or was revoked: ask the operator for a new one (clients rotate-key)',
  client_disabled: 'an operator disabled this client: ask the operator for the reason',
  clock_skew: "set this machine's clock from a time server (NTP)",
};

/** The fix where the server that answers is not a platform. */
export const BASE_URL =
  'use the base URL only, without /v1, and check that no proxy answers in place of the platform';
