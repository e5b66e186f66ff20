/** Sends an event to a program under development, as the platform sends it to an endpoint. */
import type { CountersignEvent } from '@countersign/sdk';
import { signWebhook } from '@countersign/sdk/webhooks';

/** As long as the platform waits for an endpoint's answer. */
const ANSWER_MS = 10_000;

/** The answer's status, or why there is none. */
export type Outcome = { readonly status: number } | { readonly error: string };

export const isSuccess = (outcome: Outcome): boolean =>
  'status' in outcome && outcome.status >= 200 && outcome.status <= 299;

/** @throws the reason of the signal that ends the wait */
export async function forward(
  event: CountersignEvent,
  url: string,
  secret: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const timeout = AbortSignal.timeout(ANSWER_MS);
  try {
    const request = await signWebhook(event, secret);
    const { body, status } = await fetch(url, {
      ...request,
      redirect: 'manual',
      signal: AbortSignal.any([signal, timeout]),
    });
    await body?.cancel();
    return { status };
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return { error: `no answer within ${ANSWER_MS / 1_000} s` };
    const { code } = ((error as Error).cause ?? {}) as { readonly code?: string };
    return { error: code ?? 'connection failed' };
  }
}
