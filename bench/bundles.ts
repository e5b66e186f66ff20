/** What is uploaded for each function. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import defaultSchema from '../lambda/schema/default.json' with { type: 'json' };
import { buildBundles } from '../lib/api/bundles.ts';
import type { Section } from './report.ts';

export function measureBundles(): Section {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-bundles-'));
  try {
    const bundles = buildBundles({ outdir, registrationSchema: defaultSchema });
    const rows = Object.entries(bundles).map(([name, directory]) => {
      const files = readdirSync(directory).map((file) => readFileSync(join(directory, file)));
      const size = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;
      const total = (measure: (file: Buffer) => number) =>
        size(files.reduce((sum, file) => sum + measure(file), 0));
      return {
        figure: name,
        measured: `${total((file) => file.length)}, gzipped ${total((file) => gzipSync(file).length)}`,
      };
    });
    return {
      title: 'Bundles',
      note: 'As deployed: ES modules, minified, the AWS SDK and the default schema included.',
      rows,
    };
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}
