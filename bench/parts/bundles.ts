/** The size of what is uploaded for each function. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import defaultSchema from '../../lambda/schema/default.json' with { type: 'json' };
import { buildBundles } from '../../lib/functions/bundles.ts';
import type { Part } from '../report.ts';

const KIB = 1024;
/** Of what a cold start of the request path's largest function reads. */
const REGISTER_TARGET_KIB = 130;

interface Size {
  readonly name: string;
  readonly bytes: number;
  readonly gzipped: number;
}

export const bundles: Part<readonly Size[]> = {
  async measure() {
    const outdir = mkdtempSync(join(tmpdir(), 'countersign-bundles-'));
    try {
      const built = buildBundles({ outdir, registrationSchema: defaultSchema });
      return Object.entries(built).map(([name, directory]) => {
        const files = readdirSync(directory).map((file) => readFileSync(join(directory, file)));
        const total = (measure: (file: Buffer) => number) =>
          files.reduce((sum, file) => sum + measure(file), 0);
        return { name, bytes: total((file) => file.length), gzipped: total((file) => gzipSync(file).length) };
      });
    } finally {
      rmSync(outdir, { recursive: true, force: true });
    }
  },
  sections: (sizes) => [
    {
      title: 'Bundles',
      note: 'As deployed: ES modules, minified, with the default schema. Functions off the request path include the AWS SDK.',
      unit: 'KiB',
      rows: sizes.map(({ name, bytes, gzipped }) => ({
        figure: name,
        measured: `${kib(bytes)}, gzipped ${kib(gzipped)}`,
        values: [bytes / KIB],
        ...(name === 'register' && {
          target: `≤ ${REGISTER_TARGET_KIB} KiB`,
          missed: bytes > REGISTER_TARGET_KIB * KIB,
        }),
      })),
    },
  ],
};

const kib = (bytes: number): string => `${(bytes / KIB).toFixed(0)} KiB`;
