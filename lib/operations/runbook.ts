/** An alarm's text leads to the operator's own runbook, or to the dashboard, which shows docs/runbook.md. */
import { readFileSync } from 'node:fs';
import { WATCH_REGION } from '../../lambda/contract/forms.ts';
import type { Config } from '../config/read.ts';

/** It lies at the same place in an installed package. */
const FILE = new URL('../../docs/runbook.md', import.meta.url);

export const dashboardName = (stage: string): string => `countersign-${stage}`;

/** @returns a link to a section, or its name: a stage of kind dev has no dashboard */
export function runbookLink({ runbookUrl, stage }: Config, section: string): string {
  if (runbookUrl !== undefined) return `${runbookUrl}#${section}`;
  if (stage.kind === 'dev') return `docs/runbook.md#${section}`;
  const console = `https://${WATCH_REGION}.console.aws.amazon.com/cloudwatch/home?region=${WATCH_REGION}`;
  return `${console}#dashboards/dashboard/${dashboardName(stage.name)} (section ${section})`;
}

/**
 * @returns each section as Markdown. Links become plain text, since they lead to files of the repository;
 * comments are for its tests
 */
export function runbookSections(): string[] {
  const [, ...sections] = readFileSync(FILE, 'utf8')
    .replace(/^# Without an alarm$/m, '')
    .replaceAll(/^<!--.*-->\n/gm, '')
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .split(/^## /m);
  return sections.map((text) => `## ${text.trim()}`);
}
