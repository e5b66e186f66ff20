/** What the settings must satisfy together, once each is right by itself. */
import { Duration } from 'aws-cdk-lib';
import { keyWindows } from '../../protocol/key-windows.ts';
import type { ConfigSettings } from './schema.ts';

export interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** False where the message says what to write, and the setting's example would mislead. */
  readonly example?: false;
}

export function checkTogether(settings: ConfigSettings): Fault[] {
  return [...regionNames(settings), ...rotationPeriods(settings), ...notYet(settings)];
}

function regionNames({ regions, homeRegion }: ConfigSettings): Fault[] {
  const names = regions.map(({ name }) => name);
  const faults = names.flatMap((name, i) =>
    names.indexOf(name) < i ? [{ path: ['regions', i, 'name'], message: 'is named twice' }] : [],
  );
  if (homeRegion === undefined || names.includes(homeRegion)) return faults;
  return [...faults, { path: ['homeRegion'], message: `must be one of the Regions: ${names.join(', ')}` }];
}

/** A key must be gone before the next but one comes (design: 3-keys "Windows"). */
function rotationPeriods({ keys, clockError, nonceTtl, clientKeyLife }: ConfigSettings): Fault[] {
  const lives = [
    ['nonce', 'nonceTtl', nonceTtl],
    ['client-root', 'clientKeyLife', clientKeyLife],
  ] as const;
  return lives.flatMap(([purpose, setting, life]) => {
    const windows = keyWindows({
      replicationMs: keys.replicationLag.toMilliseconds(),
      verifierAgeMs: keys.verifierMaxAge.toMilliseconds(),
      signerAgeMs: keys.signerMaxAge.toMilliseconds(),
      finishMs: keys.rotationTime.toMilliseconds(),
      clockErrorMs: clockError.toMilliseconds(),
      maxLifeMs: life.toMilliseconds(),
    });
    const period = keys.rotationPeriod[purpose];
    if (period.toMilliseconds() > windows.minRotationMs) return [];
    const enough = Math.floor(windows.minRotationMs / DAY_MS) + 1;
    const message =
      `${text(period.toMilliseconds())} is not longer than the key's windows, ${text(windows.minRotationMs)}: ` +
      `${text(windows.publishToSignMs)} from publishing to signing (rotationTime + replicationLag + verifierMaxAge + 2 × clockError) ` +
      `and ${text(windows.signToRemoveMs)} from then until the old key goes (replicationLag + signerMaxAge + ${setting} + clockError); for example "P${enough}D"`;
    return [{ path: ['keys', 'rotationPeriod', purpose], message, example: false }];
  });
}

const DAY_MS = 24 * 3600 * 1000;
const text = (ms: number): string => Duration.millis(ms).toHumanString();

/** Settings that have their final form, and whose parts do not exist yet: better refused than without effect. */
function notYet(settings: ConfigSettings): Fault[] {
  const fault = (path: string[], isSet: boolean, message: string): Fault[] =>
    isSet ? [{ path, message, example: false }] : [];
  return [
    ...fault(['stage', 'kind'], settings.stage.kind === 'prod', "is not supported yet: write kind: 'dev'"),
    ...fault(
      ['regions'],
      settings.regions.length > 1,
      "more than one is not supported yet: name one, e.g. [{ name: 'eu-west-1' }]",
    ),
    ...fault(
      ['domain'],
      settings.domain !== undefined,
      'is not supported yet: leave it out; the Region then has its execute-api URL',
    ),
    ...fault(
      ['consistency'],
      settings.consistency !== undefined,
      'has no meaning with one Region: leave it out',
    ),
    ...fault(
      ['vault'],
      settings.vault !== undefined,
      'is not supported yet: leave it out and make the keys with `countersign keys init --dev`',
    ),
  ];
}
