/**
 * `npm run bench`: measures, prints each figure that has a target, and writes docs/performance.md and the raw
 * figures behind it. `npm run bench -- NAME…` measures some parts only and leaves the other sections as they
 * are. `npm run bench -- --render` measures nothing.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { CORES, MACHINE } from './machine.ts';
import { DOCS, RESULTS, readResults, render } from './page.ts';
import { PARTS } from './parts.ts';
import { type Kept, targetLines } from './report.ts';

const RENDER = '--render';

const args = process.argv.slice(2);
const names = args.filter((arg) => arg !== RENDER);
const unknown = names.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(', ')}; the parts are ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}
if (args.includes(RENDER) && names.length > 0) {
  console.error(`${RENDER} measures nothing: name no part`);
  process.exit(2);
}
const measured = args.includes(RENDER) ? [] : names.length > 0 ? names : Object.keys(PARTS);
mkdirSync(RESULTS, { recursive: true });
const failed: string[] = [];
for (const name of measured) {
  const part = PARTS[name]!;
  try {
    const raw = await part.measure();
    const date = new Date().toISOString().slice(0, 10);
    const kept: Kept = { date, machine: MACHINE, cores: CORES.note, raw };
    writeFileSync(new URL(`${name}.json`, RESULTS), `${JSON.stringify(kept, rounded, 2)}\n`);
    for (const line of part.sections(raw).flatMap(targetLines)) console.log(line);
  } catch (error) {
    // A part that fails after minutes of measuring must not cost the others their result.
    failed.push(name);
    console.error(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  }
}
rmSync(new URL('performance/', DOCS), { recursive: true, force: true });
mkdirSync(new URL('performance/', DOCS));
for (const [file, text] of render(readResults())) writeFileSync(new URL(file, DOCS), text);
if (failed.length > 0) console.error(`not measured: ${failed.join(', ')}`);
// Kept-alive connections would delay the end of the process.
process.exit(failed.length > 0 ? 1 : 0);

/** No measurement is more exact than these digits. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}
