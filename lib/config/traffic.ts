/** Settings of how much each Region lets in. */
import { z } from 'zod';
import { count } from './forms.ts';

const throttle = (perSecond: number, burst: number) =>
  z
    .strictObject({
      perSecond: count(perSecond).default(perSecond),
      burst: count(burst).default(burst),
    })
    .prefault({})
    .meta({ examples: [{ perSecond, burst }] });

export const throttles = z.strictObject({
  nonce: throttle(1000, 1000),
  register: throttle(1000, 1000),
  other: throttle(200, 400),
});

export const waf = z.strictObject({
  requestsPerIp: count(60_000, 10)
    .max(2_000_000_000, 'must be at most 2000000000')
    .default(60_000)
    .meta({ examples: [60_000] }),
});
