/** Settings of how much each Region lets in. */
import { z } from 'zod';
import { count } from './forms.ts';

const throttle = (perSecond: number, burst: number) =>
  z
    .strictObject({
      /** Requests a second, over time. */
      perSecond: count(perSecond).default(perSecond),
      /** Requests at once. */
      burst: count(burst).default(burst),
    })
    .prefault({})
    .meta({ examples: [{ perSecond, burst }] });

/**
 * Limits of a whole Region, over all clients. Nonce and register have limits of their own: a flood of nonces, which anybody can
 * ask for, must not starve those who register.
 */
export const throttles = z.strictObject({
  /** Default 1000 a second, 1000 at once. */
  nonce: throttle(1000, 1000),
  /** Default 1000 a second, 1000 at once. */
  register: throttle(1000, 1000),
  /** All other methods, each. Default 200 a second, 400 at once. */
  other: throttle(200, 400),
});

export const waf = z.strictObject({
  /**
   * Requests from one IP address in 5 minutes, beyond which it is refused until they are fewer; at least what a
   * client may sign in that time, and 10 to 2,000,000,000. Default 60000.
   */
  requestsPerIp: count(60_000, 10)
    .max(2_000_000_000, 'must be at most 2000000000')
    .default(60_000)
    .meta({ examples: [60_000] }),
});
