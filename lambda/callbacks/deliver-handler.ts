/** What wakes delivery: messages of the queue, each with an endpoint's id, and the schedule. */
import type { Deliver } from './deliver.ts';

export interface WakeUps {
  readonly Records?: readonly { readonly messageId: string; readonly body: string }[];
}

export interface WakeUpAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

export type DeliverHandler = (event: WakeUps) => Promise<WakeUpAnswer>;

const ENDPOINT_ID = /^ep_[0-9A-Za-z]{16}$/;

export const deliverHandler =
  ({ turn, sweep }: Deliver): DeliverHandler =>
  async ({ Records }) => {
    if (!Records) await sweep();
    const ids = new Set((Records ?? []).map(({ body }) => body).filter((body) => ENDPOINT_ID.test(body)));
    // A turn that failed is logged; the schedule wakes its endpoint again, so no message comes back.
    await Promise.all([...ids].map((id) => turn(id)));
    return { batchItemFailures: [] };
  };
