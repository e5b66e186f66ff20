import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { CliError, EXIT, type Io } from '../../cli/io.ts';
import type {
  Account,
  Bootstrap,
  Certificate,
  Found,
  HostedZone,
  Key,
  Kind,
  Network,
  Topic,
  Trail,
} from '../../cli/preflight/account.ts';
import { awsAccount } from '../../cli/preflight/aws-account.ts';
import type { Finding } from '../../cli/preflight/checks.ts';
import { preflightCommand } from '../../cli/preflight/command.ts';
import { orUnknown } from '../../cli/preflight/outcome.ts';
import type { DeployPlan, PlannedRegion } from '../../lambda/contract/deploy-plan.ts';
import { secretName } from '../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';

const REGIONS = ['eu-west-1', 'eu-central-1'];
const DAY_MS = 24 * 3600 * 1000;
const CERTIFICATE = 'arn:aws:acm:eu-west-1:123456789012:certificate/c0ffee';
const KEY = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:alarms';
const WATCH_TOPIC = 'arn:aws:sns:us-east-1:123456789012:alarms';
const NETWORK = { vpcId: 'vpc-1', subnetIds: ['subnet-1', 'subnet-2'], securityGroupIds: ['sg-1'] };
/** The policy that Amazon SNS gives a new topic. */
const DEFAULT_POLICY = JSON.stringify({
  Statement: [
    {
      Effect: 'Allow',
      Principal: { AWS: '*' },
      Action: ['SNS:GetTopicAttributes', 'SNS:Publish'],
      Resource: TOPIC,
      Condition: { StringEquals: { 'AWS:SourceOwner': '123456789012' } },
    },
  ],
});

/** Two Regions that share one entry. */
const PLAN: DeployPlan = {
  stage: 'prod',
  kind: 'prod',
  homeRegion: 'eu-west-1',
  stackRegions: [...REGIONS, 'us-east-1'],
  consistency: 'eventual',
  tableGeneration: 1,
  stacks: [],
  regions: REGIONS.map((name) => ({ name, ledgerGeneration: 1 })),
  domain: { entry: 'api.example.com', hostedZone: { id: 'Z0123456789', name: 'example.com' } },
  apiGatewayRole: 'create',
  concurrencyQuota: 1000,
  alarms: {},
};
/** The settings that a stage of kind dev expects. */
const DEV: DeployPlan = {
  stage: 'dev',
  kind: 'dev',
  homeRegion: 'eu-west-1',
  stackRegions: ['eu-west-1'],
  concurrencyQuota: 1000,
  alarms: {},
  consistency: 'eventual',
  tableGeneration: 1,
  stacks: [],
  regions: [{ name: 'eu-west-1', ledgerGeneration: 1 }],
};

/** The same, with more in the home Region. */
const planWith = (home: Partial<PlannedRegion>): DeployPlan => {
  const [first, ...others] = PLAN.regions;
  return { ...PLAN, regions: [{ ...first!, ...home }, ...others] };
};

interface RegionState {
  concurrency: number;
  bootstraps: Bootstrap[];
  /** Resources by kind and name. */
  existing: Record<string, Found>;
  /** Stacks by the id of a resource that they hold. */
  owners: Record<string, string>;
  certificates: Record<string, Certificate>;
  keys: Record<string, Key>;
  topics: Record<string, Topic>;
  network: Network;
  apiGatewayRole?: string;
}

interface State {
  trails: Trail[];
  zone: HostedZone | undefined;
  delegation: string[];
  regions: Record<string, RegionState>;
}

/** An account in which nothing is wrong. */
function healthy(...more: readonly string[]): State & { zone: HostedZone } {
  const region = (): RegionState => ({
    concurrency: 1000,
    bootstraps: [{ stack: 'CDKToolkit', qualifier: 'hnb659fds', version: 28 }],
    existing: {},
    owners: {},
    certificates: {},
    keys: {},
    topics: {},
    network: { vpcs: [], subnets: new Map(), securityGroups: new Map() },
  });
  return {
    trails: [{ name: 'all', multiRegion: true, logging: true }],
    zone: { name: 'example.com', isPrivate: false, nameServers: ['ns-1.example.net', 'ns-2.example.net'] },
    delegation: ['ns-1.example.net', 'ns-2.example.net'],
    regions: Object.fromEntries([...REGIONS, 'us-east-1', ...more].map((name) => [name, region()])),
  };
}

function accountOf(state: State): Account {
  return {
    identity: async () => ({ account: '123456789012', arn: 'arn:aws:sts::123456789012:assumed-role/ops/me' }),
    trails: async () => state.trails,
    hostedZone: async () => state.zone,
    delegation: async () => state.delegation,
    region: (name) => {
      const at = state.regions[name]!;
      return {
        name,
        concurrency: async () => at.concurrency,
        bootstraps: async () => at.bootstraps,
        find: async (kind: Kind, id: string) => at.existing[`${kind} ${id}`],
        owner: async (id) => at.owners[id],
        certificate: async (arn) => at.certificates[arn],
        key: async (arn) => at.keys[arn],
        topic: async (arn) => at.topics[arn],
        network: async () => at.network,
        apiGatewayRole: async () => at.apiGatewayRole,
      };
    },
  };
}

async function preflight(account: Account, plans: readonly DeployPlan[] = [PLAN], args: string[] = []) {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const io: Io = { stdin: Readable.from([]), ...streams, env: {}, cwd: '/', onInterrupt: () => () => {} };
  let code: number = EXIT.done;
  const command = preflightCommand(io, (exit) => (code = exit), {
    plans: async () => [...plans],
    account: async () => account,
  });
  await new Command().addCommand(command).parseAsync(['preflight', ...args], { from: 'user' });
  return { code, stdout: String(streams.stdout.read() ?? '') };
}

/** The findings after a change to a healthy account, and the exit code. */
async function faultsOf(change: (state: State) => void, plan = PLAN) {
  const state = healthy();
  change(state);
  return faultsIn(accountOf(state), plan);
}

async function faultsIn(account: Account, plan: DeployPlan) {
  const { code, stdout } = await preflight(account, [plan], ['--json']);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  const wrong = findings.filter(({ verdict }) => verdict !== 'ok');
  return { code, wrong };
}

it('a healthy account has no findings, and the output lists the checks of each Region', async () => {
  const { code, stdout } = await preflight(accountOf(healthy()));
  expect(code).toBe(0);
  expect(stdout).toBe(`Stage prod, account 123456789012, as arn:aws:sts::123456789012:assumed-role/ops/me

ok       audit trail: all records every Region
ok       bootstrap: eu-west-1 has version 28, eu-central-1 has version 28, us-east-1 has version 28
ok       hosted zone: example.com is delegated to Z0123456789
ok       eu-west-1  concurrency: 1000 concurrent executions, for all functions of the account together
ok       eu-west-1  API Gateway role: no role is set; the stacks create one
ok       eu-west-1  names: every name is free
ok       eu-central-1  concurrency: 1000 concurrent executions, for all functions of the account together
ok       eu-central-1  API Gateway role: no role is set; the stacks create one
ok       eu-central-1  names: every name is free

9 ok, 0 to look at, 0 to fix first
`);
});

it('an account without bootstrap is one finding, with one command for all Regions that have stacks', async () => {
  const { code, wrong } = await faultsOf(({ regions }) => {
    for (const region of Object.values(regions)) region.bootstraps = [];
  });
  expect(code).toBe(EXIT.failed);
  expect(wrong).toEqual([
    {
      check: 'bootstrap',
      region: null,
      verdict: 'fail',
      detail:
        'eu-west-1 has none, eu-central-1 has none, us-east-1 has none; needed: version 6, qualifier hnb659fds',
      fix: 'npx cdk bootstrap aws://123456789012/eu-west-1 aws://123456789012/eu-central-1 aws://123456789012/us-east-1',
    },
  ]);
});

it('the Region of the watch stack needs bootstrap, too; a Region without a stack does not', async () => {
  const unprepared = ({ regions }: State) => {
    regions['us-east-1']!.bootstraps = [];
  };
  const { wrong } = await faultsOf(unprepared);
  expect(wrong).toMatchObject([{ verdict: 'fail', fix: 'npx cdk bootstrap aws://123456789012/us-east-1' }]);
  expect((await faultsOf(unprepared, DEV)).wrong).toEqual([]);
});

it('a bootstrap with another qualifier or an old version does not count', async () => {
  const other = await faultsOf(() => {}, { ...DEV, qualifier: 'ours' });
  expect(other.wrong[0]!.fix).toBe('npx cdk bootstrap aws://123456789012/eu-west-1 --qualifier ours');
  const old = await faultsOf(({ regions }) => {
    regions['eu-west-1']!.bootstraps = [{ stack: 'CDKToolkit', qualifier: 'hnb659fds', version: 5 }];
  });
  expect(old.wrong).toMatchObject([
    { check: 'bootstrap', detail: 'eu-west-1 has version 5; needed: version 6, qualifier hnb659fds' },
  ]);
});

it("credentials for another account than the config's fail", async () => {
  const { code, wrong } = await faultsOf(() => {}, { ...PLAN, account: '999999999999' });
  expect(code).toBe(EXIT.failed);
  expect(wrong).toMatchObject([
    {
      check: 'account',
      detail: 'the config deploys to account 999999999999, but these credentials are of 123456789012',
    },
  ]);
});

it('a low quota of executions and a missing trail are warnings; the exit code stays 0', async () => {
  const { code, wrong } = await faultsOf(({ regions, trails }) => {
    regions['eu-west-1']!.concurrency = 10;
    trails[0] = { name: 'one', multiRegion: false, logging: true };
  });
  expect(code).toBe(0);
  expect(wrong).toMatchObject([
    { check: 'audit trail', region: null, verdict: 'warn' },
    { check: 'concurrency', region: 'eu-west-1', verdict: 'warn' },
    { check: 'concurrency', region: 'eu-west-1', verdict: 'warn' },
  ]);
  expect(wrong[1]!.fix).toContain('--quota-code L-B99A9384 --desired-value 1000 --region eu-west-1');
});

it('the config may not promise more concurrent executions than the account has in each Region', async () => {
  const low = ({ regions }: State) => {
    regions['eu-central-1']!.concurrency = 500;
  };
  const { code, wrong } = await faultsOf(low);
  expect([code, wrong]).toEqual([
    0,
    [
      {
        check: 'concurrency',
        region: 'eu-central-1',
        verdict: 'warn',
        detail:
          'concurrencyQuota is 1000, and the limit here 500: the alarm at 80 % of 1000 fires late or never',
        fix: expect.stringMatching(
          /^set concurrencyQuota to 500 in the config, or aws service-quotas .* --desired-value 1000 --region eu-central-1$/,
        ),
      },
    ],
  ]);
  expect((await faultsOf(low, { ...PLAN, concurrencyQuota: 500 })).wrong).toEqual([]);
  const { stdout } = await preflight(accountOf(healthy()), [{ ...PLAN, concurrencyQuota: 999 }]);
  expect(stdout).toContain('together; concurrencyQuota is 999, so its alarm fires before 80 % of them\n');
});

it('a trail that has stopped is a warning', async () => {
  const { wrong } = await faultsOf(({ trails }) => {
    trails[0] = { name: 'all', multiRegion: true, logging: false };
  });
  expect(wrong).toMatchObject([{ check: 'audit trail', verdict: 'warn' }]);
});

it('a zone that the public DNS delegates elsewhere fails, with the name servers to set', async () => {
  const { code, wrong } = await faultsOf((state) => {
    state.delegation = ['ns.registrar.example'];
  });
  expect(code).toBe(EXIT.failed);
  expect(wrong).toMatchObject([
    {
      check: 'hosted zone',
      detail: 'example.com is delegated to ns.registrar.example',
      fix: 'at the registrar, or in the parent zone, set NS to ns-1.example.net, ns-2.example.net',
    },
  ]);
});

it("a zone that is missing, private, or of another name than the config's fails", async () => {
  const zones: [HostedZone | undefined, string][] = [
    [undefined, 'there is no zone Z0123456789 in this account'],
    [{ ...healthy().zone, isPrivate: true }, 'Z0123456789 is a private zone'],
    [
      { ...healthy().zone, name: 'example.org' },
      'Z0123456789 is the zone of example.org, not of example.com',
    ],
  ];
  for (const [zone, detail] of zones) {
    const { code, wrong } = await faultsIn(accountOf({ ...healthy(), zone }), PLAN);
    expect({ code, wrong }).toMatchObject({
      code: 1,
      wrong: [{ check: 'hosted zone', verdict: 'fail', detail }],
    });
  }
});

it("a certificate must exist, be issued, be valid long enough, and cover the entry and its Region's own host", async () => {
  const found = async (certificate?: Certificate) => {
    const { wrong } = await faultsOf(
      ({ regions }) => {
        if (certificate) regions['eu-west-1']!.certificates[CERTIFICATE] = certificate;
      },
      planWith({ certificateArn: CERTIFICATE }),
    );
    return wrong.map(({ verdict, detail }) => `${verdict} ${detail.replace(CERTIFICATE, 'it')}`);
  };
  const names = ['api.example.com', '*.api.example.com'];
  const notAfterMs = Date.now() + 300 * DAY_MS;
  expect(await found({ status: 'ISSUED', names, notAfterMs })).toEqual([]);
  expect(await found()).toEqual(['fail there is no certificate it']);
  expect(await found({ status: 'PENDING_VALIDATION', names })).toEqual(['fail it is PENDING_VALIDATION']);
  expect(await found({ status: 'ISSUED', names: ['*.example.com'], notAfterMs })).toEqual([
    'fail it does not cover eu-west-1.api.example.com',
  ]);
  const soon = Date.now() + 3 * DAY_MS;
  const ends = new Date(soon).toISOString().slice(0, 10);
  expect(await found({ status: 'ISSUED', names, notAfterMs: soon })).toEqual([`warn it expires on ${ends}`]);
});

it('a customer key in the config must exist, be enabled, be symmetric, and not be one that AWS owns', async () => {
  const enabled: Key = { arn: KEY, state: 'Enabled', isSymmetric: true, isCustomers: true };
  const found = async (key?: Key) => {
    const { wrong } = await faultsOf(
      ({ regions }) => {
        if (key) regions['eu-west-1']!.keys[KEY] = key;
      },
      planWith({ kmsKeyArn: KEY }),
    );
    return wrong.map(({ check, verdict, detail }) => `${verdict} ${check}: ${detail.replace(KEY, 'it')}`);
  };
  expect(await found(enabled)).toEqual([]);
  expect(await found()).toEqual(['fail customer key: there is no key it']);
  expect(await found({ ...enabled, state: 'PendingDeletion' })).toEqual([
    'fail customer key: it is PendingDeletion',
  ]);
  expect(await found({ ...enabled, isSymmetric: false })).toEqual([
    'fail customer key: it is not a symmetric key, which tables and secrets need',
  ]);
  expect(await found({ ...enabled, isCustomers: false })).toEqual([
    "fail customer key: it is AWS's own key, whose policy nobody can change",
  ]);
});

it('a key that is named as the one that the stage made must be that one, if its alias still exists', async () => {
  const other = KEY.replace('1234abcd', '0987dcba');
  const found = async (
    aliased: string | undefined,
    more: Partial<PlannedRegion> = { namesMadeKey: true },
  ) => {
    const key = (arn: string): Key => ({ arn, state: 'Enabled', isSymmetric: true, isCustomers: true });
    const { code, wrong } = await faultsOf(
      ({ regions }) => {
        const { keys } = regions['eu-west-1']!;
        keys[KEY] = key(KEY);
        if (aliased !== undefined) keys['alias/countersign-prod'] = key(aliased);
      },
      planWith({ kmsKeyArn: KEY, ...more }),
    );
    return [code, ...wrong.map(({ verdict, check, detail }) => `${verdict} ${check}: ${detail}`)];
  };
  expect(await found(other)).toEqual([
    0,
    `warn customer key: ${KEY} is named as the key that the stage made, but alias/countersign-prod leads to ${other}`,
  ]);
  expect(await found(KEY)).toEqual([0]);
  expect(await found(undefined)).toEqual([0]);
  expect(await found(other, {})).toEqual([0]);
});

it('an alarm topic must exist, accept alarms, and be encrypted with a key that alarms may use', async () => {
  const found = async (topic?: Topic) => {
    const { wrong } = await faultsOf(
      ({ regions }) => {
        if (topic) regions['eu-west-1']!.topics[TOPIC] = topic;
      },
      planWith({ alarmTopicArn: TOPIC }),
    );
    return wrong.map(({ check, verdict, detail }) => `${verdict} ${check}: ${detail.replace(TOPIC, 'it')}`);
  };
  const policyFor = (statement: object) => JSON.stringify({ Statement: { Effect: 'Allow', ...statement } });
  const alarms = { Principal: { Service: ['cloudwatch.amazonaws.com'] }, Action: 'sns:Publish' };
  expect(await found({ policy: DEFAULT_POLICY })).toEqual([]);
  expect(await found({ policy: policyFor(alarms) })).toEqual([]);
  // A part that is not read here is not `ok`.
  const unread = 'warn alarm topic: it is encrypted with alias/own, whose policy is not read here';
  expect(await found({ policy: policyFor(alarms), key: 'alias/own' })).toEqual([unread]);
  const unsure =
    'warn alarm topic: the policy of it has a condition or a denial, which is not evaluated here';
  const other = { StringEquals: { 'AWS:SourceOwner': '210987654321' } };
  for (const policy of [
    policyFor({ ...alarms, Condition: other }),
    JSON.stringify({
      Statement: [
        { Effect: 'Allow', ...alarms },
        { Effect: 'Deny', Action: 'sns:Publish' },
      ],
    }),
  ]) {
    expect(await found({ policy })).toEqual([unsure]);
    expect(await found({ policy, key: 'alias/own' })).toEqual([unsure, unread]);
  }
  expect(await found()).toEqual(['fail alarm topic: there is no topic it']);
  const mute = ['fail alarm topic: the policy of it does not let alarms publish'];
  for (const policy of [
    policyFor({ ...alarms, Principal: { Service: 'events.amazonaws.com' } }),
    policyFor({ ...alarms, Principal: { AWS: 'arn:aws:iam::123456789012:root' } }),
    policyFor({ ...alarms, Action: 'sns:Subscribe' }),
    policyFor({ ...alarms, Effect: 'Deny' }),
  ])
    expect(await found({ policy })).toEqual(mute);
  for (const key of ['alias/aws/sns', 'arn:aws:kms:eu-west-1:123456789012:alias/aws/sns'])
    expect(await found({ policy: DEFAULT_POLICY, key })).toEqual([
      'fail alarm topic: it is encrypted with alias/aws/sns, a key that alarms may not use',
    ]);
});

it('the topic of the watch stack is looked up in us-east-1, although that Region does not serve', async () => {
  const { wrong } = await faultsOf(() => {}, { ...PLAN, watchAlarmTopicArn: WATCH_TOPIC });
  expect(wrong).toMatchObject([
    {
      check: 'alarm topic',
      region: 'us-east-1',
      verdict: 'fail',
      detail: `there is no topic ${WATCH_TOPIC}`,
    },
  ]);
});

it('the VPC, its subnets and its security groups must exist and belong together', async () => {
  const found = async (network: Partial<Network>) => {
    const { wrong } = await faultsOf(
      ({ regions }) => {
        regions['eu-west-1']!.network = {
          vpcs: ['vpc-1'],
          subnets: new Map([
            ['subnet-1', 'vpc-1'],
            ['subnet-2', 'vpc-1'],
          ]),
          securityGroups: new Map([['sg-1', 'vpc-1']]),
          ...network,
        };
      },
      planWith({ network: NETWORK }),
    );
    return wrong.map(({ verdict, detail }) => `${verdict} ${detail}`);
  };
  expect(await found({})).toEqual([]);
  expect(await found({ vpcs: [] })).toEqual(['fail there is no VPC vpc-1 in eu-west-1']);
  expect(
    await found({ subnets: new Map([['subnet-1', 'vpc-2']]), securityGroups: new Map([['sg-1', 'vpc-3']]) }),
  ).toEqual([
    'fail subnet subnet-1 is in vpc-2',
    'fail there is no subnet subnet-2 in eu-west-1',
    'fail security group sg-1 is in vpc-3',
  ]);
});

it("if the config wants access logs, API Gateway's log role must exist; a role that others set is not replaced", async () => {
  const role = 'arn:aws:iam::123456789012:role/somebodys';
  const found = async (apiGatewayRole: 'create' | 'existing', set?: string, owner?: string) => {
    const { code, wrong } = await faultsOf(
      ({ regions }) => {
        for (const region of REGIONS) regions[region]!.apiGatewayRole = role;
        const here = regions['eu-west-1']!;
        if (set === undefined) delete here.apiGatewayRole;
        if (owner !== undefined) here.owners = { somebodys: owner };
        regions['eu-central-1']!.owners = { somebodys: 'countersign-account-eu-central-1' };
      },
      { ...PLAN, apiGatewayRole },
    );
    return [code, ...wrong.map(({ region, verdict, check }) => `${verdict} ${region} ${check}`)];
  };
  expect(await found('existing', role)).toEqual([0]);
  expect(await found('existing')).toEqual([1, 'fail eu-west-1 API Gateway role']);
  expect(await found('create')).toEqual([0]);
  expect(await found('create', role, 'countersign-account-eu-west-1')).toEqual([0]);
  expect(await found('create', role, 'another')).toEqual([0, 'warn eu-west-1 API Gateway role']);
  expect(await found('create', role)).toEqual([0, 'warn eu-west-1 API Gateway role']);
  // This stage writes no access log.
  expect((await faultsOf(({ regions }) => delete regions['eu-west-1']!.apiGatewayRole, DEV)).wrong).toEqual(
    [],
  );
});

it('names that belong to the stage itself are an update; a replica belongs to the home stack', async () => {
  const { code, wrong } = await faultsOf(({ regions }) => {
    const [west, central] = REGIONS.map((region) => ({ region, status: 'ACTIVE' }));
    const table: Found = { id: 'countersign-prod-registry-1', states: [west!, central!] };
    for (const region of REGIONS) regions[region]!.existing = { 'table countersign-prod-registry-1': table };
    regions['eu-west-1']!.owners = { 'countersign-prod-registry-1': 'countersign-prod-home' };
  });
  expect({ code, wrong }).toEqual({ code: 0, wrong: [] });
});

const REGISTRY = 'countersign-prod-registry-1';
const [WEST, CENTRAL, NORTH] = [...REGIONS, 'eu-north-1'] as [string, string, string];

/** By Region, the table there: its state, then the Regions that it replicates to, with theirs. */
type Tables = Readonly<Record<string, readonly [own: string, others?: Readonly<Record<string, string>>]>>;

/** @returns what the check says, by Region */
async function replicasSay(tables: Tables, change: Partial<DeployPlan> = {}, away: readonly string[] = []) {
  const regions = [WEST, CENTRAL, NORTH].map((name) => ({ name, ledgerGeneration: 1 }));
  const plan = { ...PLAN, regions, stackRegions: [WEST, CENTRAL, NORTH, 'us-east-1'], ...change };
  const state = healthy(NORTH);
  for (const [region, [status, others = {}]] of Object.entries(tables)) {
    const states = Object.entries(others).map(([name, each]) => ({ region: name, status: each }));
    const found: Found = { id: REGISTRY, states: [{ region, status }, ...states] };
    state.regions[region]!.existing = { [`table ${REGISTRY}`]: found };
    state.regions[region]!.owners = { [REGISTRY]: 'countersign-prod-home' };
  }
  const account = accountOf(state);
  const region = (name: string) => ({
    ...account.region(name),
    find: async (kind: Kind, id: string) => {
      if (away.includes(name)) throw Object.assign(new Error('no answer'), { name: 'TimeoutError' });
      return account.region(name).find(kind, id);
    },
  });
  const { stdout } = await preflight({ ...account, region }, [plan], ['--json']);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return Object.fromEntries(
    findings
      .filter(({ check }) => check === 'replicas')
      .map(({ region: where, verdict, detail, fix }) => [where!, `${verdict} ${detail}: ${fix ?? ''}`]),
  );
}

const CUT_OFF = (region: string) =>
  expect.stringMatching(`^fail .* replicated no more: .* in ${region} .*evacuate ${region} at once`);
const REPLICATED = 'ok every shared table is replicated: ';
const UNTOLD = expect.stringMatching(
  /^fail .* not replicated between eu-central-1, eu-west-1, and which .* not seen here: evacuate .* whose customer key/,
);
const TWO = { regions: REGIONS.map((name) => ({ name, ledgerGeneration: 1 })) };

it.each([WEST, CENTRAL, NORTH])(
  'of three Regions, the one that is cut off is named, also if it is home, and not the others: %s',
  async (alone) => {
    const [a, b] = [WEST, CENTRAL, NORTH].filter((region) => region !== alone) as [string, string];
    const together: Tables = { [a]: ['ACTIVE', { [b]: 'ACTIVE' }], [b]: ['ACTIVE', { [a]: 'ACTIVE' }] };
    const wanted = { [a]: REPLICATED, [b]: REPLICATED };
    for (const status of ['ACTIVE', 'INACCESSIBLE_ENCRYPTION_CREDENTIALS', 'ARCHIVED'])
      expect(await replicasSay({ ...together, [alone]: [status] })).toEqual({
        ...wanted,
        [alone]: CUT_OFF(alone),
      });
    // One of the two gives no answer: the other one's is enough.
    expect(await replicasSay({ ...together, [alone]: ['ACTIVE'] }, {}, [a])).toEqual({
      ...{ [a]: expect.stringMatching(/^unknown /), [b]: REPLICATED },
      [alone]: CUT_OFF(alone),
    });
  },
);

it('of two Regions that do not replicate, it says that it cannot tell, unless one cannot be used', async () => {
  expect(await replicasSay({ [WEST]: ['ACTIVE'], [CENTRAL]: ['ACTIVE'] }, TWO)).toEqual({
    [WEST]: UNTOLD,
    [CENTRAL]: UNTOLD,
  });
  for (const [lost, other] of [REGIONS, REGIONS.toReversed()] as [string, string][])
    for (const status of ['INACCESSIBLE_ENCRYPTION_CREDENTIALS', 'ARCHIVED'])
      expect((await replicasSay({ [lost]: [status], [other]: ['ACTIVE'] }, TWO))[lost]).toEqual(
        CUT_OFF(lost),
      );
  // With one of them silent, not even that is known.
  const silent = await replicasSay({ [WEST]: ['ACTIVE'], [CENTRAL]: ['ACTIVE'] }, TWO, [WEST]);
  expect(Object.values(silent)).toEqual([WEST, CENTRAL].map(() => expect.stringMatching(/^unknown /)));
});

it.each(REGIONS)('a table or replica that cannot be used fails in its Region alone: %s', async (region) => {
  const [other] = REGIONS.filter((each) => each !== region) as [string];
  const said = (status: string, own: string, consistency: DeployPlan['consistency'] = 'eventual') =>
    replicasSay(
      { [region]: [own, { [other]: 'ACTIVE' }], [other]: ['ACTIVE', { [region]: status }] },
      { ...TWO, consistency },
    );
  for (const status of [
    'INACCESSIBLE_ENCRYPTION_CREDENTIALS',
    'REGION_DISABLED',
    'REPLICATION_NOT_AUTHORIZED',
  ])
    for (const own of [status, 'ACTIVE'])
      expect(await said(status, own)).toEqual({
        [other]: REPLICATED,
        [region]: expect.stringMatching(`^fail .* is ${status}: after 20 hours`),
      });
  expect((await said('ACTIVE', 'INACCESSIBLE_ENCRYPTION_CREDENTIALS', 'strong'))[region]).toMatch(
    /after seven days/,
  );
  expect((await said('ARCHIVED', 'ARCHIVED'))[region]).toMatch(/^fail .* is ARCHIVED: .*table-archived/);
  for (const status of ['ACTIVE', 'CREATING', 'UPDATING', 'DELETING'])
    expect(await said(status, status)).toEqual({ [region]: REPLICATED, [other]: REPLICATED });
});

it('the table of a single Region fails before it is archived, and once it is', async () => {
  const said = async (status: string) =>
    (await replicasSay({ [WEST]: [status] }, { ...DEV, stage: 'prod', consistency: 'single' }))[WEST];
  expect(await said('ACTIVE')).toBe('ok every shared table can be used: ');
  expect(await said('INACCESSIBLE_ENCRYPTION_CREDENTIALS')).toMatch(
    /^fail .* after seven days it is archived/,
  );
  for (const status of ['ARCHIVING', 'ARCHIVED'])
    expect(await said(status)).toMatch(/^fail .* only in the backup .*: restore that/);
});

it('a Region that is being added has no replica yet', async () => {
  expect(await replicasSay({ [WEST]: ['ACTIVE'] }, TWO)).toEqual({});
  // The others may list it before it has a table.
  expect(await replicasSay({ [WEST]: ['ACTIVE', { [CENTRAL]: 'CREATING' }] }, TWO)).toEqual({
    [WEST]: REPLICATED,
    [CENTRAL]: REPLICATED,
  });
});

it('the secrets belong to no stack once the keys were promoted, and nobody is told to delete them', async () => {
  const of = (purposes: readonly Purpose[]) =>
    Object.fromEntries(purposes.map((purpose) => [`secret ${secretName('prod', purpose)}`, { id: 'arn' }]));
  const exist = ({ regions }: State) => {
    for (const region of REGIONS) regions[region]!.existing = of(PURPOSES);
  };
  const promoted = { ...PLAN, keysManagedBy: 'eu-central-1' };
  expect((await faultsOf(exist, promoted)).wrong).toEqual([]);
  // A release that adds a purpose: its secret, nobody made. Replicas come with the original.
  const before = PURPOSES.filter((purpose) => purpose !== 'webhook');
  const lack = ({ regions }: State) => {
    for (const region of REGIONS) regions[region]!.existing = of(before);
  };
  expect((await faultsOf(lack, promoted)).wrong.map(({ detail }) => detail)).toEqual([
    'secret countersign/prod/keys/webhook does not exist, and since the promotion no stack makes it',
  ]);
  expect((await faultsOf(exist)).wrong.map(({ detail }) => detail)).toContain(
    'secret countersign/prod/keys/nonce exists, but belongs to no stack',
  );
});

it('a ledger is looked up under the name of its generation', async () => {
  const left = ({ regions }: State) => {
    regions['eu-west-1']!.existing = {
      'table countersign-prod-ledger-2': { id: 'countersign-prod-ledger-2' },
    };
  };
  expect((await faultsOf(left)).wrong).toEqual([]);
  expect((await faultsOf(left, planWith({ ledgerGeneration: 2 }))).wrong).toMatchObject([
    { check: 'names', detail: 'table countersign-prod-ledger-2 exists, but belongs to no stack' },
  ]);
});

it('names held by another stack, by none, or by a deleted secret fail, with the holder', async () => {
  const { code, wrong } = await faultsOf(({ regions }) => {
    const region = regions['eu-west-1']!;
    region.existing = {
      'table countersign-prod-ledger-1': { id: 'countersign-prod-ledger-1' },
      'function countersign-prod-nonce': { id: 'countersign-prod-nonce' },
      'secret countersign/prod/keys/nonce': { id: 'arn', deletedMs: Date.UTC(2026, 0, 31) },
    };
    region.owners = { 'countersign-prod-nonce': 'countersign-prod-eu-region-eu-west-1' };
  });
  expect(code).toBe(EXIT.failed);
  expect(wrong.map(({ detail }) => detail)).toEqual([
    'table countersign-prod-ledger-1 exists, but belongs to no stack',
    'secret countersign/prod/keys/nonce was deleted on 2026-01-31 and still holds its name',
    'function countersign-prod-nonce belongs to stack countersign-prod-eu-region-eu-west-1',
  ]);
});

it('a Region that was removed kept the alias of its key, which stops its base stack until it is deleted', async () => {
  const alias = 'alias/countersign-prod';
  const left = ({ regions }: State) => {
    for (const region of REGIONS) regions[region]!.existing = { [`alias ${alias}`]: { id: alias } };
    regions['eu-west-1']!.owners = { [alias]: 'countersign-prod-base-eu-west-1' };
  };
  expect((await faultsOf(left)).wrong).toEqual([
    expect.objectContaining({
      check: 'names',
      region: 'eu-central-1',
      detail: `alias ${alias} exists, but belongs to no stack`,
      fix: expect.stringContaining(`aws kms delete-alias --alias-name ${alias} --region eu-central-1`),
    }),
  ]);
  const [first, second] = PLAN.regions;
  const imported = { ...second!, kmsKeyArn: 'arn:aws:kms:eu-central-1:123456789012:key/1' };
  const own = await faultsOf(left, { ...PLAN, regions: [first!, imported] });
  expect(own.wrong.map(({ check }) => check)).not.toContain('names');
  expect((await faultsOf(left, { ...PLAN, kind: 'dev' })).wrong.map(({ check }) => check)).not.toContain(
    'names',
  );
});

it("the home Region's own function or ledger is no original of one elsewhere", async () => {
  const { wrong } = await faultsOf(({ regions }) => {
    for (const region of REGIONS)
      regions[region]!.existing = {
        'table countersign-prod-ledger-1': { id: 'ledger' },
        'function countersign-prod-nonce': { id: 'nonce' },
      };
    regions['eu-west-1']!.owners = {
      ledger: 'countersign-prod-region-eu-west-1',
      nonce: 'countersign-prod-region-eu-west-1',
    };
  });
  expect(wrong.map(({ detail }) => detail)).toEqual([
    'table countersign-prod-ledger-1 exists, but belongs to no stack',
    'function countersign-prod-nonce exists, but belongs to no stack',
  ]);
});

it('a check that lacks permission is unknown, not ok: the others still run, and the exit code is 1', async () => {
  const account = accountOf(healthy());
  const trails = async () => {
    throw Object.assign(new Error('not authorized'), { name: 'AccessDeniedException' });
  };
  const { code, stdout } = await preflight({ ...account, trails });
  expect(code).toBe(EXIT.failed);
  expect(stdout).toContain(
    'unknown  audit trail: could not be checked: not authorized (AccessDeniedException)',
  );
  expect(stdout).toContain('8 ok, 0 to look at, 0 to fix first, 1 not checked');
});

it('without credentials the run ends', async () => {
  const identity = async () => {
    throw new CliError(EXIT.unreachable, 'no AWS credentials were found');
  };
  await expect(preflight({ ...accountOf(healthy()), identity })).rejects.toMatchObject({ exitCode: 3 });
});

it('if a project has several stages, preflight checks the one that is named', async () => {
  const both = [PLAN, DEV];
  const { stdout } = await preflight(accountOf(healthy()), both, ['--stage', 'dev', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ stage: 'dev', account: '123456789012' });
  const refused: [DeployPlan[], string[], string][] = [
    [both, [], 'this project has several stages: choose one with --stage: prod, dev'],
    [both, ['--stage', 'live'], 'this project has no stage live; it has prod, dev'],
    [[], [], 'this project deploys no Countersign stage'],
    ...['--region', '--qualifier', '--domain', '--hosted-zone', '--certificate'].map(
      (name): [DeployPlan[], string[], string] => [
        [DEV],
        [name, 'x'],
        `leave ${name} out: it is read from the project's config`,
      ],
    ),
  ];
  for (const [plans, args, message] of refused)
    await expect(preflight(accountOf(healthy()), plans, args)).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: expect.stringContaining(message),
    });
});

it('a service that does not answer is given up, and a server that is not AWS is reported as such', async () => {
  let answer: string | undefined;
  const server = createServer((_, response) => {
    if (answer !== undefined) response.end(answer);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'a', secretAccessKey: 's' };
  const account = awsAccount((region) => ({ region, endpoint, credentials }), 'eu-west-1', 50);
  await expect(account.identity()).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringMatching(/no answer/),
  });
  await expect(account.region('eu-west-1').concurrency()).rejects.toMatchObject({ name: 'TimeoutError' });
  for (answer of ['<html>busy</html>', '<GetCallerIdentityResponse/>', '{}'])
    await expect(account.identity()).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(/is not from AWS/),
    });
  server.closeAllConnections();
  server.close();
});

it.each([
  ['AccessDeniedException', /docs\/iam\.md/],
  ['ExpiredTokenException', /log in/],
  ['ThrottlingException', /in a minute/],
  ['TimeoutError', /can reach AWS/],
  ['SyntaxError', /not from AWS/],
  ['InternalFailure', /Health Dashboard/],
])('the message for a check that failed with %s says what to do', async (name, fix) => {
  const error = Object.assign(new Error('no'), { name });
  expect(await orUnknown(Promise.reject(error))).toEqual([
    { verdict: 'unknown', detail: `could not be checked: no (${name})`, fix: expect.stringMatching(fix) },
  ]);
});
