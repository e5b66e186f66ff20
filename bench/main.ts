/**
 * `npm run bench`: measures, prints each figure that has a target, and writes docs/performance.md and the raw
 * figures behind it. `npm run bench -- NAME…` measures some parts only and leaves the other sections as they
 * are.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { MACHINE } from './machine.ts';
import { measureBatch } from './parts/batch.ts';
import { measureBundles } from './parts/bundles.ts';
import { measureHandler } from './parts/handler.ts';
import { measureKeys } from './parts/keys.ts';
import { measureNonce } from './parts/nonce.ts';
import { measurePlatform } from './parts/platform.ts';
import { measurePython } from './parts/python.ts';
import { measureStart } from './parts/start.ts';
import { measureSteady } from './parts/steady.ts';
import { measureStore } from './parts/store.ts';
import { type Measured, type Section, targetLines, toMarkdown } from './report.ts';

const PARTS: Readonly<Record<string, () => Promise<Measured>>> = {
  handler: measureHandler,
  store: measureStore,
  nonce: measureNonce,
  keys: measureKeys,
  start: measureStart,
  steady: measureSteady,
  platform: measurePlatform,
  batch: measureBatch,
  python: measurePython,
  bundles: measureBundles,
};
const RESULTS = new URL('results/', import.meta.url);

/** A part's last measurement, as it is stored. */
interface Kept extends Measured {
  /** `YYYY-MM-DD`, UTC. */
  readonly date: string;
  readonly machine: string;
}

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(', ')}; the parts are ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}
mkdirSync(RESULTS, { recursive: true });
for (const name of names.length > 0 ? names : Object.keys(PARTS)) {
  const { sections, raw } = await PARTS[name]!();
  const kept: Kept = { date: new Date().toISOString().slice(0, 10), machine: MACHINE, sections, raw };
  writeFileSync(resultFile(name), `${JSON.stringify(kept, rounded, 2)}\n`);
  for (const line of sections.flatMap(targetLines)) console.log(line);
}
writeFileSync(new URL('../docs/performance.md', import.meta.url), page());
// Kept-alive connections would delay the end of the process.
process.exit();

function resultFile(name: string): URL {
  return new URL(`${name}.json`, RESULTS);
}

function page(): string {
  const parts = Object.keys(PARTS).flatMap((name) => {
    const kept = lastResult(name);
    return kept ? [part(name, kept)] : [];
  });
  return `# Performance

\`npm run bench\` writes this page. \`npm run bench -- NAME…\` measures a part:
${Object.keys(PARTS).join(', ')}.
The machine is shared and its speed changes, so read the ratios, and the spread beside each figure. The page also
has the figures that miss their target.

${parts.join('\n')}`;
}

function lastResult(name: string): Kept | undefined {
  try {
    return JSON.parse(readFileSync(resultFile(name), 'utf8')) as Kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function part(name: string, { date, machine, sections }: Kept): string {
  const source = `*\`${name}\`: ${date}, ${machine}. Raw data: [bench/results/${name}.json](../bench/results/${name}.json)*`;
  const [first, ...rest] = sections.map((section: Section) => toMarkdown(section));
  return [`${first}\n${source}\n`, ...rest].join('\n');
}

/** No measurement is more exact than these digits. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}
