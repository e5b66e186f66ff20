/**
 * - `unavailable`: no answer, or one that asks to try later
 * - `sealed`: Vault runs, but has no keys until an operator unseals it
 * - `forbidden`: the login or the right was refused
 * - `not_found`: there is no such key, version or path
 * - `invalid`: Vault understood the call, and does not accept what was sent
 * - `unexpected`: anything else, such as an answer of something that is no Vault
 */
export type VaultErrorCode = 'unavailable' | 'sealed' | 'forbidden' | 'not_found' | 'invalid' | 'unexpected';

/**
 * A call that Vault did not serve. The message says what to fix, in our own words: an answer of Vault may
 * quote what was sent. There is no cause and no other property: those of an HTTP client hold the token.
 */
export class VaultError extends Error {
  readonly code: VaultErrorCode;
  /** Whether the same call may succeed later without any change here. */
  readonly retryable: boolean;

  constructor(
    code: VaultErrorCode,
    message: string,
    retryable = code === 'unavailable' || code === 'sealed',
  ) {
    super(message);
    this.name = 'VaultError';
    this.code = code;
    this.retryable = retryable;
  }
}
