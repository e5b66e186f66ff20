/** The code in the documents: every fenced block of a language that runs is run by a test, or says why not. */
import { globSync, readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url).pathname;

export interface Document {
  /** From the project's root. */
  readonly file: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

export interface Block {
  /** Where it stands, for messages. */
  readonly at: string;
  readonly file: string;
  readonly language: string;
  /** What stands after the language. */
  readonly info: string;
  readonly code: string;
  /** `prints: TEXT`: a line of its output must begin so. */
  readonly prints: string | undefined;
  /** `not run: WHY`: a reason; `<!-- not run: WHY -->` is one for all that stands below it. */
  readonly notRun: string | undefined;
}

export const RUNNABLE = ['ts', 'sh', 'python'];

/** Whose shell is run, beside a platform of this machine. That of any other says why it is not: it might deploy. */
export const FOLLOWED = ['README.md', 'docs/guide.md'];

/** @returns what people read, in order */
export function documents(): Document[] {
  const files = ['README.md', 'sdk/typescript/README.md', ...globSync('docs/**/*.md', { cwd: root }).sort()];
  return files.map((file) => {
    const text = readFileSync(`${root}${file}`, 'utf8');
    return { file, text, blocks: read(file, text) };
  });
}

/** @returns the blocks of one language that are to be run */
export const runnable = (wanted: string): Block[] =>
  documents()
    .flatMap(({ blocks }) => blocks)
    .filter(({ language, notRun }) => language === wanted && notRun === undefined)
    .filter(({ file }) => wanted !== 'sh' || FOLLOWED.includes(file));

/** @returns the blocks, by the document that they stand in and build on */
export const byFile = (blocks: readonly Block[]): [string, Block[]][] => [
  ...Map.groupBy(blocks, ({ file }) => file),
];

/** @returns whether the output is what the block promises */
export const printed = ({ prints }: Block, output: string): boolean =>
  prints === undefined || output.split('\n').some((line) => line.startsWith(prints));

function read(file: string, text: string): Block[] {
  const below = /^<!-- not run: (.+) -->$/m.exec(text);
  return [...text.matchAll(/^```(\w+)[ \t]*(.*)\n([\s\S]*?)^```$/gm)].map((match) => {
    const [, language, info, code] = match as unknown as [string, string, string, string];
    const line = text.slice(0, match.index).split('\n').length;
    const said = (name: string) => new RegExp(`^${name}: (.+)$`).exec(info)?.[1];
    const notRun = said('not run') ?? (below && below.index < match.index ? below[1] : undefined);
    return { at: `${file}:${line}`, file, language, info, code, prints: said('prints'), notRun };
  });
}
