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
  Kind,
  Trail,
} from '../../cli/preflight/account.ts';
import { preflightCommand } from '../../cli/preflight/command.ts';

const REGIONS = ['eu-west-1', 'eu-central-1'];
const DAY_MS = 24 * 3600 * 1000;
const CERTIFICATE = 'arn:aws:acm:eu-west-1:123456789012:certificate/c0ffee';

interface RegionState {
  concurrency: number;
  bootstraps: Bootstrap[];
  /** By kind and name. */
  existing: Record<string, Found>;
  /** Stacks by the id of what they have. */
  owners: Record<string, string>;
  certificates: Record<string, Certificate>;
}

interface State {
  trails: Trail[];
  zone: HostedZone;
  delegation: string[];
  regions: Record<string, RegionState>;
}

/** An account in which nothing is wrong. */
function healthy(): State {
  const region = (): RegionState => ({
    concurrency: 1000,
    bootstraps: [{ stack: 'CDKToolkit', qualifier: 'hnb659fds', version: 28 }],
    existing: {},
    owners: {},
    certificates: {},
  });
  return {
    trails: [{ name: 'all', multiRegion: true, logging: true }],
    zone: { name: 'example.com', isPrivate: false, nameServers: ['ns-1.example.net', 'ns-2.example.net'] },
    delegation: ['ns-1.example.net', 'ns-2.example.net'],
    regions: Object.fromEntries([...REGIONS, 'us-east-1'].map((name) => [name, region()])),
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
        certificate: async (arn) => at.certificates[arn]!,
      };
    },
  };
}

const TARGET = ['--stage', 'prod', '--region', REGIONS.join(',')];

async function preflight(account: Account, args: readonly string[] = TARGET) {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const io: Io = { stdin: Readable.from([]), ...streams, env: {}, cwd: '/', onInterrupt: () => () => {} };
  let code: number = EXIT.done;
  const command = preflightCommand(
    io,
    (exit) => (code = exit),
    () => account,
  );
  await new Command().addCommand(command).parseAsync(['preflight', ...args], { from: 'user' });
  return { code, stdout: String(streams.stdout.read() ?? '') };
}

/** What a change to a healthy account brings up: verdict, Region, check. */
async function faultsOf(
  change: (state: State) => void,
  args: readonly string[] = [],
  target: readonly string[] = TARGET,
) {
  const state = healthy();
  change(state);
  const { code, stdout } = await preflight(accountOf(state), [...target, ...args, '--json']);
  const { findings } = JSON.parse(stdout);
  // biome-ignore lint/suspicious/noExplicitAny: JSON
  const wrong = findings.filter(({ verdict }: any) => verdict !== 'ok');
  return { code, wrong };
}

it('finds nothing wrong with a healthy account, and says what it looked at, Region by Region', async () => {
  const { code, stdout } = await preflight(accountOf(healthy()), [...TARGET, '--hosted-zone', 'Z0123456789']);
  expect(code).toBe(0);
  expect(stdout).toBe(`Account 123456789012, as arn:aws:sts::123456789012:assumed-role/ops/me

ok    audit trail: all records every Region
ok    hosted zone: example.com is delegated to Z0123456789
ok    eu-west-1  bootstrap: CDKToolkit has version 28
ok    eu-west-1  concurrency: 1000 executions at once, of all functions of the account together
ok    eu-west-1  names: every name is free
ok    eu-central-1  bootstrap: CDKToolkit has version 28
ok    eu-central-1  concurrency: 1000 executions at once, of all functions of the account together
ok    eu-central-1  names: every name is free
ok    us-east-1  bootstrap: CDKToolkit has version 28

9 ok, 0 to look at, 0 to mend first
`);
});

it('a Region without the CDK bootstrap fails, with the command that mends it', async () => {
  const { code, wrong } = await faultsOf(({ regions }) => {
    regions['eu-central-1']!.bootstraps = [];
  });
  expect(code).toBe(EXIT.failed);
  expect(wrong).toEqual([
    {
      check: 'bootstrap',
      region: 'eu-central-1',
      verdict: 'fail',
      detail: 'the CDK is not bootstrapped with qualifier hnb659fds',
      mend: 'npx cdk bootstrap aws://123456789012/eu-central-1',
    },
  ]);
});

it('a bootstrap of another qualifier, or too old a one, is none', async () => {
  const other = await faultsOf(() => {}, ['--qualifier', 'ours']);
  expect(other.wrong[0].mend).toBe('npx cdk bootstrap aws://123456789012/eu-west-1 --qualifier ours');
  const old = await faultsOf(({ regions }) => {
    regions['eu-west-1']!.bootstraps = [{ stack: 'CDKToolkit', qualifier: 'hnb659fds', version: 5 }];
  });
  expect(old.wrong).toMatchObject([{ check: 'bootstrap', detail: 'CDKToolkit has version 5, older than 6' }]);
});

it('us-east-1 is bootstrapped for the stack that watches several Regions, or one with a domain', async () => {
  const unprepared = ({ regions }: State) => {
    regions['us-east-1']!.bootstraps = [];
  };
  const { wrong } = await faultsOf(unprepared);
  expect(wrong).toMatchObject([{ check: 'bootstrap', region: 'us-east-1', verdict: 'fail' }]);
  const one = await faultsOf(unprepared, ['--region', 'eu-west-1'], ['--stage', 'dev']);
  expect(one.wrong).toEqual([]);
});

it('a low quota of executions and a missing trail are warnings, which leave the exit code at 0', async () => {
  const { code, wrong } = await faultsOf(({ regions, trails }) => {
    regions['eu-west-1']!.concurrency = 10;
    trails[0] = { name: 'one', multiRegion: false, logging: true };
  });
  expect(code).toBe(0);
  expect(wrong).toMatchObject([
    { check: 'audit trail', region: null, verdict: 'warn' },
    { check: 'concurrency', region: 'eu-west-1', verdict: 'warn' },
  ]);
  expect(wrong[1].mend).toContain('--quota-code L-B99A9384 --desired-value 1000 --region eu-west-1');
});

it('a trail that has stopped records nothing', async () => {
  const { wrong } = await faultsOf(({ trails }) => {
    trails[0] = { name: 'all', multiRegion: true, logging: false };
  });
  expect(wrong).toMatchObject([{ check: 'audit trail', verdict: 'warn' }]);
});

it('a zone that the public DNS delegates elsewhere fails, with the name servers to set', async () => {
  const { code, wrong } = await faultsOf(
    (state) => {
      state.delegation = ['ns.registrar.example'];
    },
    ['--hosted-zone', 'Z0123456789'],
  );
  expect(code).toBe(EXIT.failed);
  expect(wrong).toMatchObject([
    {
      check: 'hosted zone',
      detail: 'example.com is delegated to ns.registrar.example',
      mend: 'at its registrar, or in its parent zone, set NS to ns-1.example.net, ns-2.example.net',
    },
  ]);
});

it('a private zone, or one that the domain does not lie in, fails', async () => {
  const zone = ['--hosted-zone', 'Z0123456789', '--domain'];
  const elsewhere = await faultsOf(() => {}, [...zone, 'api.badexample.com']);
  expect(elsewhere.wrong).toMatchObject([{ detail: 'api.badexample.com does not lie in example.com' }]);
  expect((await faultsOf(() => {}, [...zone, 'example.com'])).wrong).toEqual([]);
  const hidden = await faultsOf(
    (state) => {
      state.zone = { ...state.zone, isPrivate: true };
    },
    [...zone, 'api.example.com'],
  );
  expect(hidden.wrong).toMatchObject([{ verdict: 'fail', detail: 'Z0123456789 is a private zone' }]);
});

it("a certificate has to be issued, to last, and to cover the entry and its Region's own host", async () => {
  const args = ['--domain', 'api.example.com', '--certificate', CERTIFICATE];
  const found = async (certificate: Certificate) => {
    const { wrong } = await faultsOf(({ regions }) => {
      regions['eu-west-1']!.certificates[CERTIFICATE] = certificate;
    }, args);
    // biome-ignore lint/suspicious/noExplicitAny: JSON
    return wrong.map(({ verdict, detail }: any) => `${verdict} ${detail.replace(CERTIFICATE, 'it')}`);
  };
  const names = ['api.example.com', '*.api.example.com'];
  const notAfterMs = Date.now() + 300 * DAY_MS;
  expect(await found({ status: 'ISSUED', names, notAfterMs })).toEqual([]);
  expect(await found({ status: 'PENDING_VALIDATION', names })).toEqual(['fail it is PENDING_VALIDATION']);
  expect(await found({ status: 'ISSUED', names: ['*.example.com'], notAfterMs })).toEqual([
    'fail it does not cover eu-west-1.api.example.com',
  ]);
  const soon = Date.now() + 3 * DAY_MS;
  const ends = new Date(soon).toISOString().slice(0, 10);
  expect(await found({ status: 'ISSUED', names, notAfterMs: soon })).toEqual([`warn it ends on ${ends}`]);
});

it('names that the stage has itself are an update; a replica is the home stack’s', async () => {
  const { code, wrong } = await faultsOf(({ regions }) => {
    const table = { 'table countersign-prod-registry-1': { id: 'countersign-prod-registry-1' } };
    for (const region of REGIONS) regions[region]!.existing = table;
    regions['eu-west-1']!.owners = { 'countersign-prod-registry-1': 'countersign-prod-home' };
  });
  expect({ code, wrong }).toEqual({ code: 0, wrong: [] });
});

it("names that another stack has, or none, or a deleted secret's, fail with who has them", async () => {
  const { code, wrong } = await faultsOf(({ regions }) => {
    const region = regions['eu-west-1']!;
    region.existing = {
      'table countersign-prod-ledger-1': { id: 'countersign-prod-ledger-1' },
      'function countersign-prod-nonce': { id: 'countersign-prod-nonce' },
      'secret countersign/prod/keys/nonce': { id: 'arn', deletedMs: Date.UTC(2026, 0, 31) },
    };
    region.owners = { 'countersign-prod-nonce': 'countersign-production-region-eu-west-1' };
  });
  expect(code).toBe(EXIT.failed);
  // biome-ignore lint/suspicious/noExplicitAny: JSON
  expect(wrong.map(({ detail }: any) => detail)).toEqual([
    'table countersign-prod-ledger-1 exists, and no stack has it',
    'secret countersign/prod/keys/nonce was deleted on 2026-01-31 and keeps its name',
    'function countersign-prod-nonce belongs to stack countersign-production-region-eu-west-1',
  ]);
});

it('a check that it may not make is a warning, and the others are made', async () => {
  const account = accountOf(healthy());
  const trails = async () => {
    throw Object.assign(new Error('not authorized'), { name: 'AccessDeniedException' });
  };
  const { code, stdout } = await preflight({ ...account, trails });
  expect(code).toBe(0);
  expect(stdout).toContain('warn  audit trail: could not be checked: not authorized (AccessDeniedException)');
  expect(stdout).toContain('7 ok, 1 to look at, 0 to mend first');
});

it('without credentials it ends there', async () => {
  const identity = async () => {
    throw new CliError(EXIT.unreachable, 'no AWS credentials were found');
  };
  await expect(preflight({ ...accountOf(healthy()), identity })).rejects.toMatchObject({ exitCode: 3 });
});

it.each([
  [[], 'preflight needs --stage and --region'],
  [['--stage', 'prod', '--region', 'eu-west-1', '--domain', 'a.example'], '--domain needs --hosted-zone'],
  [[...TARGET, '--certificate', 'c0ffee'], '"c0ffee" is no ARN of a certificate'],
  [
    [...TARGET, '--certificate', CERTIFICATE.replace('eu-west-1', 'us-east-1')],
    'lies in us-east-1, which is none of',
  ],
])('refuses %j with what is wrong', async (args, message) => {
  await expect(preflight(accountOf(healthy()), args)).rejects.toThrow(message);
});
