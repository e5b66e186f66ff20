/** Signs events as the platform does, for a receiver's own tests. */
import { readKey, sign, signedContent } from '../../../protocol/webhook.ts';
import { InvalidArgumentError } from '../errors.ts';
import type { CountersignEvent } from '../event.ts';
import { requireOptions } from '../options.ts';

export interface SignOptions {
  /** When it is signed, in epoch milliseconds. @default now */
  readonly sentAtMs?: number;
}

/** A request that a receiver verifies. */
export interface SignedWebhook {
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * @param keys `whsec_…` for `v1`, `whsk_…` (an Ed25519 private key) for `v1a`; or a list of such keys
 * @returns the request, in the form that `fetch` takes
 * @throws InvalidArgumentError where a key or option is wrong
 * @example
 * const secret = `whsec_${btoa('a secret of my own tests')}`;
 * const response = await webhooks.fetch(new Request(url, await signWebhook(event, secret)));
 */
export async function signWebhook(
  { id, type, timestamp, data }: CountersignEvent,
  keys: string | readonly string[],
  options: SignOptions = {},
): Promise<SignedWebhook> {
  requireOptions(options, ['sentAtMs']);
  const { sentAtMs = Date.now() } = options;
  const texts = typeof keys === 'string' ? [keys] : keys;
  const imports = texts.map((text) => (/^wh(sec|sk)_/.test(text) ? readKey(text) : undefined));
  const body = JSON.stringify({ type, timestamp, data });
  const timestampS = Math.floor(sentAtMs / 1000);
  const content = signedContent(id, timestampS, new TextEncoder().encode(body));
  const signatures = await Promise.all(
    imports.map(async (read) => {
      if (!read) throw new InvalidArgumentError('keys must be a whsec_… or whsk_…, or a list of them');
      return sign(await read(), content);
    }),
  );
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestampS),
    'webhook-signature': signatures.join(' '),
  };
  return { method: 'POST', headers, body };
}
