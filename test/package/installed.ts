/** An empty project with the packed tarballs installed, and only the packages that they declare. */
import { execFile, execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from '../../scripts/build.ts';

const NODE_MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));

export interface Project {
  readonly directory: string;
  /** Runs a program in it, by default Node. @returns its output */
  run(args: readonly string[], options?: { command?: string; env?: Record<string, string> }): Promise<string>;
  read(name: string): string;
  write(name: string, content: string): void;
  remove(): void;
}

/**
 * Works without a network: each declared dependency is a link to this checkout's copy, which finds its own
 * dependencies there. The packages find theirs in the project, as after `npm install`.
 */
export function installPackages(): Project {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-installed-'));
  const modules = join(directory, 'node_modules');
  const packed = build(join(directory, 'dist'));
  for (const [name, source] of Object.entries({
    '@countersign/sdk': packed.sdk,
    countersign: packed.countersign,
  })) {
    const target = join(modules, name);
    unpack(pack(source), target);
    const manifest = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8'));
    for (const dependency of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }))
      link(dependency, modules);
  }
  rmSync(join(directory, 'dist'), { recursive: true });
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  return {
    directory,
    async run(args, { command = join(NODE_MODULES, '.bin/node'), env = {} } = {}) {
      const options = { cwd: directory, env: { PATH: process.env.PATH, ...env } };
      const { stdout } = await promisify(execFile)(command, args, options).catch(({ stdout, stderr }) => {
        throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`);
      });
      return stdout;
    },
    read: (name) => readFileSync(join(directory, name), 'utf8'),
    write: (name, content) => writeFileSync(join(directory, name), content),
    remove: () => rmSync(directory, { recursive: true }),
  };
}

function pack(source: string): string {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', source], { cwd: source });
  return join(source, readdirSync(source).find((name) => name.endsWith('.tgz'))!);
}

function unpack(tarball: string, target: string): void {
  mkdirSync(target, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', target]);
}

function link(name: string, modules: string): void {
  const path = join(modules, name);
  // The packages themselves are already unpacked there.
  if (name.startsWith('@countersign/')) return;
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  symlinkSync(join(NODE_MODULES, name), path);
}
