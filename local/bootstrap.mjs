/**
 * The launcher of `npm start`, `npm test` and the other npm scripts. It is plain JavaScript, which the
 * machine's own Node can run on a fresh clone. It installs missing packages, then runs the program with the
 * Node that is installed in the project.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', '.bin');
const windows = process.platform === 'win32';
const [command = '', ...args] = process.argv.slice(2);

/**
 * `takes` lists the arguments that a command accepts. An argument that begins with `-` is a flag, and few
 * commands accept one.
 */
const commands = {
  // `start` and `prove` have their own flags, and answer --help themselves.
  start: { run: () => runOwn('local/main.ts') },
  bench: {
    ...{ does: 'Measures, and writes docs/performance.md.', takes: '[PART...]' },
    run: () => runOwn('bench/main.ts'),
  },
  test: {
    ...{ does: 'Checks, compiles and tests, with what npm installs.', takes: '[FILE...] [vitest flags]' },
    run: () => (process.env.CI === 'true' ? testAll() : testWithNpmOnly()),
  },
  'test:all': {
    ...{ does: 'The same, and the suites on real parts.', takes: '[FILE...] [vitest flags]' },
    run: testAll,
  },
  'deploy:local': {
    does: 'Deploys the stacks to an emulator on this machine, until Ctrl-C.',
    run: () => runOwn('local/deploy/main.ts'),
  },
  prove: { run: () => runOwn('scripts/prove.ts') },
  model: {
    does: 'Searches the models deeper than npm test does.',
    run: () => run(join(bin, 'vitest'), ['run', 'test/model'], { env: { COUNTERSIGN_MODEL: 'deep' } }),
  },
  mutants: {
    ...{
      does: 'Takes out the code of each guarantee, and runs the tests that must fail.',
      takes: '[GUARANTEE|FILE...]',
    },
    run: () => runOwn('test/mutants/run.ts'),
  },
  build: { does: 'Builds the packages, into dist/.', run: () => runOwn('scripts/build.ts') },
};

// A signal from the terminal reaches the child too. A signal that was sent to this process alone is passed on
// to the child. After a signal no new step starts, and this process ends when the child ends.
let child;
let ended;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(signal));
// npm passes signals on. If npm itself is killed by SIGKILL, it cannot; then this process gets another
// parent.
const parent = process.ppid;
if (process.env.npm_lifecycle_event)
  setInterval(() => process.ppid !== parent && end('SIGTERM'), 500).unref();

process.exitCode = await main();

async function main() {
  if (!Object.hasOwn(commands, command)) {
    say(`usage: node local/bootstrap.mjs ${Object.keys(commands).join('|')}`);
    return 2;
  }
  const answered = answerArguments(commands[command]);
  if (answered !== undefined) return answered;
  if (isTooOld()) return 3;
  return (await install()) || (await commands[command].run());
}

/** @returns the exit code if nothing runs: for --help, or for an argument that the command does not accept */
function answerArguments({ does, takes = '' }) {
  if (does === undefined) return undefined;
  const usage = `Usage: npm run ${command}${takes && ` -- ${takes}`}\n\n${does}`;
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const wrong = args.find((arg) => (arg.startsWith('-') ? !takes.includes('flags') : takes === ''));
  if (wrong === undefined) return undefined;
  say(`error: unknown ${wrong.startsWith('-') ? 'option' : 'argument'} '${wrong}'\n\n${usage}`);
  return 2;
}

/** Whether Node is older than package.json allows. npm itself only warns. */
function isTooOld() {
  const oldest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node.slice('>='.length);
  const tooOld = Number(process.versions.node.split('.')[0]) < Number(oldest);
  if (tooOld) say(`this needs Node ${oldest} or later, and this is ${process.versions.node}`);
  return tooOld;
}

async function install() {
  if (isInstalled()) return 0;
  say('Installing missing packages (once) ...');
  const npm = process.env.npm_execpath;
  const ci = ['ci', '--include=dev', '--loglevel=error'];
  // npm's output goes to stderr: stdout belongs to the program that runs afterwards.
  const code = await (npm && /\.[cm]?js$/.test(npm)
    ? run(process.execPath, [npm, ...ci], { stdio: ['ignore', 2, 2] })
    : run('npm', ci, { stdio: ['ignore', 2, 2], shell: windows }));
  if (ended) return exitCodeOf(ended);
  if (code !== 0) say('npm ci failed; see above. Fix that and run the command again.');
  return code;
}

/** Whether npm's record of installed packages agrees with the lock file. npm writes that record last. */
function isInstalled() {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const installed = packagesOf(record);
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    const found = installed[path];
    // Optional packages for another operating system are not installed.
    if (!found) return path === '' || optional === true;
    return found.version === version && found.integrity === integrity;
  });
}

function packagesOf(lockFile) {
  return JSON.parse(readFileSync(lockFile, 'utf8')).packages;
}

async function testWithNpmOnly() {
  const code = await checks({});
  say(
    '\n`npm run test:all` also runs the tests with real parts, such as the stacks on an emulator, and of the packages. It needs Python 3.10 or later.',
  );
  return code;
}

function testAll() {
  return checks({ COUNTERSIGN_TEST_ALL: '1' });
}

/** Runs lint, type check and tests, and stops at the first failure. The arguments choose test files. */
async function checks(env) {
  const tool = (name, ...rest) => run(join(bin, name), rest, { shell: windows, env });
  return (
    (await tool('biome', 'check', '.')) ||
    (await tool('tsc', '--noEmit')) ||
    (await tool('vitest', 'run', ...args))
  );
}

/**
 * Runs one of the project's programs. It notices when this process ends, even by SIGKILL: the IPC channel
 * closes.
 */
function runOwn(file) {
  return run(node(), [file, ...args], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
}

function end(signal) {
  ended ??= signal;
  child?.kill(signal);
}

function node() {
  return windows ? join(root, 'node_modules', 'node', 'bin', 'node.exe') : join(bin, 'node');
}

/** @returns the exit code, as a shell would report it */
function run(file, params, { env = {}, ...options } = {}) {
  if (ended) return exitCodeOf(ended);
  const path = [bin, process.env.PATH].join(delimiter);
  // Node caches compiled code: the many processes of a run load the same libraries.
  const NODE_COMPILE_CACHE = join(root, 'node_modules', '.cache', 'node');
  const environment = { NODE_COMPILE_CACHE, ...process.env, ...env, PATH: path };
  return new Promise((resolve) => {
    child = spawn(file, params, { cwd: root, stdio: 'inherit', env: environment, ...options });
    child.on('error', (error) => {
      say(`cannot run ${file}: ${error.message}`);
      resolve(127);
    });
    child.on('exit', (code, signal) => resolve(code ?? exitCodeOf(signal)));
  });
}

function exitCodeOf(signal) {
  return 128 + constants.signals[signal];
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
