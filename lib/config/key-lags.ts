/** What the windows of a purpose's keys follow from, out of the config. */
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
    verifierAgeMs: keys.verifierMaxAge.toMilliseconds(),
    signerAgeMs: keys.signerMaxAge.toMilliseconds(),
    maxLifeMs: longestLifeMs(purpose, clientKeyLife.toMilliseconds()),
    clockErrorMs: clockError.toMilliseconds(),
    finishMs: keys.rotationTime.toMilliseconds(),
  };
}
