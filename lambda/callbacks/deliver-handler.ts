/** What wakes delivery: messages of the queue, each with an endpoint's id, and the schedule. */
import { allOf } from './all-of.ts';
import type { Deliver } from './deliver.ts';

export interface WakeUps {
  readonly Records?: readonly { readonly messageId: string; readonly body: string }[];
}

export interface WakeUpAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

export type DeliverHandler = (event: WakeUps) => Promise<WakeUpAnswer>;

const ENDPOINT_ID = /^ep_[0-9A-Za-z]{16}$/;

export interface DeliverHandlerOptions extends Deliver {
  /** Copies the public halves of the keys that sign callbacks. */
  readonly publish: () => Promise<void>;
  /** Says which secrets of endpoints end soon. */
  readonly reportEnds: () => Promise<void>;
}

export const deliverHandler =
  ({ turn, sweep, publish, reportEnds }: DeliverHandlerOptions): DeliverHandler =>
  async ({ Records }) => {
    if (!Records) await allOf([sweep(), publish(), reportEnds()]);
    const ids = new Set((Records ?? []).map(({ body }) => body).filter((body) => ENDPOINT_ID.test(body)));
    // A turn that failed is logged; the schedule wakes its endpoint again, so no message comes back.
    await Promise.all([...ids].map((id) => turn(id)));
    return { batchItemFailures: [] };
  };
