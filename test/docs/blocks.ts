/** The code in the documents: every fenced block of a language that runs is run by a test, or says why not. */
import { globSync, readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url).pathname;

export interface Block {
  /** Where it stands, for messages. */
  readonly at: string;
  readonly file: string;
  readonly language: string;
  readonly code: string;
  /** After the language: `prints: TEXT` is what its output must hold, `not run: WHY` a reason. */
  readonly prints: string | undefined;
  readonly notRun: string | undefined;
}

export const RUNNABLE = ['ts', 'sh', 'python'];

/** @returns the blocks of all documents of the project, in order */
export function blocks(): Block[] {
  const files = ['README.md', 'sdk/typescript/README.md', ...globSync('docs/**/*.md', { cwd: root }).sort()];
  return files.flatMap((file) => read(file, readFileSync(`${root}${file}`, 'utf8')));
}

function read(file: string, text: string): Block[] {
  return [...text.matchAll(/^```(\w+)[ \t]*(.*)\n([\s\S]*?)^```$/gm)].map((match) => {
    const [, language, info, code] = match as unknown as [string, string, string, string];
    const line = text.slice(0, match.index).split('\n').length;
    const said = (name: string) => (info.startsWith(`${name}: `) ? info.slice(name.length + 2) : undefined);
    return { at: `${file}:${line}`, file, language, code, prints: said('prints'), notRun: said('not run') };
  });
}
