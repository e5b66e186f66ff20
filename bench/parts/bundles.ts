/** The size of what is uploaded for each function. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import defaultSchema from '../../lambda/schema/default.json' with { type: 'json' };
import { buildBundles } from '../../lib/functions/bundles.ts';
import type { Measured } from '../report.ts';

export async function measureBundles(): Promise<Measured> {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-bundles-'));
  try {
    const bundles = buildBundles({ outdir, registrationSchema: defaultSchema });
    const sizes = Object.entries(bundles).map(([name, directory]) => {
      const files = readdirSync(directory).map((file) => readFileSync(join(directory, file)));
      const total = (measure: (file: Buffer) => number) =>
        files.reduce((sum, file) => sum + measure(file), 0);
      return { name, bytes: total((file) => file.length), gzipped: total((file) => gzipSync(file).length) };
    });
    const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;
    return {
      sections: [
        {
          title: 'Bundles',
          note: 'As deployed: ES modules, minified, with the default schema. Functions off the request path include the AWS SDK.',
          rows: sizes.map(({ name, bytes, gzipped }) => ({
            figure: name,
            measured: `${kib(bytes)}, gzipped ${kib(gzipped)}`,
          })),
        },
      ],
      raw: sizes,
    };
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}
