import { expect, it } from 'vitest';
import {
  bundleOf,
  FUNCTIONS,
  functionName,
  functionsOf,
  type ServingBundle,
  secretName,
  TABLES,
  type TableKind,
  tableName,
} from '../../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../../lambda/contract/purposes.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { PERMISSIONS } from '../../../lib/functions/rights.ts';
import { PROD } from '../synth.ts';
import {
  ACCOUNT,
  decrypt,
  HERE,
  ITEM_ACTIONS,
  ITEMS,
  item,
  may as mayFunction,
  THERE,
  type Try,
} from './may.ts';

const KEY = `arn:aws:kms:${HERE}:${ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const imported: ConfigInput = { ...PROD, regions: [{ name: HERE, kmsKeyArn: KEY }, { name: THERE }] };

/** The functions of a stage, and those that a stage with OAuth has besides or has in another form. */
const SUBJECTS: readonly ServingBundle[] = [
  ...new Set([...FUNCTIONS, ...functionsOf(true).map((name) => bundleOf(name, true))]),
];

const may = (subject: ServingBundle, asked: Try, config = PROD) => {
  const name = functionsOf(true).find((each) => bundleOf(each, true) === subject)!;
  const isBase = FUNCTIONS.some((each) => each === subject);
  return mayFunction(
    functionName('live', isBase ? (subject as (typeof FUNCTIONS)[number]) : name),
    asked,
    isBase ? config : { ...config, oauth: {} },
  );
};

const table = (kind: TableKind, region = HERE, generation = 1) =>
  `arn:aws:dynamodb:${region}:${ACCOUNT}:table/${tableName('live', kind, generation)}`;
const secret = (purpose: Purpose, region = HERE, stage = 'live') =>
  `arn:aws:secretsmanager:${region}:${ACCOUNT}:secret:${secretName(stage, purpose)}-aB3dE6`;

/**
 * The permissions that each function needs, listed independently of the table that the roles are made from.
 */
const ONE_KEY: Try = { action: 'dynamodb:GetItem', resource: table('clients') };
const NEEDS: Record<ServingBundle, Try[]> = {
  nonce: [
    { action: 'dynamodb:GetItem', resource: table('limits'), context: leading('revoked#nonce') },
    read('nonce'),
  ],
  register: withProof(),
  registration: withProof(),
  events: withEvents(),
  keys: [
    ...withProof().filter(
      ({ action, resource }) => !(action === 'dynamodb:GetItem' && resource === table('registry')),
    ),
    { action: 'dynamodb:PutItem', resource: table('clients') },
  ],
  discovery: [],
  jwks: [item('GetItem', ['revoked#token']), item('GetItem', ['revoked#webhook']), read('webhook')],
  'register-oauth': withToken(),
  'registration-oauth': withToken(),
  'events-oauth': [...withEvents(), ONE_KEY],
  'oauth-register': [
    ...withProof().filter(
      ({ action, resource }) =>
        action !== 'dynamodb:UpdateItem' &&
        !(action === 'dynamodb:GetItem' && resource === table('registry')),
    ),
    { action: 'dynamodb:DeleteItem', resource: table('clients') },
    { action: 'dynamodb:PutItem', resource: table('clients') },
    { action: 'dynamodb:UpdateItem', resource: table('clients') },
  ],
  'oauth-token': [
    ONE_KEY,
    { action: 'dynamodb:PutItem', resource: table('ledger') },
    { action: 'dynamodb:Query', resource: table('clients') },
    item('GetItem', ['revoked#nonce']),
    item('GetItem', ['revoked#token']),
    item('UpdateItem', ['quota#acme#29000000']),
    read('nonce'),
    read('token'),
  ],
  'oauth-revocation': [
    { action: 'dynamodb:PutItem', resource: table('ledger') },
    { action: 'dynamodb:GetItem', resource: table('clients') },
    { action: 'dynamodb:Query', resource: table('clients') },
    item('GetItem', ['revoked#nonce']),
    item('GetItem', ['revoked#token']),
    item('GetItem', ['deny#jti']),
    item('UpdateItem', ['quota#acme#29000000']),
    item('PutItem', ['deny#jti']),
    read('nonce'),
  ],
  'oauth-metadata': [],
  health: [
    item('GetItem', ['revoked#nonce']),
    item('GetItem', ['revoked#client-root']),
    item('GetItem', [`evacuated#${HERE}`]),
    item('GetItem', ['stop#writes']),
    item('GetItem', ['health']),
    item('UpdateItem', ['health']),
    { action: 'dynamodb:PutItem', resource: table('ledger') },
    { action: 'dynamodb:PutItem', resource: table('registry') },
    read('nonce'),
    read('client-root'),
  ],
  'admin-read': [
    { action: 'dynamodb:GetItem', resource: table('clients') },
    { action: 'dynamodb:GetItem', resource: table('events') },
    { action: 'dynamodb:Query', resource: table('clients') },
    { action: 'dynamodb:Scan', resource: table('clients') },
    item('GetItem', ['revoked#client-root']),
    item('GetItem', ['public#webhook-root']),
    item('GetItem', [`evacuated#${HERE}`]),
    item('GetItem', ['stop#writes']),
    { action: 'dynamodb:GetItem', resource: table('registry') },
  ],
  'admin-write': [
    { action: 'dynamodb:GetItem', resource: table('clients') },
    { action: 'dynamodb:GetItem', resource: table('events') },
    { action: 'dynamodb:Query', resource: table('events') },
    item('GetItem', ['revoked#webhook']),
    item('GetItem', ['revoked#webhook-root']),
    item('GetItem', ['public#webhook']),
    item('GetItem', ['public#webhook-root']),
    read('webhook-root'),
    { action: 'dynamodb:PutItem', resource: table('clients') },
    { action: 'dynamodb:DeleteItem', resource: table('clients') },
    { action: 'dynamodb:Query', resource: table('clients') },
    { action: 'dynamodb:UpdateItem', resource: table('clients') },
    { action: 'dynamodb:Scan', resource: table('clients') },
    { action: 'dynamodb:Scan', resource: table('registry') },
    { action: 'dynamodb:GetItem', resource: table('events') },
    { action: 'dynamodb:PutItem', resource: table('events') },
    { action: 'dynamodb:UpdateItem', resource: table('events') },
    { action: 'dynamodb:PutItem', resource: table('ledger') },
    item('GetItem', ['revoked#client-root']),
    item('GetItem', [`evacuated#${HERE}`]),
    item('UpdateItem', [`evacuated#${HERE}`]),
    item('GetItem', ['stop#writes']),
    item('PutItem', ['stop#writes']),
    item('PutItem', ['deny#jti']),
    item('DeleteItem', ['stop#writes']),
    { action: 'dynamodb:DeleteItem', resource: table('registry') },
    { action: 'dynamodb:GetItem', resource: table('registry') },
    { action: 'dynamodb:PutItem', resource: table('registry') },
    read('client-root'),
  ],
};

function read(purpose: Purpose): Try {
  return { action: 'secretsmanager:GetSecretValue', resource: secret(purpose) };
}

function leading(...keys: string[]): Record<string, string[]> {
  return { 'dynamodb:LeadingKeys': keys };
}

function withToken(): Try[] {
  return [...withProof(), item('GetItem', ['revoked#token']), item('GetItem', ['deny#jti']), ONE_KEY];
}

function withEvents(): Try[] {
  return [
    { action: 'dynamodb:Query', resource: table('clients') },
    { action: 'dynamodb:GetItem', resource: table('events') },
    { action: 'dynamodb:PutItem', resource: table('events') },
    { action: 'dynamodb:Query', resource: table('events') },
    item('GetItem', ['revoked#nonce']),
    item('GetItem', ['revoked#client-root']),
    read('nonce'),
    read('client-root'),
  ];
}

function withProof(): Try[] {
  return [
    { action: 'dynamodb:PutItem', resource: table('ledger') },
    item('GetItem', ['revoked#nonce']),
    item('GetItem', ['revoked#client-root']),
    item('GetItem', [`evacuated#${HERE}`]),
    item('GetItem', ['stop#writes']),
    item('UpdateItem', ['quota#acme#29000000']),
    { action: 'dynamodb:GetItem', resource: table('registry') },
    { action: 'dynamodb:PutItem', resource: table('registry') },
    { action: 'dynamodb:Query', resource: table('clients') },
    read('nonce'),
    read('client-root'),
  ];
}

it.each(SUBJECTS)('%s has every permission that it needs', async (name) => {
  for (const each of NEEDS[name]) expect([each, await may(name, each)]).toEqual([each, true]);
});

it.each(SUBJECTS)(
  "%s may decrypt with its Region's key if it reads secrets or shared tables",
  async (name) => {
    const secrets = NEEDS[name].some(({ action }) => action.startsWith('secretsmanager:'));
    const shared = NEEDS[name].some(({ resource }) => /registry|clients/.test(resource));
    for (const [config, key] of [
      [PROD, undefined],
      [imported, KEY],
    ] as const) {
      const options = key ? { key, alias: 'alias/theirs' } : {};
      expect(await may(name, decrypt('secretsmanager', options), config)).toBe(secrets);
      expect(await may(name, decrypt('dynamodb', options), config)).toBe(shared);
    }
  },
);

it.each(SUBJECTS)('while a key changes, %s may use both the previous and the new one', async (name) => {
  const [before, after] = [KEY, KEY.replace('1234abcd', '0987dcba')];
  const secrets = NEEDS[name].some(({ action }) => action.startsWith('secretsmanager:'));
  const changes = (keys: object): ConfigInput => ({
    ...PROD,
    regions: [{ name: HERE, previousKmsKeyArn: before, ...keys }, { name: THERE }],
  });
  const uses = (used: object, config: ConfigInput) => may(name, decrypt('secretsmanager', used), config);
  const toImported = changes({ kmsKeyArn: after });
  for (const key of [before, after])
    expect(await uses({ key, alias: 'alias/theirs' }, toImported)).toBe(secrets);
  expect(await uses({}, toImported)).toBe(false);
  // In addition to the key that the stage creates.
  expect(await uses({ key: before, alias: 'alias/theirs' }, changes({}))).toBe(secrets);
  expect(await uses({}, changes({}))).toBe(secrets);
  expect(await uses({ alias: 'alias/theirs' }, changes({}))).toBe(false);
});

it.each(SUBJECTS)('%s uses that key through those services only, and no other key', async (name) => {
  const never: [Try, ConfigInput][] = [
    [decrypt('s3'), PROD],
    [decrypt('secretsmanager', { alias: 'alias/countersign-test' }), PROD],
    [decrypt('secretsmanager', { region: THERE }), PROD],
    [decrypt('dynamodb', { region: THERE }), PROD],
    [decrypt('secretsmanager'), imported],
    ...['Encrypt', 'GenerateDataKey', 'CreateGrant', 'ScheduleKeyDeletion', 'DisableKey'].map(
      (action): [Try, ConfigInput] => [{ ...decrypt('secretsmanager'), action: `kms:${action}` }, PROD],
    ),
  ];
  for (const [each, config] of never) expect([each, await may(name, each, config)]).toEqual([each, false]);
});

it.each(SUBJECTS)(
  "%s has no other permission on a table, and none on another Region's, stage's or generation's",
  async (name) => {
    const actions = [
      ...ITEM_ACTIONS,
      'DeleteTable',
      'UpdateTable',
      'UpdateTimeToLive',
      'RestoreTableToPointInTime',
      'ExportTableToPointInTime',
    ].map((action) => `dynamodb:${action}`);
    const kinds = Object.keys(TABLES) as TableKind[];
    // On `limits`, no function needs an action that names no item.
    const needed = new Set(
      NEEDS[name].flatMap(({ action, resource, context }) => (context ? [] : [`${action} ${resource}`])),
    );
    for (const kind of kinds)
      for (const action of actions) {
        const resource = table(kind);
        expect([action, resource, await may(name, { action, resource })]).toEqual([
          action,
          resource,
          needed.has(`${action} ${resource}`),
        ]);
      }
    for (const kind of kinds)
      for (const action of ['dynamodb:PutItem', 'dynamodb:GetItem', 'dynamodb:Query'])
        for (const resource of [
          table(kind, THERE),
          table(kind, HERE, 2),
          table(kind).replace('-live-', '-test-'),
        ])
          expect([resource, await may(name, { action, resource })]).toEqual([resource, false]);
  },
);

it.each(SUBJECTS)(
  '%s may name only its own items of `limits`: no quota function can undo a revocation',
  async (name) => {
    const own = NEEDS[name].flatMap(({ action, context = {} }) =>
      [context['dynamodb:LeadingKeys'] ?? []].flat().map((key) => [action, key] as const),
    );
    const isOwn = (action: string, key: string) =>
      own.some(([a, k]) => a === `dynamodb:${action}` && k === key);
    for (const action of ITEM_ACTIONS)
      for (const key of ITEMS) {
        const expected = isOwn(action, key);
        expect([action, key, await may(name, item(action, [key]))]).toEqual([action, key, expected]);
        // A permitted item does not let another item through in the same call.
        const both = ITEMS.find((other) => !isOwn(action, other))!;
        expect([action, key, await may(name, item(action, [key, both]))]).toEqual([action, key, false]);
        // A token is revoked in every Region at once.
        const everywhere = name === 'oauth-revocation' && action === 'PutItem' && key === 'deny#jti';
        expect(await may(name, item(action, [key], THERE))).toBe(everywhere);
      }
  },
);

it.each(SUBJECTS)('%s reads the keys of its own purposes, and writes none', async (name) => {
  const own = PERMISSIONS[name].secrets ?? [];
  for (const purpose of PURPOSES) {
    const action = 'secretsmanager:GetSecretValue';
    expect([purpose, await may(name, { action, resource: secret(purpose) })]).toEqual([
      purpose,
      own.includes(purpose),
    ]);
    for (const resource of [
      secret(purpose, THERE),
      secret(purpose, HERE, 'test'),
      `${secret(purpose)}-other`,
    ])
      expect([resource, await may(name, { action, resource })]).toEqual([resource, false]);
    for (const verb of [
      'PutSecretValue',
      'UpdateSecret',
      'DeleteSecret',
      'RotateSecret',
      'PutResourcePolicy',
    ]) {
      const resource = secret(purpose);
      expect([verb, await may(name, { action: `secretsmanager:${verb}`, resource })]).toEqual([verb, false]);
    }
  }
});

it.each(SUBJECTS)(
  '%s may neither call functions, nor assume roles, nor evacuate or restore a Region',
  async (name) => {
    const never: Try[] = [
      {
        action: 'lambda:InvokeFunction',
        resource: `arn:aws:lambda:${HERE}:${ACCOUNT}:function:countersign-live-admin-write`,
      },
      { action: 'sts:AssumeRole', resource: `arn:aws:iam::${ACCOUNT}:role/any` },
      { action: 'iam:PassRole', resource: `arn:aws:iam::${ACCOUNT}:role/any` },
      { action: 'cloudwatch:PutMetricData', resource: '*' },
      { action: 'cloudwatch:SetAlarmState', resource: `arn:aws:cloudwatch:${HERE}:${ACCOUNT}:alarm:any` },
      { action: 'logs:DeleteLogGroup', resource: `arn:aws:logs:${HERE}:${ACCOUNT}:log-group:any` },
    ];
    for (const each of never) expect([each, await may(name, each)]).toEqual([each, false]);
  },
);
