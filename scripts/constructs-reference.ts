/**
 * Writes the generated half of docs/constructs.md: all exports of the package, read from its declarations.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from './build.ts';
import { readDocument, withGenerated, writeDocument } from './reference.ts';

/** A class, an interface or a type that the package exports. */
export interface Declared {
  readonly kind: 'class' | 'interface' | 'type';
  readonly name: string;
  /** Its base class; for a type, its definition. */
  readonly of: string;
  readonly doc: string;
  readonly members: readonly Member[];
}

export interface Member {
  /** A property's name, or a method with its parameters. */
  readonly name: string;
  /** Whether the property is optional. */
  readonly optional: boolean;
  readonly type: string;
  readonly doc: string;
  /** The text of its `@default`. */
  readonly default?: string;
}

/**
 * @param all the result of {@link declarations}, which takes seconds
 * @returns docs/constructs.md with its generated half written again
 */
export function constructsReference(all = declarations()): string {
  const names = all.map(({ name }) => name);
  // The platform first, then its stacks, then the settings.
  const rank = ({ name, kind }: Declared) =>
    name.startsWith('RegistrationPlatform') ? 0 : kind === 'class' ? 1 : 2;
  const ordered = all.toSorted((a, b) => rank(a) - rank(b));
  const text = ordered.flatMap((each) => section(each, names)).join('\n');
  return withGenerated(readDocument('constructs.md'), 'constructs-reference.ts', text);
}

/** @returns the exports of lib/index.ts in order, as the compiler declares them to users of the package */
export function declarations(): Declared[] {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-declarations-'));
  try {
    compile(directory, ['lib/index.ts']);
    const read = (path: string) => readFileSync(join(directory, 'lib', path), 'utf8');
    return [...read('index.d.ts').matchAll(/^export (.+) from '\.\/(.+)\.ts';$/gm)].flatMap(
      ([, what, file]) => {
        const inFile = declaredIn(read(`${file}.d.ts`));
        if (what === 'type *') return inFile;
        const wanted = [...what!.matchAll(/(\w+)(?=[,\s]*[,}])/g)].map(([name]) => name);
        return wanted.map((name) => inFile.find((each) => each.name === name)!);
      },
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const DOC = String.raw`(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n *)?`;
const TYPE = new RegExp(
  `^${DOC}export (?:declare )?(class|interface) (\\w+)(?: extends (\\w+))? \\{\\n([\\s\\S]*?)^\\}`,
  'gm',
);
const ALIAS = new RegExp(`^${DOC}export type (\\w+) = ([^;]+);`, 'gm');
const MEMBER = new RegExp(
  `^ {4}${DOC}(?:readonly |get )*(?:'([\\w-]+)'|(\\w+))(\\([\\s\\S]*?\\))?(\\?)?(?:: ([^;]+))?;$`,
  'gm',
);

function declaredIn(text: string): Declared[] {
  const types = [...text.matchAll(TYPE)].map(([, doc, kind, name, of, body]) => {
    const members = [...body!.matchAll(MEMBER)].map(memberOf);
    // Otherwise a member that the expression does not match would be omitted silently.
    const count = body!.match(/^ {4}[\w']/gm)?.length ?? 0;
    if (count !== members.length) throw new Error(`${name} has ${count} members, read ${members.length}`);
    return { kind: kind as Declared['kind'], name: name!, of: of ?? '', doc: sentences(doc), members };
  });
  const aliases = [...text.matchAll(ALIAS)].map(([, doc, name, of]): Declared => {
    return { kind: 'type', name: name!, of: of!, doc: sentences(doc), members: [] };
  });
  return [...types, ...aliases];
}

function memberOf([, doc, quoted, plain, parameters = '', optional, type = '']: RegExpExecArray): Member {
  const [meaning, usual] = sentences(doc).split(' @default ');
  return {
    name: `${quoted ?? plain}${parameters === '()' && type !== '' ? '' : parameters}`,
    ...{ optional: optional !== undefined, type, doc: meaning! },
    ...(usual !== undefined && { default: usual }),
  };
}

/** @returns a comment as one line, without its example */
const sentences = (comment = ''): string =>
  comment
    .replace(/@example[\s\S]*/, '')
    .replaceAll(/^ *\* ?/gm, '')
    .replaceAll(/\s+/g, ' ')
    .replace('@throws', 'Throws')
    .trim();

function section({ kind, name, of, doc, members }: Declared, names: readonly string[]): string[] {
  const code = (text: string) => `\`${text.replaceAll('|', '\\|')}\``;
  const typed = (type: string) => {
    const own = names.find((each) => new RegExp(`\\b${each}\\b`).test(type));
    return own === undefined ? code(type) : `[${code(type)}](#${own.toLowerCase()})`;
  };
  const head = [`### ${name}\n`, `${doc}\n`];
  if (kind === 'type') return [...head, `${typed(of)}\n`];
  if (of !== '') head.push(`It has all of ${typed(of)} as well.\n`);
  if (kind === 'class') {
    // The platform creates the stacks, so nobody calls their constructors.
    const used = members.filter((each) => !each.name.startsWith('constructor') || each.doc !== '');
    const rows = used.map(
      (each) => `| ${code(each.name)} | ${each.type && typed(each.type)} | ${each.doc} |`,
    );
    return rows.length === 0 ? head : [...head, '| member | type | meaning |', '|---|---|---|', ...rows, ''];
  }
  const usual = ({ optional, default: text = '' }: Member) =>
    optional ? (VALUE.test(text) ? code(text) : text) : 'needed';
  const rows = members.map(
    (each) => `| ${code(each.name)} | ${typed(each.type)} | ${usual(each)} | ${each.doc} |`,
  );
  return [...head, '| setting | type | default | meaning |', '|---|---|---|---|', ...rows, ''];
}

/** A default that is one literal. */
const VALUE = /^('[^']*'|\d+|\[.*\])$/;

if (process.argv[1] === fileURLToPath(import.meta.url)) writeDocument('constructs.md', constructsReference());
