/** Settings of the platform's own keys. */
import { z } from 'zod';
import { DEFAULT_LAGS, DEFAULTS } from '../../lambda/contract/defaults.ts';
import { KEYSETS, PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { duration, isoDuration } from './duration.ts';
import { regionName } from './forms.ts';

const HOUR_S = 3600;

/** The schedules of Secrets Manager. More often than every four hours would use up a secret's versions. */
function rotationPeriod(purpose: Purpose) {
  const usual = `P${KEYSETS[purpose].rotationDays}D`;
  return duration()
    .refine((period) => period.toSeconds() % HOUR_S === 0, 'must be whole hours')
    .refine((period) => period.toSeconds() >= 4 * HOUR_S, 'must be 4 hours or more')
    .refine((period) => period.toSeconds() <= 999 * 24 * HOUR_S, 'must be 999 days at most')
    .prefault(usual)
    .meta({ examples: [usual] });
}

type RotationPeriod = ReturnType<typeof rotationPeriod>;
const rotationPeriods = Object.fromEntries(
  PURPOSES.map((purpose) => [purpose, rotationPeriod(purpose)]),
) as Record<Purpose, RotationPeriod>;

export const keys = z.strictObject({
  managedBy: regionName()
    .optional()
    .meta({ examples: ['eu-central-1'] }),
  replicationLag: duration()
    .prefault(isoDuration(DEFAULT_LAGS.replicationMs))
    .meta({ examples: ['PT1H'] }),
  keysetMaxAge: duration()
    .prefault(isoDuration(DEFAULTS.keysetMaxAgeMs))
    .meta({ examples: ['P1D'] }),
  rotationTime: duration()
    .prefault(isoDuration(DEFAULT_LAGS.rotationTimeMs))
    .meta({ examples: ['PT1H'] }),
  rotationPeriod: z
    .strictObject(rotationPeriods)
    .prefault({})
    .meta({ examples: [{ nonce: 'P30D', 'client-root': 'P180D', token: 'P30D' }] }),
});
