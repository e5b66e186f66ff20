/**
 * The code in the documents. A test runs every fenced block of a runnable language, or the block says why
 * not.
 */
import { globSync, readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url).pathname;

export interface Document {
  /** The path from the project's root. */
  readonly file: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

export interface Block {
  /** The block's place, for messages. */
  readonly at: string;
  readonly file: string;
  readonly language: string;
  /** The words after the language. */
  readonly info: string;
  readonly code: string;
  /** `prints: TEXT`: a line of its output must begin with TEXT. */
  readonly prints: string | undefined;
  /**
   * `not run: WHY` gives a reason for one block. `<!-- not run: WHY -->` gives one for all blocks below it.
   */
  readonly notRun: string | undefined;
}

export const RUNNABLE = ['ts', 'sh', 'python'];

/**
 * The documents whose code is run, beside a local platform, in a newcomer's reading order. Every other
 * document says why its code is not run: it might deploy.
 */
export const FOLLOWED = ['README.md', 'docs/guide.md', 'sdk/typescript/README.md', 'docs/callbacks.md'];

/** @returns the documents for readers, in order */
export function documents(): Document[] {
  const files = [
    'README.md',
    'lib/README.md',
    'sdk/typescript/README.md',
    'sdk/python/README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'CHANGELOG.md',
    ...globSync('docs/**/*.md', { cwd: root }).sort(),
  ];
  return files.map((file) => {
    const text = readFileSync(`${root}${file}`, 'utf8');
    return { file, text, blocks: read(file, text) };
  });
}

/** @returns the blocks of a document that are run */
export const runnable = (file: string): Block[] =>
  documents()
    .find((document) => document.file === file)!
    .blocks.filter(({ language, notRun }) => RUNNABLE.includes(language) && notRun === undefined);

/** The variables that the text around TypeScript provides. */
const GIVEN = {
  url: 'const url: string = local.entry;',
  apiKey: 'const apiKey: string = local.clients[0].api_key;',
  users: "const users: { user_id: string }[] = [{ user_id: 'one' }, { user_id: 'two' }];",
};
const LOCAL = `import { readFileSync } from 'node:fs';
const local = JSON.parse(readFileSync('.countersign/local.json', 'utf8'));`;

/** @returns a document's TypeScript as one program, since its blocks build on each other */
export function moduleOf(blocks: readonly Block[]): string {
  const code = blocks.map((block) => block.code).join('\n');
  const given = Object.entries(GIVEN)
    .filter(([name]) => new RegExp(`\\b${name}\\b`).test(code) && !code.includes(`const ${name} =`))
    .map(([, line]) => line);
  const local = given.some((line) => line.includes('local.')) ? [LOCAL] : [];
  return [...local, ...given, code, 'export {};\n'].join('\n');
}

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
