/** Python tools and libraries, in a virtual environment of the checkout's own. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DIRECTORY, installOnce } from './install.ts';

const run = promisify(execFile);
const VENV = join(DIRECTORY, 'venv');

/** The tools, by the name of the command that each installs. */
const TOOLS = { ministack: 'ministack==1.5.33' } as const;

/** @returns the path of the command, installed if it was not */
export async function pythonTool(name: keyof typeof TOOLS): Promise<string> {
  await install([TOOLS[name]]);
  return join(VENV, 'bin', name);
}

/** @returns the path of a Python with the packages of a requirements file */
export async function pythonWith(requirementsFile: string): Promise<string> {
  const lines = (await readFile(requirementsFile, 'utf8')).split('\n');
  await install(lines.map((line) => line.trim()).filter((line) => /^\w/.test(line)));
  return join(VENV, 'bin', 'python');
}

async function install(requirements: readonly string[]): Promise<void> {
  await installOnce('venv', async () => {
    await requirePython();
    await run('python3', ['-m', 'venv', '--clear', VENV]);
  });
  await installOnce(`venv ${requirements.join(' ')}`, async () => {
    const options = ['--quiet', '--disable-pip-version-check'];
    await run(join(VENV, 'bin', 'pip'), ['install', ...options, ...requirements]);
  });
}

async function requirePython(): Promise<void> {
  const check = 'import sys; sys.exit(sys.version_info < (3, 10))';
  await run('python3', ['-c', check]).catch((cause) => {
    throw new Error('this needs Python 3.10 or newer, as python3 on the PATH', { cause });
  });
}
