/** Rules for every document: all code is tested, and all links work. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { documents, FOLLOWED, RUNNABLE } from './blocks.ts';

/** Languages that are not programs. */
const DATA = ['http', 'json', 'text', 'yaml'];

const root = new URL('../../', import.meta.url).pathname;
const all = documents();
const blocks = all.flatMap((document) => document.blocks);
const textOf = (file: string) => all.find((document) => document.file === file)?.text;

describe('code', () => {
  it('of a runnable language is run, or says why not', () => {
    const found = blocks.filter(({ language }) => RUNNABLE.includes(language));
    expect(found.length).toBeGreaterThan(10);
    // A misspelt word after the language would turn a check off.
    for (const { at, info } of found) expect(info, at).toMatch(/^(|prints: \S.*|not run: \S.*)$/);
    const elsewhere = found.filter(({ file }) => !FOLLOWED.includes(file));
    expect(elsewhere.filter(({ notRun }) => notRun === undefined).map(({ at }) => at)).toEqual([]);
    // A language under another name would go unnoticed.
    const others = new Set(blocks.map(({ language }) => language).filter((name) => !RUNNABLE.includes(name)));
    for (const name of others) expect(DATA).toContain(name);
  });

  it('that is not run names the test that replaces it', () => {
    const reasons = blocks.flatMap(({ at, notRun }) => (notRun === undefined ? [] : [[at, notRun]]));
    expect(reasons.length).toBeGreaterThan(10);
    for (const [at, reason] of reasons as [string, string][]) {
      const tests = [...reason.matchAll(/\btest\/[\w./-]+/g)].map(([path]) => path);
      if (tests.length === 0) expect(reason, at).toMatch(/; no test does the same$/);
      for (const test of tests) expect(existsSync(join(root, test)), `${at}: ${test}`).toBe(true);
    }
  });

  it.each(all)('of $file is in fences that the tests read: with a language, not indented', (document) => {
    const fences = document.text.match(/^[ \t>]*(```|~~~).*$/gm) ?? [];
    expect(fences).toHaveLength(2 * document.blocks.length);
  });
});

describe('paths', () => {
  it.each(all)('that $file names exist', ({ text }) => {
    const named = text.matchAll(
      /`((?:\.ci|\.github|bench|bin|cli|docs|examples|lambda|lib|local|protocol|scripts|sdk|test)\/[\w./-]*)`/g,
    );
    for (const [, path] of named) expect(existsSync(join(root, path!)), path).toBe(true);
  });
});

it('CONTRIBUTING.md names only identifiers that exist in the files named beside them', () => {
  const steps = textOf('CONTRIBUTING.md')!
    .split(/\n\n|\n(?=\d+\. )/)
    .filter((step) => /^\d+\. /.test(step));
  const checked = steps.flatMap((step) => {
    const named = [...step.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);
    const files = named.filter((text) => text.includes('/') && existsSync(join(root, text))).flatMap(filesOf);
    if (files.length === 0) return [];
    const code = files.map((file) => readFileSync(file, 'utf8')).join('\n');
    const identifiers = named.filter((text) => /^\w+$/.test(text));
    expect(
      identifiers.filter((text) => !new RegExp(`\\b${text}\\b`).test(code)),
      step,
    ).toEqual([]);
    return identifiers;
  });
  expect(checked.length).toBeGreaterThan(20);
});

it('decision 0004 lists what lib imports of lambda and protocol, and what cli imports of lambda', () => {
  const importsOf = (folder: string, of: string) =>
    filesOf(folder).flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(new RegExp(`from '(?:\\.\\./)+((?:${of})/[^']+)'`, 'g'))].map(
        ([, path]) => path!,
      ),
    );
  const imported = [...importsOf('lib', 'lambda|protocol'), ...importsOf('cli', 'lambda')];
  const others = new Set(imported.filter((path) => !path.startsWith('lambda/contract/')));
  const arrows = textOf('docs/decisions/0004-schema-beside-bundle.md')!.split('**Arrows.**')[1]!;
  // Both `lib` and `cli` may import the same file.
  const listed = new Set(
    [...arrows.matchAll(/`((?:lambda|protocol)\/[\w/-]+\.\w+)`/g)].map(([, path]) => path!),
  );
  expect([...listed].sort()).toEqual([...others].sort());
});

it('every guarantee is listed once', () => {
  const rows = textOf('docs/guarantees.md')!.match(/^\| (?!guarantee \|).+$/gm)!;
  const names = rows.flatMap((row) =>
    row
      .split('|')[1]!
      .split(',')
      .map((name) => name.trim()),
  );
  expect(names.length).toBeGreaterThan(90);
  expect(names).toEqual([...new Set(names)]);
});

describe('links', () => {
  it.each(all)('of $file lead to an existing target', ({ file, text }) => {
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
    for (const target of targets.filter((each) => !/^https?:/.test(each))) {
      const [path, anchor] = target.split('#') as [string, string | undefined];
      const there = path === '' ? file : join(dirname(file), path);
      expect(existsSync(join(root, there)), `${file}: ${target}`).toBe(true);
      if (anchor) expect(anchors(textOf(there) ?? ''), `${file}: ${target}`).toContain(anchor);
    }
  });

  it('of the threat model are guarantees of the table, or existing tests', () => {
    const table = /^## Attacks\n([\s\S]*?)^## /m.exec(textOf('docs/threat-model.md')!)![1]!;
    const rows = textOf('docs/guarantees.md')!.match(/^\| [^|]*`[^|]*\|/gm)!;
    const guarantees = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
    const attacks = table.split('\n').filter((line) => /^\| (?!attack )/.test(line));
    expect(attacks.length).toBeGreaterThan(20);
    for (const attack of attacks) {
      const names = [
        ...attack
          .split('|')
          .at(-2)!
          .matchAll(/`([^`]+)`/g),
      ].map(([, name]) => name!);
      expect(names, attack).not.toHaveLength(0);
      for (const name of names)
        expect(guarantees.includes(name) || existsSync(join(root, name)), `${name}: ${attack}`).toBe(true);
    }
  });
});

/** @returns the file, or all files of the folder */
function filesOf(path: string): string[] {
  const at = join(root, path);
  return statSync(at).isFile() ? [at] : globSync('**/*.ts', { cwd: at }).map((file) => join(at, file));
}

/** Anchors of headings, as GitHub makes them. */
const anchors = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
