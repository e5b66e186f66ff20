/**
 * `npm run build`: builds the packages that others install, each in its own directory of `dist/`. Node does
 * not strip types under node_modules, and the CDK bundles no sources from there. So the packages hold
 * JavaScript, declarations and built functions.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { bundleFunctions } from '../lib/functions/bundles.ts';

const inRoot = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const readJson = (path: string) => JSON.parse(readFileSync(inRoot(path), 'utf8'));
const root = readJson('package.json');
const sdk = readJson('sdk/typescript/package.json');

/** The app that installs the package has its own copy, one of each. */
const PEERS = ['aws-cdk-lib', 'constructs'];

interface Package {
  readonly directory: string;
  /** The entry sources, relative to the root. */
  readonly entries: readonly string[];
  readonly readme: string;
  readonly manifest: {
    readonly name: string;
    /** Those that an app may go without. */
    readonly peerDependencies?: Readonly<Record<string, string>>;
  };
}

/** @returns the packages' directories, for `npm pack` */
export function build(outdir = inRoot('dist')): { readonly sdk: string; readonly countersign: string } {
  rmSync(outdir, { recursive: true, force: true });
  const directories = { sdk: join(outdir, 'sdk'), countersign: join(outdir, 'countersign') };
  buildSdk(directories.sdk);
  buildPlatform(directories.countersign, directories.sdk);
  return directories;
}

function buildSdk(directory: string): void {
  const from = 'sdk/typescript';
  const names = [
    ...['index', 'schema/index', 'testing/index', 'webhooks/index', 'webhooks/dynamodb'],
    ...['transport/browser', 'transport/node', 'opentelemetry/none', 'opentelemetry/node'],
    ...['identity/none', 'identity/node'],
  ];
  const entries = names.map((name) => `${from}/${name}.ts`);
  // The same modules, under their compiled names.
  const compiled = (member: object) =>
    JSON.parse(JSON.stringify(member).replace(/"\.\/([^"]+)\.ts"/g, `"./${from}/$1.js"`));
  compile(directory, entries);
  finish({ directory, entries, readme: `${from}/README.md`, manifest: compiled(sdk) });
}

function buildPlatform(directory: string, sdkDirectory: string): void {
  const entries = ['lib/index.ts', 'cli/start.ts'];
  const types = (name: string) => [join(sdkDirectory, `sdk/typescript/${name}.d.ts`)];
  compile(directory, entries, {
    [sdk.name]: types('index'),
    [`${sdk.name}/webhooks`]: types('webhooks/index'),
  });
  bundleFunctions(join(directory, 'functions'));
  // `vault setup` writes the first policy, and its messages name the others.
  for (const policy of ['rotate', 'setup', 'upkeep'])
    cpSync(inRoot(`cli/vault/${policy}.hcl`), join(directory, `cli/vault/${policy}.hcl`));
  packDocs(join(directory, 'docs'));
  mkdirSync(join(directory, 'bin'));
  writeFileSync(join(directory, 'bin/countersign.js'), launcher(sdk.engines.node));
  const { name, version, description, license, type } = root;
  const manifest = {
    ...{ name, version, description, license, type, engines: sdk.engines },
    exports: './lib/index.js',
    bin: { countersign: './bin/countersign.js' },
  };
  finish({ directory, entries, readme: 'lib/README.md', manifest });
}

/**
 * The command's messages and the README name pages, these name others, and the dashboard shows the runbook.
 * A link to what the package lacks, such as a test, becomes its text.
 */
function packDocs(directory: string): void {
  cpSync(inRoot('docs'), directory, { recursive: true });
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.md')) continue;
    const page = join(directory, name);
    const isPacked = (target: string) => existsSync(join(dirname(page), target));
    const text = readFileSync(page, 'utf8').replace(LINK, (link, shown, target) =>
      /^https?:/.test(target) || isPacked(target) ? link : shown,
    );
    writeFileSync(page, text);
  }
}

const LINK = /\[([^\]]*)\]\(([^)#\s]+)(?:#[^)]*)?\)/g;

/** @param engines `>=` and the oldest Node that the command's libraries load on */
function launcher(engines: string): string {
  const [major, minor] = engines.slice('>='.length).split('.');
  return `#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number);
if (major > ${major} || (major === ${major} && minor >= ${minor})) await import('../cli/start.js');
else {
  process.stderr.write(\`error: countersign needs Node ${major}.${minor} or later, and this is \${process.versions.node}\\n\`);
  process.exitCode = 3;
}
`;
}

/** Compiles every module that the entries import, with the same layout as the sources. */
export function compile(
  outDir: string,
  entries: readonly string[],
  paths: Record<string, string[]> = {},
): void {
  mkdirSync(outDir, { recursive: true });
  const project = join(outDir, 'tsconfig.json');
  const compilerOptions = {
    ...{ noEmit: false, declaration: true, rewriteRelativeImportExtensions: true },
    ...{ rootDir: inRoot('.'), outDir, paths, typeRoots: [inRoot('node_modules/@types')] },
  };
  writeFileSync(
    project,
    JSON.stringify({
      extends: inRoot('tsconfig.json'),
      compilerOptions,
      include: [],
      files: entries.map(inRoot),
    }),
  );
  execFileSync(inRoot('node_modules/.bin/tsc'), ['--project', project], { stdio: 'inherit' });
  rmSync(project);
}

/** Adds the manifest, with the dependencies that the code imports, and the package's documents. */
function finish({ directory, entries, readme, manifest }: Package): void {
  // The package's own manifest (its side effects, for example) is read from where its imports are resolved.
  const write = (content: object) =>
    writeFileSync(join(directory, 'package.json'), `${JSON.stringify(content, undefined, 2)}\n`);
  write(manifest);
  const versions: Record<string, string> = { ...root.dependencies, [sdk.name]: sdk.version };
  const dependencies: Record<string, string> = {};
  const peerDependencies: Record<string, string> = { ...manifest.peerDependencies };
  for (const name of importedPackages(directory, entries)) {
    if (name in peerDependencies) continue;
    const version = versions[name];
    if (version === undefined)
      throw new Error(`${manifest.name} imports ${name}, which package.json does not name`);
    if (PEERS.includes(name)) peerDependencies[name] = `^${version}`;
    else dependencies[name] = version;
  }
  write({ ...manifest, dependencies, peerDependencies });
  cpSync(inRoot(readme), join(directory, 'README.md'));
  cpSync(inRoot('LICENSE'), join(directory, 'LICENSE'));
}

function importedPackages(directory: string, entries: readonly string[]): string[] {
  const { metafile, warnings } = buildSync({
    absWorkingDir: directory,
    entryPoints: entries.map((path) => path.replace(/\.ts$/, '.js')),
    ...{ bundle: true, write: false, outdir: 'unwritten', metafile: true },
    ...{ format: 'esm', platform: 'node', packages: 'external', external: ['#*'], logLevel: 'silent' },
  });
  if (warnings.length > 0) throw new Error(warnings.map(({ text }) => text).join('\n'));
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const outside = imports.map(({ path }) => path).filter((path) => !isBuiltin(path) && !path.startsWith('#'));
  return [...new Set(outside.map((path) => path.match(/^(@[^/]+\/)?[^/]+/)![0]))].sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build();
