/** The bootstrap in its own project, with an npm and tools that only record how they were called. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, onTestFailed, test } from 'vitest';

const source = fileURLToPath(new URL('../../local/bootstrap.mjs', import.meta.url));
let project: string;

/**
 * Every tool records its name, its arguments and the tests' environment variable; FAIL names one that fails.
 */
const TOOL = `#!/bin/sh
name=$(basename "$0")
echo "$name $* all=$COUNTERSIGN_TEST_ALL" >> "$NOTES"
[ "$FAIL" = "$name" ] && exit 3
exit 0
`;
/** The result of npm ci: the tools, and then its record of the installation. */
const NPM = `
import { chmodSync, copyFileSync, appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
appendFileSync(process.env.NOTES, 'npm ' + process.argv.slice(2).join(' ') + '\\n');
console.log('npm talks');
if (process.env.FAIL === 'npm') process.exit(4);
mkdirSync('node_modules/.bin', { recursive: true });
for (const name of ['node', 'biome', 'tsc', 'vitest']) {
  writeFileSync('node_modules/.bin/' + name, process.env.TOOL);
  chmodSync('node_modules/.bin/' + name, 0o755);
}
copyFileSync('package-lock.json', 'node_modules/.package-lock.json');
`;

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'countersign-'));
  mkdirSync(join(project, 'local'));
  copyFileSync(source, join(project, 'local/bootstrap.mjs'));
  writeFileSync(join(project, 'npm.mjs'), NPM);
  writeFileSync(join(project, 'package.json'), '{ "engines": { "node": ">=20" } }');
  lock('1.0.0');
});
afterEach(() => rmSync(project, { recursive: true }));

function lock(version: string): void {
  const packages = {
    '': { name: 'project' },
    'node_modules/a': { version, integrity: `sha512-${version}` },
    'node_modules/for-another-machine': { version: '1.0.0', optional: true },
  };
  writeFileSync(join(project, 'package-lock.json'), JSON.stringify({ packages }));
}

function bootstrap(args: string[], env: Record<string, string> = {}, node: readonly string[] = []) {
  const notes = join(project, 'notes');
  rmSync(notes, { force: true });
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...node, join(project, 'local/bootstrap.mjs'), ...args],
    {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, npm_execpath: join(project, 'npm.mjs'), NOTES: notes, TOOL, ...env },
    },
  );
  const calls = existsSync(notes) ? readFileSync(notes, 'utf8').trim().split('\n') : [];
  return { status, stdout, stderr, calls };
}

test('the first run installs, the second starts at once', () => {
  const first = bootstrap(['start', '--json']);
  expect(first.calls).toEqual(['npm ci --include=dev --loglevel=error', 'node local/main.ts --json all=']);
  expect(first.stdout).toBe('');
  expect(first.stderr).toContain('Installing');
  const second = bootstrap(['start', '--json']);
  expect(second.calls).toEqual(['node local/main.ts --json all=']);
  expect(second.stderr).toBe('');
});

test('a changed lock file and an interrupted installation both cause a new installation', () => {
  bootstrap(['start']);
  lock('2.0.0');
  expect(bootstrap(['start']).calls[0]).toContain('npm ci');
  rmSync(join(project, 'node_modules/.package-lock.json'));
  expect(bootstrap(['start']).calls[0]).toContain('npm ci');
});

test('an installation that fails ends the run, with its exit code', () => {
  const { status, calls } = bootstrap(['test'], { FAIL: 'npm' });
  expect(status).toBe(4);
  expect(calls).toHaveLength(1);
});

test('npm test checks, compiles and tests, and says what it skipped', () => {
  const { status, calls, stderr } = bootstrap(['test', 'test/protocol']);
  expect(status).toBe(0);
  expect(calls.slice(1)).toEqual([
    'biome check . all=',
    'tsc --noEmit all=',
    'vitest run test/protocol all=',
  ]);
  expect(stderr).toContain('`npm run test:all` also runs');
});

test.each([
  [['test:all'], {}],
  [['test'], { CI: 'true' }],
])('%j with %j also runs the suites on real services', (args, env: Record<string, string>) => {
  const { calls, stderr } = bootstrap(args, env);
  expect(calls.at(-1)).toBe('vitest run all=1');
  expect(stderr).not.toContain('test:all` also runs');
});

test('the first step that fails ends the tests, with its exit code', () => {
  const { status, calls } = bootstrap(['test'], { FAIL: 'tsc' });
  expect(status).toBe(3);
  expect(calls.at(-1)).toBe('tsc --noEmit all=');
});

test('npm run bench measures', () => {
  expect(bootstrap(['bench', 'nonce']).calls.at(-1)).toBe('node bench/main.ts nonce all=');
});

const programs = ['bench', 'test', 'test:all', 'deploy:local', 'model', 'mutants', 'build'];

test.each(
  programs
    .flatMap(
      (name) =>
        [
          [name, '--help'],
          [name, 'x', '-h'],
        ] as const,
    )
    .map((args) => [args]),
)('%j is answered, and neither installs nor runs anything', (args) => {
  const { status, stdout, stderr, calls } = bootstrap([...args]);
  expect({ status, stderr, calls }).toEqual({ status: 0, stderr: '', calls: [] });
  expect(stdout).toMatch(new RegExp(`^Usage: npm run ${args[0]}`));
});

test.each([
  ...['bench', 'deploy:local', 'model', 'mutants', 'build'].map((name) => [name, '--force']),
  ...['deploy:local', 'model', 'build'].map((name) => [name, 'x']),
])('%s rejects %s, and runs nothing', (name, wrong) => {
  const { status, stdout, stderr, calls } = bootstrap([name!, wrong!]);
  expect({ status, stdout, calls }).toEqual({ status: 2, stdout: '', calls: [] });
  expect(stderr).toContain(`unknown ${wrong === 'x' ? 'argument' : 'option'} '${wrong}'`);
});

test('npm start and npm run prove check their own flags, and tests accept the flags of vitest', () => {
  expect(bootstrap(['start', '--help']).calls.at(-1)).toBe('node local/main.ts --help all=');
  expect(bootstrap(['prove', '--help']).calls.at(-1)).toBe('node scripts/prove.ts --help all=');
  expect(bootstrap(['test', '--bail=1']).calls.at(-1)).toBe('vitest run --bail=1 all=');
});

test('every script of package.json that uses the bootstrap is tested here', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const started = Object.entries<string>(scripts).filter(([, line]) => line.includes('bootstrap.mjs'));
  expect(started.map(([name]) => name).sort()).toEqual([...programs, 'start', 'prove'].sort());
});

test('on a Node that is too old it says so in one sentence, and installs nothing', () => {
  const preload = join(project, 'older.mjs');
  for (const [version, status] of [
    ['18.20.8', 3],
    ['20.0.0', 0],
  ] as const) {
    writeFileSync(preload, `Object.defineProperty(process.versions, 'node', { value: '${version}' });`);
    const ran = bootstrap(['start'], {}, ['--import', preload]);
    expect(ran.status).toBe(status);
    if (status === 0) continue;
    expect(ran.stderr).toBe('this needs Node 20 or later, and this is 18.20.8\n');
    expect(ran.calls).toEqual([]);
  }
});

test('an unknown command gets an error that lists the commands', () => {
  const { status, stderr, calls } = bootstrap(['toString']);
  expect(status).toBe(2);
  expect(stderr).toContain('start|bench|test|test:all');
  expect(calls).toEqual([]);
});

/** The project's Node (this process's own), and a program that runs until it gets a signal. */
function installLongRunning(onEnd: string): void {
  bootstrap(['start']);
  rmSync(join(project, 'node_modules/.bin/node'));
  symlinkSync(process.execPath, join(project, 'node_modules/.bin/node'));
  copyFileSync(join(dirname(source), 'interruption.ts'), join(project, 'local/interruption.ts'));
  writeFileSync(join(project, 'package.json'), '{"type":"module","engines":{"node":">=20"}}');
  writeFileSync(
    join(project, 'local/main.ts'),
    `import { interruption } from './interruption.ts';
const interrupted = interruption();
setInterval(() => {}, 1000);
interrupted.addEventListener('abort', () => { console.log('in order'); ${onEnd} });
console.log('runs', process.pid);`,
  );
}

interface Launched {
  readonly launcher: ChildProcess;
  readonly exited: Promise<[code: number | null, signal: string | null]>;
  /** The whole output, once the launcher and its child have ended. */
  readonly printed: Promise<string>;
}

async function launch(...[file, ...args]: [string, ...string[]]): Promise<Launched> {
  const launcher = spawn(file, args, {
    env: {
      PATH: process.env.PATH,
      npm_lifecycle_event: 'start',
      npm_execpath: join(project, 'npm.mjs'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [launcher.stdout!, launcher.stderr!])
    stream.on('data', (data) => {
      text += data;
    });
  const printed = once(launcher, 'close').then(() => text);
  const exited = once(launcher, 'exit') as Launched['exited'];
  const started = /^runs (\d+)\n/m;
  while (!started.test(text)) {
    const more = [once(launcher.stdout!, 'data'), once(launcher.stderr!, 'data'), exited];
    await Promise.race(more);
    if (launcher.exitCode !== null) throw new Error(`it ended before it ran: ${text}`);
  }
  const pid = Number(started.exec(text)![1]);
  onTestFailed(() => {
    process.kill(pid, 'SIGKILL');
  });
  return { launcher, exited, printed };
}

const bootstrapped = (): [string, ...string[]] => [
  process.execPath,
  join(project, 'local/bootstrap.mjs'),
  'start',
];

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  "%s to the launcher alone ends its child in order, and the exit code is the child's",
  async (signal) => {
    installLongRunning('process.exit(0)');
    const { launcher, exited, printed } = await launch(...bootstrapped());
    launcher.kill(signal);
    expect(await exited).toEqual([0, null]);
    expect(await printed).toMatch(/^runs \d+\nin order\n$/);
  },
);

test.each([
  ['SIGINT', 130],
  ['SIGHUP', 129],
  ['SIGTERM', 143],
  ['SIGKILL', 137],
] as const)('if %s ends the child, the exit code says so', async (signal, code) => {
  installLongRunning(`process.removeAllListeners('${signal}'); process.kill(process.pid, '${signal}')`);
  const { launcher, exited } = await launch(...bootstrapped());
  launcher.kill('SIGTERM');
  expect(await exited).toEqual([code, null]);
});

test('a launcher that is killed outright takes its child along', async () => {
  installLongRunning('process.exit(0)');
  const { launcher, exited, printed } = await launch(...bootstrapped());
  launcher.kill('SIGKILL');
  expect(await exited).toEqual([null, 'SIGKILL']);
  expect(await printed).toMatch(/^runs \d+\nin order\n$/);
});

test('an npm that is killed outright takes them along, too', async () => {
  installLongRunning('process.exit(0)');
  const command = bootstrapped().map((word) => `'${word}'`);
  const { launcher, printed } = await launch('sh', '-c', `${command.join(' ')}; exit $?`);
  launcher.kill('SIGKILL');
  expect(await printed).toMatch(/^runs \d+\nin order\n$/);
});

test('a signal during the installation ends it, and nothing is started', async () => {
  writeFileSync(
    join(project, 'npm.mjs'),
    `process.on('SIGTERM', () => process.exit(1));
setInterval(() => {}, 1000);
console.log('runs', process.pid);`,
  );
  const { launcher, exited, printed } = await launch(...bootstrapped());
  launcher.kill('SIGTERM');
  expect(await exited).toEqual([143, null]);
  expect(await printed).toMatch(/^Installing[^\n]*\nruns \d+\n$/);
});
