/** `npm run bench`: the measurements of docs/performance.md, which it writes anew. */
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { measureBatch } from './batch.ts';
import { measureBundles } from './bundles.ts';
import { measureNonce } from './nonce.ts';
import { toMarkdown } from './report.ts';

const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform} ${process.arch}`;
const parts = [
  `# Performance

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}. Machine: ${machine}; shared, so its speed drifts: read
the ratios, and the spread beside each figure. Figures that miss their target are here as well.
`,
];
for (const measure of [measureNonce, () => measureBatch(16), measureBundles]) {
  const section = toMarkdown(await measure());
  console.log(section);
  parts.push(section);
}
writeFileSync(new URL('../docs/performance.md', import.meta.url), parts.join('\n'));
process.exit();
