/** Reads from the config the lags that a purpose's key windows follow from. */
import { longestLifeMs, type Purpose } from '../../lambda/contract/purposes.ts';
import type { KeyLags } from '../../protocol/key-windows.ts';
import type { ConfigSettings } from './schema.ts';

export function keyLags(
  settings: Pick<ConfigSettings, 'keys' | 'clockError' | 'clientKeyLife'>,
  purpose: Purpose,
): KeyLags {
  const { keys, clockError, clientKeyLife } = settings;
  return {
    replicationMs: keys.replicationLag.toMilliseconds(),
    // A function verifies and signs from one copy.
    verifierAgeMs: keys.keysetMaxAge.toMilliseconds(),
    signerAgeMs: keys.keysetMaxAge.toMilliseconds(),
    maxLifeMs: longestLifeMs(purpose, clientKeyLife.toMilliseconds()),
    clockErrorMs: clockError.toMilliseconds(),
    rotationTimeMs: keys.rotationTime.toMilliseconds(),
  };
}
