/**
 * The steps of a proof, as data: what each needs, does and looks at, and which assumptions of
 * docs/aws-truths.md are seen where a look holds on AWS.
 */
import { get } from 'node:https';
import { json as readJson } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { secretName, tableName } from '../../lambda/contract/names.ts';
import type { Step } from './plan.ts';
import type { Tools } from './tools.ts';

/** Checks that the type of what a step finds is that of its looks. */
const step = <Found>(each: Step<Found>): Step => each as Step;

/** Within this time every Region refuses a key that it confirmed as revoked. */
const REVOKED_MS = 10_000;
const REPLAYS = 10;
/** Experiments of AWS FIS take whole minutes. */
const PAUSE = 'PT5M';

interface Region {
  readonly region: string;
}

export const STEPS: readonly Step[] = [
  step({
    name: 'bootstrap',
    does: 'bootstraps the account for the CDK in every Region of the stage',
    after: [],
    needs: [],
    async run({ bootstrap, stacks, regions }) {
      await bootstrap();
      return { bootstrapped: await stacks('CDKToolkit'), regions };
    },
    checks: [
      {
        what: 'each Region has the stack of the bootstrap',
        holds: ({ bootstrapped, regions }) => bootstrapped.length >= regions.length,
      },
    ],
  }),
  step({
    name: 'vault',
    does: 'prepares Vault (`countersign vault setup`), then finds that nothing is left to do',
    after: [],
    needs: ['Vault token'],
    async run({ project, vaultSetup }) {
      await project(['vault', 'setup', ...vaultSetup]);
      const { json } = await project(['vault', 'setup', ...vaultSetup]);
      return json.steps as { readonly state: string }[];
    },
    checks: [
      { what: 'a second run of vault setup changes nothing', holds: (steps) => steps.every(isUnchanged) },
    ],
  }),
  step({
    name: 'preflight',
    does: 'checks the account (`countersign preflight`)',
    after: ['bootstrap'],
    needs: ['account'],
    run: ({ project, stage }) => project(['preflight', '--stage', stage]),
    checks: [{ what: 'preflight finds nothing that would fail', holds: ({ code }) => code === 0 }],
  }),
  step({
    name: 'deploy',
    does: 'deploys every stack, one Region after the other (`countersign deploy`)',
    after: ['bootstrap'],
    needs: [],
    ifFailed: 'Run it again: `countersign deploy` goes on where it ended.',
    async run({ deploy, stacks, regions }) {
      await deploy();
      const discovered = await Promise.all(
        regions.map(async ({ url }) => (await fetch(`${url}/.well-known/countersign`)).json()),
      );
      return { stacks: await stacks(), discovered, regions };
    },
    checks: [
      {
        what: 'CloudFormation made the stacks of every Region',
        holds: ({ stacks, regions }) =>
          regions.every(({ name }) => stacks.some((stack) => stack.endsWith(`-region-${name}`))),
        rows: ['an alias may point to the unpublished version: CreateAlias accepts `$LATEST`'],
      },
      {
        what: 'discovery in each Region names all of them',
        holds: ({ discovered, regions }) =>
          discovered.every((document) => sameNames(document.regions, regions)),
      },
    ],
  }),
  step({
    name: 'keys',
    does: 'makes the first keys (`countersign keys init`)',
    after: ['deploy'],
    needs: [],
    async run({ countersign, regions }) {
      await countersign(['keys', 'init', '--timeout', '15m']);
      return { list: await countersign(['keys', 'list']), regions };
    },
    checks: [
      {
        what: 'a key of each purpose signs, and every Region has it',
        holds: ({ list, regions }) =>
          list.code === 0 && list.json.keysets.every((keyset: Keyset) => isEverywhere(keyset, regions)),
        rows: ['a rotated value reaches the replicas by itself'],
      },
    ],
  }),
  step({
    name: 'front-door',
    does: "reads answers that no function wrote, and one that a function wrote, as API Gateway's bytes",
    after: ['keys'],
    needs: [],
    async run({ regions }) {
      const bytes = { Accept: 'application/octet-stream' };
      const text = { 'Content-Type': 'text/plain' };
      return Promise.all(
        regions.map(async ({ url }) => ({
          mock: await answerOf(`${url}/v2/nonce`),
          refused: await answerOf(`${url}/v2/nonce`, { method: 'POST', headers: text, body: 'x' }),
          written: await answerOf(`${url}/.well-known/countersign`, { headers: bytes }),
        })),
      );
    },
    checks: [
      {
        what: 'a path without a route gets 404 and a problem in JSON',
        holds: (answers) => answers.every(({ mock }) => mock.status === 404 && mock.code === 'not_found'),
        rows: [
          'with `*/*`, the templates of a MOCK integration need `CONVERT_TO_TEXT` in both directions; then they work',
        ],
      },
      {
        what: "API Gateway's own refusal is a problem in JSON",
        holds: (answers) => answers.every(({ refused }) => refused.code === 'unsupported_media_type'),
        rows: ['gateway responses (throttle, firewall, 4xx, 5xx) stay text with `*/*`'],
      },
      {
        what: "a function's answer is text although the caller accepts bytes alone",
        holds: (answers) => answers.every(({ written }) => written.status === 200 && written.isText),
        rows: [
          "a function's answer stays text, whatever `Accept` says, while it does not say `isBase64Encoded: true`",
        ],
      },
    ],
  }),
  step({
    name: 'register',
    does: `registers a user in each Region, repeats each request ${REPLAYS} times in every Region, and reads the user everywhere`,
    after: ['keys'],
    needs: [],
    async run(tools) {
      const found = [];
      for (const { name } of tools.regions) {
        const requests: Request[] = [];
        const client = await tools.client(name, (request) => requests.push(request));
        const user = { user_id: `user-${name}-${Date.now()}` };
        const { id, replayed } = await client.register(user);
        await tools.replicate();
        const statuses = await replay(requests.at(-1)!, tools);
        const read = await Promise.all(tools.regions.map((each) => isReadIn(tools, each.name, id)));
        found.push({ replayed, statuses, read });
      }
      return found;
    },
    checks: [
      {
        what: 'each user is registered once: every repetition gets 401 `use_nonce`',
        holds: (found) =>
          found.every(({ replayed, statuses }) => !replayed && statuses.every((each) => each === 401)),
      },
      {
        what: 'every Region reads every user',
        holds: (found) => found.every(({ read }) => read.every(Boolean)),
      },
    ],
  }),
  step({
    name: 'stop-writes',
    does: 'stops writes and lets them go on (`countersign registry stop-writes`, `resume-writes`)',
    after: ['keys'],
    needs: [],
    ifFailed: 'Writes may be stopped: `countersign registry resume-writes` ends that.',
    async run(tools) {
      await tools.countersign(['registry', 'stop-writes']);
      await delay(REVOKED_MS);
      const during = await registers(tools, tools.regions, 5_000);
      await tools.countersign(['registry', 'resume-writes']);
      return {
        during,
        after: await tools.until('registrations', 60, async () => allOf(await registers(tools))),
      };
    },
    checks: [
      { what: 'nothing registers while writes are stopped', holds: ({ during }) => !during.includes(true) },
      { what: 'every Region registers afterwards', holds: ({ after }) => after },
    ],
  }),
  step({
    name: 'rotation',
    does: 'rotates the nonce key (`countersign keys rotate`)',
    after: ['keys'],
    needs: [],
    async run(tools) {
      const { json } = await tools.countersign(['keys', 'rotate', 'nonce', '--force']);
      const arrived = await tools.until('the new key in every Region', 300, async () => {
        const { json: list } = await tools.countersign(['keys', 'list', 'nonce'], [0, 1]);
        return isEverywhere(list.keysets[0], tools.regions);
      });
      return {
        states: (json.keys as Key[]).map(({ state }) => state),
        arrived,
        works: await registers(tools),
      };
    },
    checks: [
      { what: 'the next key waits', holds: ({ states }) => states.includes('next') },
      {
        what: 'the new version reached every Region',
        holds: ({ arrived }) => arrived,
        rows: ['a rotated value reaches the replicas by itself'],
      },
      { what: 'every Region registers', holds: ({ works }) => allOf(works) },
    ],
  }),
  step({
    name: 'schedule',
    does: 'lets Secrets Manager itself rotate the token key, by its four steps',
    after: ['rotation'],
    needs: ['aws command'],
    async run(tools) {
      const secret = ['--secret-id', secretName(tools.stage, 'token')];
      const list = async () => (await tools.countersign(['keys', 'list', 'token'], [0, 1])).json.keysets[0];
      const before: Keyset = await list();
      const asked = ['secretsmanager', 'rotate-secret', ...secret];
      if (!before.keys.some(({ state }) => state === 'next')) await tools.awsCommand(tools.home, asked);
      return tools.until('a next key', 300, async () =>
        ((await list()) as Keyset).keys.some(({ state }) => state === 'next'),
      );
    },
    checks: [{ what: 'the keyset has a next key', holds: (made) => made }],
  }),
  step({
    name: 'revocation',
    does: 'revokes the nonce keys (`countersign keys revoke`) while a proof with a nonce of theirs is held',
    after: ['rotation'],
    needs: [],
    ifFailed: 'The command printed the one that completes the revocation.',
    async run(tools) {
      const held = [];
      for (const { name } of tools.regions) held.push(await heldRequest(tools, name));
      const { code, json } = await tools.countersign(['keys', 'revoke', 'nonce', '--yes', '--timeout', '5m']);
      await delay(REVOKED_MS);
      const statuses = await Promise.all(held.map(async (request) => (await fetch(request)).status));
      const works = await tools.until('registrations', 120, async () => allOf(await registers(tools)));
      return { code, regions: json.regions as { readonly confirmed: boolean }[], statuses, works };
    },
    checks: [
      {
        what: 'every Region confirmed, and a new key signs',
        holds: ({ code, regions }) => code === 0 && regions.every(({ confirmed }) => confirmed),
      },
      {
        what: 'ten seconds later every Region refuses a nonce of the old keys',
        holds: ({ statuses }) => statuses.every((status) => status === 401),
      },
      { what: 'every Region registers with the new key', holds: ({ works }) => works },
    ],
  }),
  step({
    name: 'evacuation',
    does: 'evacuates the Region that the entry leads to (`countersign evacuate`)',
    after: ['keys'],
    needs: ['alarms', 'domain'],
    ifFailed: 'A Region may be evacuated: `countersign return` ends that.',
    async run(tools) {
      const out = tools.recall('evacuated') ?? (await entryRegion(tools)) ?? tools.home;
      tools.remember('evacuated', out);
      const { code, json } = await tools.countersign(['evacuate', out, '--yes', '--timeout', '10m']);
      const elsewhere = await tools.until('the entry leads elsewhere', 600, async () => {
        const region = await entryRegion(tools);
        return region !== undefined && region !== out;
      });
      const others = tools.regions.filter(({ name }) => name !== out);
      const works = await registers(tools, others);
      return { code, alarm: json.alarm as unknown, elsewhere, works };
    },
    checks: [
      {
        what: 'both flags stand and the alarm fired',
        holds: ({ code, alarm }) => code === 0 && alarm === 'ALARM',
      },
      { what: 'the entry leads to another Region', holds: ({ elsewhere }) => elsewhere },
      { what: 'the other Regions register', holds: ({ works }) => allOf(works) },
    ],
  }),
  step({
    name: 'return',
    does: 'returns that Region (`countersign return`) and waits for the hold-down',
    after: ['evacuation'],
    needs: ['alarms', 'domain'],
    async run(tools) {
      const out = tools.recall('evacuated')!;
      const { code } = await tools.countersign(['return', out, '--yes', '--timeout', '10m']);
      const { url } = tools.regions.find(({ name }) => name === out)!;
      const healthy = await tools.until(
        'health of the Region',
        900,
        async () => (await fetch(`${url}/v1/health`)).ok,
      );
      const back = await tools.until(
        'the entry leads back',
        600,
        async () => (await entryRegion(tools)) === out,
      );
      return { code, healthy, back, works: await registers(tools) };
    },
    checks: [
      { what: 'no flag stands and the alarm ended', holds: ({ code }) => code === 0 },
      { what: 'the Region is healthy after the hold-down', holds: ({ healthy }) => healthy },
      {
        what: 'the entry, which led elsewhere, leads to it again',
        holds: ({ back }) => back,
        rows: ['a calculated check is healthy if enough of its children are'],
      },
      { what: 'every Region registers', holds: ({ works }) => allOf(works) },
    ],
  }),
  step({
    name: 'silence',
    does: 'waits until the alarm of the evacuation has no data any more',
    after: ['return'],
    needs: ['alarms', 'domain', 'aws command'],
    async run(tools) {
      const out = tools.recall('evacuated')!;
      const name = `countersign-${tools.stage}-evacuated-${out}`;
      const asked = ['cloudwatch', 'describe-alarms', '--alarm-names', name];
      const silent = await tools.until('no data in the alarm', 2_400, async () => {
        const found = await Promise.all(tools.regions.map((each) => tools.awsCommand(each.name, asked)));
        const states = found.flatMap(({ MetricAlarms }) => MetricAlarms as { readonly StateValue: string }[]);
        return states.some(({ StateValue }) => StateValue === 'INSUFFICIENT_DATA');
      });
      return { silent, region: await entryRegion(tools), out };
    },
    checks: [
      {
        what: 'the alarm has insufficient data once its metric ended',
        holds: ({ silent }) => silent,
        rows: [
          'an alarm without data in its whole evaluation range has insufficient data, if missing data is to stay missing',
        ],
      },
      {
        what: 'the entry still leads to the Region',
        holds: ({ region, out }) => region === out,
        rows: ['a check that is set to keep the last status does so while its alarm has no data'],
      },
    ],
  }),
  step({
    name: 'replication-pause',
    does: `pauses the replication of registry at the last Region for 5 minutes, by AWS FIS, while users register in both`,
    after: ['keys'],
    needs: ['aws command', 'FIS role'],
    ifFailed: 'An experiment of AWS FIS ends by itself after five minutes.',
    run: pauseReplication,
    checks: [
      { what: 'the experiment ran', holds: ({ ran }) => ran },
      {
        what: 'strong: the Region that is cut off registers nobody',
        when: ({ strong }) => strong,
        holds: ({ away }) => !away,
        rows: ['strong mode: while no second Region can be reached, writes and strong reads fail'],
      },
      {
        what: 'eventual: the Region that is cut off registers users',
        when: ({ strong }) => !strong,
        holds: ({ away }) => away,
      },
      { what: 'the home Region registers meanwhile', holds: ({ home }) => home },
      {
        what: 'strong: what was acknowledged is read in every Region afterwards',
        when: ({ strong }) => strong,
        holds: ({ read }) => read,
      },
      {
        what: 'eventual: what either Region acknowledged arrives in the other afterwards',
        when: ({ strong }) => !strong,
        holds: ({ read }) => read,
        rows: ['eventual mode: writes that have not arrived do so when their Region is back'],
      },
    ],
  }),
  step({
    name: 'promotion',
    does: 'lets the last Region make the keys: `countersign keys promote`, a deployment, and the same again',
    after: ['keys'],
    needs: ['promotion'],
    ifFailed: 'Nobody makes keys until it is complete: run `npm run prove` again; each part can be repeated.',
    async run(tools) {
      const promote = ['keys', 'promote', '--to', tools.away, '--yes', '--timeout', '10m'];
      const first = await tools.countersign(promote, [0, 1]);
      await tools.deploy({ keys: { managedBy: tools.away } });
      const second = await tools.countersign(promote, [0, 1]);
      await tools.countersign(['keys', 'rotate', 'nonce', '--force']);
      const arrived = await tools.until('the new key in every Region', 300, async () => {
        const { json } = await tools.countersign(['keys', 'list', 'nonce'], [0, 1]);
        return isEverywhere(json.keysets[0], tools.regions);
      });
      return { moved: first.json !== undefined, code: second.code, arrived, works: await registers(tools) };
    },
    checks: [
      {
        what: 'the replica is a secret of its own, and can be written',
        holds: ({ moved, arrived }) => moved && arrived,
        rows: [
          'it then has the versions and labels that the replica had, can be written and rotated, and gets nothing more from the former primary',
        ],
      },
      {
        what: "the former home's secrets are replicas of the new home's",
        holds: ({ code, arrived }) => code === 0 && arrived,
        rows: [
          'this overwrites a former primary, too, once it has no replicas; not one that has some, nor a replica of another secret, so the command detaches those first',
        ],
      },
      { what: 'every Region registers', holds: ({ works }) => allOf(works) },
    ],
  }),
  step({
    name: 'restored-table',
    does: 'restores registry to a point in time, into a table of another name',
    after: ['register'],
    needs: ['aws command', 'generations'],
    async run(tools) {
      const asked = ['dynamodb', 'restore-table-to-point-in-time', '--source-table-name'];
      const target = restored(tools);
      const exists = await tools
        .awsCommand(tools.home, ['dynamodb', 'describe-table', '--table-name', target])
        .then(
          () => true,
          () => false,
        );
      if (!exists)
        await tools.awsCommand(tools.home, [
          ...[...asked, tableName(tools.stage, 'registry'), '--target-table-name', target],
          '--use-latest-restorable-time',
        ]);
      return tools.until('the restored table', 3_600, async () => {
        const described = ['dynamodb', 'describe-table', '--table-name', target];
        return (await tools.awsCommand(tools.home, described)).Table.TableStatus === 'ACTIVE';
      });
    },
    checks: [
      {
        what: 'the table is restored under a name of its own (how far back is not seen)',
        holds: (active) => active,
        rows: ['point-in-time recovery goes back 35 days, and restores to a new table'],
      },
    ],
  }),
  step({
    name: 'restore-copy',
    does: 'makes tables of generation 2, stops writes, and copies the restored table into them',
    after: ['restored-table'],
    needs: ['generations'],
    ifFailed: 'Writes may be stopped: `countersign registry resume-writes` ends that.',
    async run(tools) {
      await tools.deploy({ tables: { other: { generation: 2 } } });
      await tools.countersign(['registry', 'stop-writes']);
      const from = ['--from-table', restored(tools)];
      return tools.countersign(['registry', 'copy', '--to-generation', '2', ...from]);
    },
    checks: [
      {
        what: 'the copy is complete and equal',
        holds: ({ code, json }) => code === 0 && json.complete === true,
      },
    ],
  }),
  step({
    name: 'restore-use',
    does: 'takes generation 2 into use, and lets writes go on',
    after: ['restore-copy'],
    needs: ['generations'],
    ifFailed: 'Writes may be stopped: `countersign registry resume-writes` ends that.',
    async run(tools) {
      await tools.deploy({ tables: { generation: 2, other: { generation: 1 } } });
      tools.remember('generation', '2');
      const { json } = await tools.countersign(['registry', 'show']);
      await tools.countersign(['registry', 'resume-writes']);
      await tools.awsCommand(tools.home, ['dynamodb', 'delete-table', '--table-name', restored(tools)]);
      const works = await tools.until('registrations', 120, async () => allOf(await registers(tools)));
      return { shown: JSON.stringify(json), table: tableName(tools.stage, 'registry', 2), works };
    },
    checks: [
      { what: 'the Regions use generation 2', holds: ({ shown, table }) => shown.includes(`"${table}"`) },
      { what: 'every Region registers', holds: ({ works }) => works },
    ],
  }),
  step({
    name: 'destroy',
    does: 'destroys the stacks (`countersign destroy`)',
    after: ['deploy'],
    needs: [],
    last: true,
    ifFailed: 'Run it again, or see docs/deploy.md, "Removal".',
    async run({ deleteClient, destroy, stacks }) {
      await deleteClient();
      await destroy();
      return stacks();
    },
    checks: [
      {
        what: 'no stack of a Region is left',
        holds: (left) => !left.some((name) => /-(region-.+|watch)$/.test(name)),
      },
    ],
  }),
];

async function pauseReplication(tools: Tools) {
  const { home, away } = tools;
  const table = tableName(tools.stage, 'registry', tools.recall('generation') === '2' ? 2 : 1);
  const described = await tools.awsCommand(away, ['dynamodb', 'describe-table', '--table-name', table]);
  const strong = described.Table.MultiRegionConsistency === 'STRONG';
  const template = {
    description: 'Countersign: replication of registry paused',
    roleArn: tools.fisRole,
    stopConditions: [{ source: 'none' }],
    targets: {
      table: {
        resourceType: 'aws:dynamodb:global-table',
        resourceArns: [described.Table.TableArn],
        selectionMode: 'ALL',
      },
    },
    actions: {
      pause: {
        actionId: 'aws:dynamodb:global-table-pause-replication',
        parameters: { duration: PAUSE },
        targets: { Tables: 'table' },
      },
    },
  };
  const made = ['fis', 'create-experiment-template', '--cli-input-json', JSON.stringify(template)];
  const { experimentTemplate } = await tools.awsCommand(away, made);
  const status = async (id: string): Promise<string> =>
    (await tools.awsCommand(away, ['fis', 'get-experiment', '--id', id])).experiment.state.status;
  try {
    const start = ['fis', 'start-experiment', '--experiment-template-id', experimentTemplate.id];
    const { id } = (await tools.awsCommand(away, start)).experiment;
    const ran = await tools.until('the experiment runs', 120, async () => (await status(id)) === 'running');
    // The experiment denies replication by a policy of the table, which takes effect within a minute.
    await delay(60_000);
    const acknowledged = await Promise.all(
      [home, away].map((region) => idOf(tools, region, `paused-${region}-${Date.now()}`)),
    );
    await tools.until('the end of the experiment', 600, async () =>
      ['completed', 'stopped', 'failed'].includes(await status(id)),
    );
    const ids = acknowledged.filter((each) => each !== undefined);
    const read = await tools.until('what was acknowledged, in every Region', 900, async () => {
      const looks = ids.flatMap((each) => tools.regions.map(({ name }) => isReadIn(tools, name, each)));
      return (await Promise.all(looks)).every(Boolean);
    });
    return { ran, strong, home: acknowledged[0] !== undefined, away: acknowledged[1] !== undefined, read };
  } finally {
    await tools.awsCommand(away, ['fis', 'delete-experiment-template', '--id', experimentTemplate.id]);
  }
}

interface Key {
  readonly kid: string;
  readonly state: string;
}

interface Keyset {
  readonly purpose: string;
  readonly keys: readonly Key[];
  readonly regions: readonly (Region & { readonly kids?: readonly string[] | null })[];
}

const restored = ({ stage }: Tools): string => `countersign-${stage}-registry-restored`;
const allOf = (found: readonly boolean[]): boolean => found.every(Boolean);
const isUnchanged = ({ state }: { readonly state: string }): boolean => state === 'unchanged';

const sameNames = (named: readonly { name: string }[], regions: readonly { name: string }[]): boolean =>
  JSON.stringify(named.map(({ name }) => name).sort()) ===
  JSON.stringify(regions.map(({ name }) => name).sort());

/** Whether a key signs, and each Region has every key that is not revoked. */
export function isEverywhere(
  { keys, regions }: Keyset,
  expected: readonly { readonly name: string }[],
): boolean {
  const live = keys.filter(({ state }) => state === 'current' || state === 'next');
  return (
    live.some(({ state }) => state === 'current') &&
    expected.every(({ name }) => {
      const kids = regions.find(({ region }) => region === name)?.kids ?? [];
      return live.every(({ kid }) => kids.includes(kid));
    })
  );
}

/** The code is read from the text: the emulator leaves a member of some problems unfinished. */
async function answerOf(url: string, init?: RequestInit) {
  const answer = await fetch(url, init);
  const text = await answer.text();
  return {
    status: answer.status,
    code: /"code":\s*"(\w+)"/.exec(text)?.[1],
    isText: text.trimStart().startsWith('{'),
  };
}

/** Sends a request again, in every Region. @returns the statuses, without refusals for want of capacity */
async function replay(request: Request, { regions }: Tools): Promise<number[]> {
  const origin = regions.find(({ url }) => request.url.startsWith(url))!.url;
  const again = async (url: string): Promise<number> => {
    for (;;) {
      const { status } = await fetch(new Request(url + request.url.slice(origin.length), request.clone()));
      if (status !== 503 && status !== 429) return status;
      await delay(1_000);
    }
  };
  return Promise.all(regions.flatMap(({ url }) => Array.from({ length: REPLAYS }, () => again(url))));
}

/** @returns whether each Region registers a user now */
const registers = async (tools: Tools, regions = tools.regions, patienceMs = 30_000): Promise<boolean[]> => {
  const found = [];
  for (const { name } of regions)
    found.push((await idOf(tools, name, `user-${name}-${Date.now()}`, patienceMs)) !== undefined);
  await tools.replicate();
  return found;
};

/** @returns the registration's id, or undefined if this Region did not register the user */
async function idOf(
  tools: Tools,
  region: string,
  user_id: string,
  patienceMs = 30_000,
): Promise<string | undefined> {
  const client = await tools.client(region);
  return client.register({ user_id }, { signal: AbortSignal.timeout(patienceMs) }).then(
    ({ id }) => id,
    () => undefined,
  );
}

const isReadIn = async (tools: Tools, region: string, id: string): Promise<boolean> =>
  (await tools.client(region)).get(id).then(
    () => true,
    () => false,
  );

/** A signed request to register that was not sent. */
async function heldRequest(tools: Tools, region: string): Promise<Request> {
  let held: Request | undefined;
  const keep = (request: Request): never => {
    held ??= request;
    throw new TypeError('kept, and not sent');
  };
  const client = await tools.client(region, keep);
  await client.register({ user_id: `held-${region}-${Date.now()}` }).catch(() => {});
  return held!;
}

/**
 * @returns the Region that answers at the entry for whoever asks from here. Each look has a connection of its
 * own, so that it asks the name server again.
 */
async function entryRegion({ entry }: Tools): Promise<string | undefined> {
  const answer = Promise.withResolvers<string | undefined>();
  get(`${entry}/v1/health`, { agent: false, timeout: 10_000 }, async (response) => {
    const { region } = (await readJson(response).catch(() => ({}))) as { readonly region?: string };
    answer.resolve(response.statusCode === 200 ? region : undefined);
  }).on('error', () => answer.resolve(undefined));
  return answer.promise;
}
