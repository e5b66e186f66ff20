/** What to do when an alarm fires: in the operator's own runbook, else on the stage's dashboard, which shows ours. */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/read.ts';
import { WATCH_REGION } from '../config/watch-region.ts';

/** An installed package holds it at the same place. */
const FILE = new URL('../../docs/runbook.md', import.meta.url);

export const dashboardName = (stage: string): string => `countersign-${stage}`;

/** @returns what leads to a section; a stage of kind dev, which tells nobody of an alarm, has no dashboard */
export function runbookLink({ runbookUrl, stage }: Config, section: string): string {
  if (runbookUrl !== undefined) return `${runbookUrl}#${section}`;
  if (stage.kind === 'dev') return `docs/runbook.md#${section}`;
  const console = `https://${WATCH_REGION}.console.aws.amazon.com/cloudwatch/home?region=${WATCH_REGION}`;
  return `${console}#dashboards/dashboard/${dashboardName(stage.name)} (section ${section})`;
}

/** @returns each section, as Markdown whose links, which lead to files of the repository, are plain text */
export function runbookSections(): string[] {
  const [, ...sections] = readFileSync(FILE, 'utf8')
    .replace(/^# Without an alarm$/m, '')
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .split(/^## /m);
  return sections.map((text) => `## ${text.trim()}`);
}
