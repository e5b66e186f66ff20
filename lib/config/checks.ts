/** The rules between settings. Each setting by itself is already valid here. */
import { Duration } from 'aws-cdk-lib';
import { WATCH_REGION } from '../../lambda/contract/forms.ts';
import { KEYSETS, PURPOSES } from '../../lambda/contract/purposes.ts';
import { keyWindows } from '../../protocol/key-windows.ts';
import { checkConsistency } from './consistency.ts';
import { checkEnrolment } from './enrolment.ts';
import type { ConfigFault } from './fault.ts';
import { keyLags } from './key-lags.ts';
import { checkOAuth } from './oauth.ts';
import type { ConfigSettings } from './schema.ts';
import { checkTables } from './tables.ts';

export function checkTogether(settings: ConfigSettings): ConfigFault[] {
  return [
    ...regionNames(settings),
    ...stageKind(settings),
    ...checkConsistency(settings),
    ...checkTables(settings),
    ...domainNames(settings),
    ...importedResources(settings),
    ...keysManagedBy(settings),
    ...rotationPeriods(settings),
    ...vaultNetworks(settings),
    ...vaultSts(settings),
    ...checkOAuth(settings),
    ...checkEnrolment(settings.enrolment, {
      oauth: settings.oauth !== undefined,
      ownUrls: ownUrls(settings),
      clientKeyLife: settings.clientKeyLife,
    }),
    ...perIpRate(settings),
    ...notYet(settings),
  ];
}

function regionNames({ regions, homeRegion }: ConfigSettings): ConfigFault[] {
  const names = regions.map(({ name }) => name);
  const faults = names.flatMap((name, i) =>
    names.indexOf(name) < i ? [{ path: ['regions', i, 'name'], message: 'is named twice' }] : [],
  );
  if (homeRegion === undefined || names.includes(homeRegion)) return faults;
  return [...faults, { path: ['homeRegion'], message: `must be one of the Regions: ${names.join(', ')}` }];
}

/**
 * A stage of kind dev is cheap and leaves nothing behind: it may not have parts that cost money or outlive
 * it.
 */
function stageKind({ stage, regions, domain }: ConfigSettings): ConfigFault[] {
  if (stage.kind === 'prod') return [];
  const only = (path: (string | number)[], what: string): ConfigFault => ({
    path,
    message: `${what} needs stage.kind: "prod"; a stage of kind dev is one Region without a domain or a key of its own`,
    example: false,
  });
  return [
    ...(regions.length > 1 ? [only(['regions'], 'more than one')] : []),
    ...(domain ? [only(['domain'], 'a domain')] : []),
    ...regions.flatMap((region, i) =>
      KEY_ARNS.flatMap((name) => (region[name] ? [only(['regions', i, name], 'a customer key')] : [])),
    ),
  ];
}

function domainNames({ domain, regions }: ConfigSettings): ConfigFault[] {
  if (!domain) {
    const unknown = (i: number): ConfigFault => ({
      path: ['regions', i, 'baseUrl'],
      message:
        'is missing: without a domain, Regions cannot know of each other where they are reached; ' +
        'set domain, or the base URL of every Region',
    });
    return regions.length < 2 ? [] : regions.flatMap(({ baseUrl }, i) => (baseUrl ? [] : [unknown(i)]));
  }
  const { entry, hostedZone } = domain;
  const outside = hostedZone && entry !== hostedZone.name && !entry.endsWith(`.${hostedZone.name}`);
  return [
    ...(outside
      ? [
          {
            path: ['domain', 'entry'],
            message: `must lie in the hosted zone: ${hostedZone.name}, or a name that ends in .${hostedZone.name}`,
          },
        ]
      : []),
    ...regions.flatMap(({ name, baseUrl, certificateArn }, i): ConfigFault[] => [
      ...(baseUrl
        ? [
            {
              path: ['regions', i, 'baseUrl'],
              message: `must be left out where there is a domain: the Region is reached at https://${name}.${entry}`,
              example: false as const,
            },
          ]
        : []),
      ...(hostedZone || certificateArn
        ? []
        : [
            {
              path: ['regions', i, 'certificateArn'],
              message: `is missing: without domain.hostedZone no certificate can be validated; bring one for ${entry} and ${name}.${entry}`,
            },
          ]),
    ]),
  ];
}

const KEY_ARNS = ['kmsKeyArn', 'previousKmsKeyArn'] as const;

/** A service takes keys, certificates and topics of its own Region only. */
function importedResources({ regions, watchAlarmTopicArn }: ConfigSettings): ConfigFault[] {
  const elsewhere = (path: (string | number)[], arn: string | undefined, region: string): ConfigFault[] => {
    const found = arn?.split(':')[3];
    if (found === undefined || found === region) return [];
    return [{ path, message: `must lie in ${region}, got one in ${found}`, example: false }];
  };
  return [
    ...regions.flatMap((region, i) =>
      ([...KEY_ARNS, 'certificateArn', 'alarmTopicArn'] as const).flatMap((name) =>
        elsewhere(['regions', i, name], region[name], region.name),
      ),
    ),
    ...elsewhere(['watchAlarmTopicArn'], watchAlarmTopicArn, WATCH_REGION),
  ];
}

function keysManagedBy({ stage, keys: { managedBy }, regions }: ConfigSettings): ConfigFault[] {
  const names = regions.map(({ name }) => name);
  const fault = (message: string): ConfigFault[] => [
    { path: ['keys', 'managedBy'], message, example: false },
  ];
  if (managedBy === undefined) return [];
  if (stage.kind === 'dev')
    return fault('has no meaning with stage.kind: "dev", which has one Region: leave it out');
  return names.includes(managedBy) ? [] : fault(`must be one of the Regions: ${names.join(', ')}`);
}

/** A key must be gone before the next but one comes (docs/key-life-cycle.md, "The windows"). */
function rotationPeriods(settings: ConfigSettings): ConfigFault[] {
  return PURPOSES.flatMap((purpose) => {
    const { life } = KEYSETS[purpose];
    const setting = typeof life === 'number' ? text(life) : life;
    const windows = keyWindows(keyLags(settings, purpose));
    const period = settings.keys.rotationPeriod[purpose];
    if (period.toMilliseconds() > windows.minRotationMs) return [];
    const enough = Math.floor(windows.minRotationMs / DAY_MS) + 1;
    const message =
      `${text(period.toMilliseconds())} is not longer than the key's windows, ${text(windows.minRotationMs)}: ` +
      `${text(windows.publishToSignMs)} from publishing to signing (rotationTime + replicationLag + keysetMaxAge + 2 × clockError) ` +
      `and ${text(windows.signToRemoveMs)} from then until the old key goes (replicationLag + keysetMaxAge + ${setting} + clockError); for example "P${enough}D"`;
    return [{ path: ['keys', 'rotationPeriod', purpose], message, example: false }];
  });
}

/** A VPC lies in one Region. */
function vaultNetworks({ regions, homeRegion, vault }: ConfigSettings): ConfigFault[] {
  if (vault.network === 'public') return [];
  return regions.flatMap(({ name, vaultNetwork }, i): ConfigFault[] =>
    vaultNetwork || name === (homeRegion ?? regions[0]!.name)
      ? []
      : [
          {
            path: ['regions', i, 'vaultNetwork'],
            message: 'is missing: the VPC of vault.network lies in the home Region',
          },
        ],
  );
}

/** Other logins ask no STS endpoint of Vault's. */
function vaultSts({ vault: { auth, stsRegion } }: ConfigSettings): ConfigFault[] {
  if (stsRegion === undefined || auth === 'aws') return [];
  return [
    { path: ['vault', 'stsRegion'], message: `needs vault.auth: "aws", and not "${auth}"`, example: false },
  ];
}

/** Where the platform is reached, and what it is called. */
const ownUrls = ({ issuer, domain, regions }: ConfigSettings): string[] => [
  ...(issuer === undefined ? [] : [issuer]),
  ...(domain ? [domain.entry, ...regions.map(({ name }) => `${name}.${domain.entry}`)] : []).map(
    (host) => `https://${host}`,
  ),
  ...regions.flatMap(({ baseUrl }) => (baseUrl === undefined ? [] : [baseUrl])),
];

const DAY_MS = 24 * 3600 * 1000;
const text = (ms: number): string => Duration.millis(ms).toHumanString();

/** Several clients may share an address, and none may be refused at the door below its own quota. */
function perIpRate({ stage, waf, quota }: ConfigSettings): ConfigFault[] {
  const needed = 5 * quota.signaturesPerMinute;
  if (stage.kind === 'dev' || waf.requestsPerIp >= needed) return [];
  const message = `${waf.requestsPerIp} in 5 minutes is less than one client may sign in that time: 5 × quota.signaturesPerMinute = ${needed}`;
  return [{ path: ['waf', 'requestsPerIp'], message, example: false }];
}

/** Better refused than half right: names and endpoints there differ. */
function notYet({ stage, regions }: ConfigSettings): ConfigFault[] {
  const other = regions.findIndex(({ name }) => /^(cn|us-gov|us-iso)/.test(name));
  if (stage.kind !== 'prod' || other < 0) return [];
  const message = 'lies outside the aws partition, which is not supported yet for stage.kind: "prod"';
  return [{ path: ['regions', other, 'name'], message }];
}
