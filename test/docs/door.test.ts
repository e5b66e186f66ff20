/** The files for contributors: the workflow and the editor settings agree with the rest of the project. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { readonly steps: readonly Step[] }>>;
}
interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

const workflow: Workflow = parse(read('.github/workflows/ci.yml'));
const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);

it('the workflow runs .ci/run and nothing else, with read permission only', () => {
  expect(steps.flatMap(({ run }) => run ?? [])).toEqual(['.ci/run']);
  expect(workflow.permissions).toEqual({ contents: 'read' });
});

it('the workflow pins each action to a commit', () => {
  const actions = steps.flatMap(({ uses }) => uses ?? []);
  expect(actions.length).toBeGreaterThan(3);
  for (const action of actions) expect(action).toMatch(/^actions\/[\w-]+@[0-9a-f]{40}$/);
});

it('the workflow installs the Node that the project runs on', () => {
  const own = JSON.parse(read('package.json')).devDependencies.node.split('.')[0];
  expect(steps.flatMap((step) => step.with?.['node-version'] ?? [])).toEqual([Number(own)]);
});

it("editors wrap at the formatter's width", () => {
  const { lineWidth, indentWidth } = JSON.parse(read('biome.json')).formatter;
  expect(read('.editorconfig')).toContain(`max_line_length = ${lineWidth}\n`);
  expect(read('.editorconfig')).toContain(`indent_size = ${indentWidth}\n`);
});
