/** A project like that of a team that deploys: with its own `cdk`, run as preflight runs it. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { awsParts } from '../../cli/deploy/aws-parts.ts';
import { EXIT } from '../../cli/io.ts';
import { printableOut } from '../../cli/printable.ts';
import { readDeployPlans } from '../../cli/project.ts';
import threeRegions from '../../examples/config/three-regions.ts';
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { startServer } from '../../local/server.ts';

/** The longest time that a test waits for the CDK. */
const SYNTH_MS = 300_000;

const root = new URL('../../', import.meta.url).pathname;

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'countersign-project-'));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(cwd, { recursive: true });
});

function writeApp(config: unknown, lock: string): void {
  const { context } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8'));
  const app = `${process.execPath} app.ts`;
  writeFileSync(
    join(cwd, 'cdk.json'),
    JSON.stringify({ app, context: { ...context, 'countersign:lock': lock } }),
  );
  writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
  symlinkSync(join(root, 'node_modules'), join(cwd, 'node_modules'));
  const source = readFileSync(join(root, 'bin/countersign.ts'), 'utf8')
    .replaceAll("'../lib/", `'${root}lib/`)
    .replace("import('../countersign.config.ts')", `{ default: ${JSON.stringify(config)} }`);
  writeFileSync(join(cwd, 'app.ts'), source);
}

async function read(onReady?: (interrupt: () => void) => void) {
  const stderr = new PassThrough();
  const env = { PATH: '/usr/bin:/bin', HOME: cwd, AWS_EC2_METADATA_DISABLED: 'true' };
  const plans = readDeployPlans({
    ...{ stdin: Readable.from([]), stdout: new PassThrough(), stderr: printableOut(stderr), env, cwd },
    onInterrupt(interrupt) {
      onReady?.(interrupt);
      return () => {};
    },
  });
  const said = () => String(stderr.read() ?? '');
  return plans.then(
    (found) => ({ plans: found, said: said() }),
    (error: Error) => ({ error, said: said() }),
  );
}

it('preflight reads the stage from the project itself', { timeout: SYNTH_MS }, async () => {
  writeApp(threeRegions, 'write');
  expect(await read()).toEqual({
    plans: [expect.objectContaining({ stage: threeRegions.stage.name, kind: 'prod' })],
    said: 'running `cdk synth` to read what the project deploys\n',
  });
});

it('a config that cannot be deployed ends the run, and each wrong setting is named', {
  timeout: SYNTH_MS,
}, async () => {
  writeApp({ ...threeRegions, nonceLife: 'PT2H', errorDocsUrl: 'no URL' }, 'write');
  const { error, said } = (await read()) as { error: Error; said: string };
  expect(error).toMatchObject({
    exitCode: EXIT.failed,
    message: expect.stringContaining('`cdk synth` failed'),
  });
  const lines = said.split('\n').map((line) => line.trim());
  for (const setting of ['nonceLife: must be 10 seconds to 1 hour', 'errorDocsUrl: '])
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^(- )?${setting}`)));
  expect(said).not.toContain('\\n');
});

it('a lock that was not written ends the run, with the command that writes it', {
  timeout: SYNTH_MS,
}, async () => {
  writeApp(threeRegions, '');
  expect((await read()).said).toContain('npx cdk synth -c countersign:lock=write');
});

it('outside a project preflight says so, and ends with 2', async () => {
  expect(await read()).toMatchObject({
    error: {
      exitCode: EXIT.usage,
      message: `${cwd} is not a CDK project: run this command in the folder of cdk.json`,
    },
  });
});

it('without an installed cdk command preflight says so, and ends with 2', async () => {
  writeFileSync(join(cwd, 'cdk.json'), '{}');
  expect(await read()).toMatchObject({
    error: {
      exitCode: EXIT.usage,
      message: expect.stringContaining('the cdk command, which is not installed'),
    },
  });
});

it.each<[string, number, (interrupt: () => void, terminate: () => void) => void]>([
  ['takes too long', EXIT.failed, () => void vi.advanceTimersByTime(5 * 60_000)],
  ['is interrupted', EXIT.interrupted, (interrupt) => interrupt()],
  ['is to end', EXIT.interrupted, (_, terminate) => terminate()],
])('a synth that %s leaves neither a process nor a folder behind', async (_, exitCode, end) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  writeFileSync(join(cwd, 'cdk.json'), '{}');
  mkdirSync(join(cwd, 'node_modules/.bin'), { recursive: true });
  const started = join(cwd, 'started');
  // Ends only after the process that it starts.
  const script = `#!/bin/sh\nsleep 3600 & echo "$! $5" > ${started}.draft && mv ${started}.draft ${started}; wait\n`;
  writeFileSync(join(cwd, 'node_modules/.bin/cdk'), script, { mode: 0o700 });
  const others = new Set(process.listeners('SIGTERM'));
  const terminate = () => {
    for (const listener of process.listeners('SIGTERM')) if (!others.has(listener)) listener('SIGTERM');
  };
  const { error } = (await read(async (interrupt) => {
    // At least once: this is called before the command listens to what else may end it.
    do await new Promise(setImmediate);
    while (!existsSync(started));
    end(interrupt, terminate);
  })) as { error: Error };
  vi.useRealTimers();
  expect(error).toMatchObject({ exitCode });
  const [pid, outdir] = readFileSync(started, 'utf8').trim().split(' ');
  expect(outdir).toContain('countersign-synth-');
  expect(existsSync(outdir!)).toBe(false);
  await expect.poll(() => isAlive(Number(pid))).toBe(false);
});

const STACK =
  '<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>x</StackName><StackStatus>CREATE_COMPLETE</StackStatus></member></Stacks></DescribeStacksResult></DescribeStacksResponse>';
const NO_STACK =
  '<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id x does not exist</Message></Error></ErrorResponse>';

it('`cdk` ends with the command, which says that AWS goes on', async () => {
  mkdirSync(join(cwd, 'node_modules/.bin'), { recursive: true });
  const script = '#!/bin/sh\necho $$ > pid\nexec sleep 60\n';
  writeFileSync(join(cwd, 'node_modules/.bin/cdk'), script, { mode: 0o700 });
  const io = { cwd, env: { PATH: '/usr/bin:/bin' }, stderr: printableOut(new PassThrough()) };
  const plan = {
    stage: 'dev',
    stacks: [],
    stackRegions: [],
    regions: [],
    alarms: {},
  } as unknown as DeployPlan;
  const ending = new AbortController();
  const account = await startServer(0, new Set());
  account.serve(async (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/xml' }).end(STACK);
  });
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const aws = () => ({ region: 'eu-west-1', endpoint: account.url, credentials });
  const stack = { name: 'countersign-dev-region-eu-west-1', region: 'eu-west-1', part: 'region' } as const;
  const ended = awsParts(io, { plan, assembly: cwd, aws, signal: ending.signal }).destroy(stack);
  await expect
    .poll(() => existsSync(join(cwd, 'pid')) && readFileSync(join(cwd, 'pid'), 'utf8'))
    .toMatch(/\d\n/);
  ending.abort();
  await expect(ended).rejects.toMatchObject({ exitCode: 130, message: expect.stringContaining('was ended') });
  const pid = Number(readFileSync(join(cwd, 'pid'), 'utf8'));
  await expect.poll(() => isAlive(pid)).toBe(false);
  await account.stop();
});

it('each line that `cdk deploy` prints is a line', async () => {
  mkdirSync(join(cwd, 'node_modules/.bin'), { recursive: true });
  const script = "#!/bin/sh\nprintf 'one\\ntwo\\033[31m\\n'; printf 'three\\nfour\\n' >&2; exit 1\n";
  writeFileSync(join(cwd, 'node_modules/.bin/cdk'), script, { mode: 0o700 });
  const written = new PassThrough();
  const io = { cwd, env: { PATH: '/usr/bin:/bin' }, stderr: printableOut(written) };
  const account = await startServer(0, new Set());
  account.serve(async (_, response) => {
    response.writeHead(400, { 'Content-Type': 'text/xml' }).end(NO_STACK);
  });
  const plan: DeployPlan = {
    ...{ stage: 'dev', kind: 'dev', homeRegion: 'eu-west-1', keysManagedBy: 'eu-west-1' },
    ...{ consistency: 'eventual', tableGeneration: 1, stacks: [], stackRegions: [], regions: [] },
    concurrencyQuota: 1000,
    alarms: {},
  };
  const { signal } = new AbortController();
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const aws = () => ({ region: 'eu-west-1', endpoint: account.url, credentials });
  const stack = { name: 'countersign-dev-region-eu-west-1', region: 'eu-west-1', part: 'region' } as const;
  await expect(awsParts(io, { plan, assembly: cwd, aws, signal }).deploy(stack)).rejects.toThrow(
    '`cdk` failed, deploy of stack countersign-dev-region-eu-west-1 in eu-west-1: see above',
  );
  await account.stop();
  expect(String(written.read()).trimEnd().split('\n').sort()).toEqual([
    'four',
    'one',
    'three',
    'two\\u001b[31m',
  ]);
});

/** A process that has ended counts as gone, even before its parent waits for it. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
