/** Two manifests state the required Node version; documents and checks repeat it. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const manifest = (path: string) => JSON.parse(read(path));

/** The Node that a checkout's launcher needs. */
const CHECKOUT = manifest('package.json').engines.node.slice('>='.length);
/** The Node that the published packages need. */
const PACKAGES = manifest('sdk/typescript/package.json').engines.node.slice('>='.length);
/** The Node that the project's own scripts use, which the project installs. */
const OWN = manifest('package.json').devDependencies.node.split('.')[0];

it('no document names another version', () => {
  const said = ['README.md', 'docs/deploy.md', 'sdk/typescript/README.md'].map((file) => [
    file,
    ...[...read(file).matchAll(/Node (\d[\d.]*\d)( or later)?/g)].map(
      ([, version, later]) => version + (later ?? ''),
    ),
  ]);
  expect(said).toEqual([
    ['README.md', `${CHECKOUT} or later`, OWN],
    ['docs/deploy.md', `${CHECKOUT} or later`, OWN, `${PACKAGES} or later`],
    // `await using` is JavaScript from Node 24 on.
    ['sdk/typescript/README.md', `${PACKAGES} or later`, '24', PACKAGES.split('.')[0]],
  ]);
});

it('the packages require the version of the dependency that needs the newest one', () => {
  const { dependencies } = manifest('package.json');
  const floors = Object.keys(dependencies)
    .map((name) => manifest(`node_modules/${name}/package.json`).engines?.node as string | undefined)
    .flatMap((engines) => /(?:^|\|\| )>= ?(\d+(?:\.\d+)*)/.exec(engines ?? '')?.[1] ?? [])
    .map((version) => version.split('.').map(Number) as [number, number?]);
  const [newest] = floors.sort((a, b) => b[0] - a[0] || (b[1] ?? 0) - (a[1] ?? 0));
  expect(newest!.slice(0, 2).join('.')).toBe(PACKAGES);
});

it('the checks at start use the same version', () => {
  expect(read('sdk/typescript/transport/node-version.ts')).toContain(
    `const OLDEST = [${PACKAGES.split('.').join(', ')}] as const;`,
  );
  expect(read('cli/countersign.mjs')).toContain(`const needed = ${OWN};`);
});

it.each([
  ['22.18.0', false],
  ['20.20.2', false],
  ['22.19.0', true],
  ['24.0.0', true],
])('on Node %s the SDK loads, or says in one sentence what it needs: %s', async (version, loads) => {
  // The check reads the version only.
  const program = `Object.defineProperty(process.versions, 'node', { value: '${version}' });
    await import(${JSON.stringify(new URL('../../sdk/typescript/index.ts', import.meta.url).href)})
      .then(() => console.log('loads'), ({ message }) => console.log(message));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  const refusal = `@countersign/sdk needs Node ${PACKAGES} or later, and this is ${version}`;
  expect(stdout).toBe(`${loads ? 'loads' : refusal}\n`);
});
