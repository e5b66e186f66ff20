/** Verifies that a request is an event of the platform, as it was signed a moment ago. */
import { readSignatures, signedContent } from '../../../protocol/webhook.ts';
import { InvalidArgumentError } from '../errors.ts';
import { type CountersignEvent, isEvent } from '../event.ts';
import { requireOptions } from '../options.ts';
import { InvalidWebhookError } from './errors.ts';
import { TrustedKeys, type WebhookKeys } from './keys.ts';

/** Headers in any form that servers give them, with names in upper or lower case. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface VerifyOptions {
  /**
   * The client whose events this receiver takes, or `*` for an endpoint of all clients. It is required with
   * public keys: these verify the events of every client, and another one may send you its own.
   */
  readonly clientId?: string;
  /** When the request was received, in epoch milliseconds. @default now */
  readonly receivedAtMs?: number;
}

/** How far a request's time may be from the receiver's clock. Each attempt is signed with its own time. */
const TOLERANCE_S = 300;

/**
 * Verifies a request by Standard Webhooks: one of its signatures, `v1` or `v1a`, must be by one of the keys.
 *
 * @param body exactly the bytes that were received: JSON that was parsed and written again does not verify
 * @returns the event. It may be one that came before: `id` tells
 * @throws InvalidWebhookError where the request is not such an event; InvalidArgumentError where a key or
 * option is wrong; ConnectionError where the public keys cannot be fetched
 * @example
 * const event = await verifyWebhook(body, request.headers, process.env.WEBHOOK_SECRET);
 */
export async function verifyWebhook(
  body: string | Uint8Array,
  headers: WebhookHeaders,
  keys: WebhookKeys,
  options: VerifyOptions = {},
): Promise<CountersignEvent> {
  requireOptions(options, ['clientId', 'receivedAtMs']);
  const { receivedAtMs = Date.now(), clientId } = options;
  return createVerifier(keys, clientId)(body, headers, receivedAtMs);
}

export type Verify = (
  body: string | Uint8Array,
  headers: WebhookHeaders,
  receivedAtMs: number,
) => Promise<CountersignEvent>;

/** @throws InvalidArgumentError where a key is wrong, or the client is missing */
export function createVerifier(keys: WebhookKeys, clientId: string | undefined): Verify {
  const trusted = new TrustedKeys(keys);
  if (trusted.includePublic && (typeof clientId !== 'string' || clientId === ''))
    throw new InvalidArgumentError(
      'clientId is missing: public keys verify the events of every client, so name yours (or * for all)',
    );
  return async (body, headers, receivedAtMs) => {
    if (typeof body !== 'string' && !(body instanceof Uint8Array))
      throw new InvalidArgumentError('body must be the bytes that were received, or a string of them');
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
    const id = headerOf(headers, 'webhook-id', /^[\w-]{1,256}$/);
    const timestampS = Number(headerOf(headers, 'webhook-timestamp', /^[1-9]\d{0,11}$/));
    const signatures = readSignatures(headerOf(headers, 'webhook-signature', /^[!-~]+( [!-~]+)*$/));
    if (!(Math.abs(receivedAtMs / 1000 - timestampS) <= TOLERANCE_S))
      throw new InvalidWebhookError('webhook-timestamp is more than five minutes from this clock');
    if (!(await trusted.verify(signedContent(id, timestampS, bytes), signatures)))
      throw new InvalidWebhookError('no signature in webhook-signature is by a key of this receiver');
    const event = readEvent(id, bytes);
    if (isForeign(event, clientId)) throw new InvalidWebhookError('the event is of another client');
    return event;
  };
}

function headerOf(headers: WebhookHeaders, name: string, form: RegExp): string {
  const value = isHeaders(headers)
    ? headers.get(name)
    : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  if (typeof value === 'string' && form.test(value)) return value;
  throw new InvalidWebhookError(`${name} is missing, or has the wrong form`);
}

const isHeaders = (headers: WebhookHeaders): headers is Headers => typeof headers.get === 'function';

function readEvent(id: string, body: Uint8Array): CountersignEvent {
  try {
    const { type, timestamp, data } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    const event: unknown = { id, type, timestamp, data };
    if (isEvent(event)) return event;
  } catch {
    // Without the engine's own message, which may quote the body.
  }
  throw new InvalidWebhookError('the body is not an event');
}

/** A `ping` to another receiver's endpoint says nothing. */
const isForeign = ({ data }: CountersignEvent, clientId = '*'): boolean =>
  clientId !== '*' && data.client_id !== clientId;
