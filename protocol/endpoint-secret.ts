/** The secret of a callback endpoint: derived, never stored (docs/protocol.md, "Callbacks"). */
import { hkdfSync } from 'node:crypto';
import { lengthPrefixed } from './bytes.ts';

export interface DeriveEndpointSecret {
  /** The key of the `webhook-root` keyset that the endpoint's item names. */
  readonly root: Uint8Array;
  /** 16 random bytes of the endpoint's item. */
  readonly salt: Uint8Array;
  readonly endpointId: string;
}

/**
 * @returns the secret in the form of Standard Webhooks: `whsec_` and 32 bytes in base64 (HKDF-SHA-256, RFC
 * 5869)
 */
export function deriveEndpointSecret({ root, salt, endpointId }: DeriveEndpointSecret): string {
  const info = lengthPrefixed('countersign/webhook-secret/v1', endpointId);
  return `whsec_${Buffer.from(hkdfSync('sha256', root, salt, info, 32)).toString('base64')}`;
}
