/** Makes docs/performance.md and its plots from the results that are kept. */
import { readFileSync } from 'node:fs';
import { PARTS } from './parts.ts';
import { plot } from './plot.ts';
import { type Kept, type Section, toMarkdown } from './report.ts';

export const RESULTS = new URL('results/', import.meta.url);
export const DOCS = new URL('../docs/', import.meta.url);

/** @returns the text of each file by its path in docs/ */
export function render(results: ReadonlyMap<string, Kept>): Map<string, string> {
  const files = new Map<string, string>();
  const parts = [...results].map(([name, kept]) => {
    const source = `*\`${name}\`: ${kept.date}, ${kept.machine}. ${kept.cores} Raw data: [bench/results/${name}.json](../bench/results/${name}.json)*`;
    const [first, ...rest] = PARTS[name]!.sections(kept.raw).map((section: Section) => {
      const image = plot(section);
      if (image === undefined) return toMarkdown(section);
      const file = `performance/${slug(section.title)}.svg`;
      files.set(file, image);
      return `${toMarkdown(section)}\n![${section.title}](${file})\n`;
    });
    return [`${first}\n${source}\n`, ...rest].join('\n');
  });
  files.set(
    'performance.md',
    `# Performance

\`npm run bench\` writes this page and its plots. \`npm run bench -- NAME…\` measures a part:
${Object.keys(PARTS).join(', ')}.
\`npm run bench -- --render\` measures nothing and writes them again from the figures that are kept.
The machine is shared and its speed changes, so read the ratios, and the spread beside each figure. The page also
has the figures that miss their target. In plots, a bar is the median and its line reaches from the least to the
greatest; grey bars are limits, or somebody else’s.

${parts.join('\n')}`,
  );
  return files;
}

/** The last result of each part that was ever measured. */
export function readResults(): Map<string, Kept> {
  return new Map(
    Object.keys(PARTS).flatMap((name) => {
      try {
        return [[name, JSON.parse(readFileSync(new URL(`${name}.json`, RESULTS), 'utf8')) as Kept]];
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw error;
      }
    }),
  );
}

const slug = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
