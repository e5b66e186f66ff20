/** One ES module per function, built by esbuild. The same sources give the same bytes. */
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, buildSync } from 'esbuild';
import { BUNDLES, type BundleName } from '../../lambda/contract/names.ts';
import { schemaModule } from '../../lambda/schema/compile.ts';
import type { EnrolmentPolicy } from '../../protocol/oauth/attestation.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** An installed package holds built functions; a checkout has their sources. */
const PREBUILT = join(ROOT, 'functions');

/**
 * The schema that entries import. It is a file beside the bundle, so bundles are the same for every operator.
 */
const SCHEMA_IMPORT = 'countersign:registration-schema';
const SCHEMA_FILE = 'registration-schema.mjs';
/** The operator's policies of enrolment, likewise. */
const ENROLMENT_IMPORT = 'countersign:enrolment';
const ENROLMENT_FILE = 'enrolment.mjs';
const WITH_ENROLMENT: BundleName = 'oauth-register';
const WITH_SCHEMA: readonly BundleName[] = ['register', 'register-oauth', 'discovery'];

/** How every module is built, the bench's too. */
export const BUILD_OPTIONS = {
  absWorkingDir: ROOT,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  mainFields: ['module', 'main'],
  minify: true,
  legalComments: 'none',
  logLevel: 'error',
} as const satisfies BuildOptions;

/** node-vault is CommonJS, and ES modules have no `require`. */
const REQUIRE = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);";
const WITH_REQUIRE: readonly BundleName[] = ['rotate'];

/** Packages that node-vault loads and that nothing here calls: docs/decisions/0024. */
const UNUSED_BY_VAULT = ['axios', 'debug', 'mustache', 'tv4'];

export interface BundlesProps {
  /** The app's output directory. The bundles are written to a directory in it. */
  readonly outdir: string;
  readonly registrationSchema: object;
  /** @default none */
  readonly enrolment?: readonly EnrolmentPolicy[];
}

/** @returns each function's directory, which holds `index.mjs` */
export function buildBundles({
  outdir,
  registrationSchema,
  enrolment = [],
}: BundlesProps): Record<BundleName, string> {
  // The CLI gives a relative directory; esbuild works in another one.
  const bundles = resolve(outdir, 'bundles');
  const directory = (name: BundleName) => join(bundles, name);
  if (existsSync(PREBUILT)) cpSync(PREBUILT, bundles, { recursive: true });
  else bundleFunctions(bundles);
  const schema = bundleSchema(registrationSchema);
  for (const name of WITH_SCHEMA) {
    mkdirSync(directory(name), { recursive: true });
    writeFileSync(join(directory(name), SCHEMA_FILE), schema);
  }
  mkdirSync(directory(WITH_ENROLMENT), { recursive: true });
  writeFileSync(
    join(directory(WITH_ENROLMENT), ENROLMENT_FILE),
    `export const policies = ${JSON.stringify(enrolment)};\n`,
  );
  return Object.fromEntries(BUNDLES.map((name) => [name, directory(name)])) as Record<BundleName, string>;
}

/** Writes each function's module, `<name>/index.mjs`, without an operator's schema. */
export function bundleFunctions(outdir: string): void {
  modules ??= buildModules();
  for (const name of BUNDLES) {
    mkdirSync(join(outdir, name), { recursive: true });
    writeFileSync(join(outdir, name, 'index.mjs'), modules[name]);
  }
}

/** Built once for all stages of an app. */
let modules: Record<BundleName, Uint8Array> | undefined;

function buildModules(): Record<BundleName, Uint8Array> {
  const plain = BUNDLES.filter((name) => !WITH_REQUIRE.includes(name));
  return { ...buildEntries(plain), ...buildEntries(WITH_REQUIRE, REQUIRE) } as Record<BundleName, Uint8Array>;
}

function buildEntries(names: readonly BundleName[], banner = ''): Partial<Record<BundleName, Uint8Array>> {
  const { outputFiles } = buildSync({
    ...BUILD_OPTIONS,
    banner: { js: banner },
    entryPoints: Object.fromEntries(names.map((name) => [`${name}/index`, `lambda/entry/${name}.ts`])),
    // Nothing is written: the name only makes the paths differ.
    outdir: 'out',
    write: false,
    outExtension: { '.js': '.mjs' },
    alias: {
      [SCHEMA_IMPORT]: `./${SCHEMA_FILE}`,
      [ENROLMENT_IMPORT]: `./${ENROLMENT_FILE}`,
      '@aws-sdk/credential-provider-node': './lib/functions/no-credential-chain.ts',
      ...Object.fromEntries(UNUSED_BY_VAULT.map((name) => [name, './lib/functions/unused-by-vault.cts'])),
    },
    external: [`./${SCHEMA_FILE}`, `./${ENROLMENT_FILE}`],
  });
  return Object.fromEntries(outputFiles.map(({ path, contents }) => [basename(dirname(path)), contents]));
}

/** ajv's compiled code, with what it imports. */
function bundleSchema(registrationSchema: object): Uint8Array {
  const { outputFiles } = buildSync({
    ...BUILD_OPTIONS,
    stdin: { contents: schemaModule(registrationSchema), resolveDir: ROOT, loader: 'js' },
    write: false,
  });
  return outputFiles[0]!.contents;
}
